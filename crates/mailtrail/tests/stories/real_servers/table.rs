//! What the hosts of recipients do, and what the Email Log says then: one row each.

use std::time::Duration;

use mailtrail::core::Status;
use mailtrail::smtp::sink::{Act, Conduct, Stage};

use super::report::Report;
use super::row::{DELIVERED, Row, SENT, bounced, failed, soft_bounced};
use crate::support::relay::Kind;

pub(crate) struct Behaviour {
    name: &'static str,
    /// Attempt by attempt; none where nobody listens.
    pub(crate) script: Option<Vec<Conduct>>,
    /// What it says about the message afterwards.
    pub(crate) reports: Vec<Report>,
    expected: Expected,
}

/// With Postfix, Exim and OpenSMTPD.
type Expected = [Row; 3];

impl Behaviour {
    fn new(name: &'static str, script: Vec<Conduct>, expected: Expected) -> Self {
        Self { name, script: Some(script), reports: Vec::new(), expected }
    }

    pub(crate) fn domain(&self) -> String {
        format!("{}.example", self.name)
    }

    pub(crate) fn address(&self) -> String {
        format!("ann@{}", self.domain())
    }

    pub(crate) fn expected(&self, kind: Kind) -> Row {
        let [postfix, exim, opensmtpd] = self.expected;
        match kind {
            Kind::Postfix => postfix,
            Kind::Exim => exim,
            Kind::OpenSmtpd => opensmtpd,
        }
    }

    /// What the relay's log says: that a host has taken the message is the last that it knows.
    pub(crate) fn by_log(&self, kind: Kind) -> Status {
        let expected = self.expected(kind);
        match expected.status {
            Status::Bounced | Status::Failed if !self.reports.is_empty() => Status::Delivered,
            Status::Sent | Status::SoftBounced => Status::Delivered,
            // What Exim gives up after a time it logs without the reply.
            Status::Failed if kind == Kind::Exim && expected.late => Status::Bounced,
            status => status,
        }
    }
}

pub(crate) fn behaviours() -> Vec<Behaviour> {
    let says = |(name, stage, reply, expected): (_, _, &str, _)| {
        Behaviour::new(name, vec![says(stage, reply)], expected)
    };
    let refused = refused().into_iter().map(says);
    let put_off = put_off().into_iter().map(says);
    let all = refused.chain(put_off).chain(odd_refusals()).chain(at_second()).chain(lost());
    all.chain(odd_replies()).chain(reported()).collect()
}

/// For good, at each stage, with and without enhanced codes.
fn refused() -> Vec<(&'static str, Stage, &'static str, Expected)> {
    use Stage::{Connect, Data, Ehlo, Mail, Message, Recipient};
    let blocked = bounced("reputation_blocked");
    vec![
        ("connect-554", Connect, "554 your host is blocked", [blocked.late(), blocked, EXPIRED]),
        (
            "connect-521",
            Connect,
            "521 host does not accept mail",
            [NO_MAIL.late(), NO_MAIL, EXPIRED],
        ),
        ("ehlo-502", Ehlo, "502 5.5.1 what is that", same(SENT)),
        ("mail-550", Mail, "550 5.7.1 against our policy", same(POLICY)),
        ("mail-553", Mail, "553 sender rejected", same(bounced("sender_rejected"))),
        ("rcpt-550-5-1-1", Recipient, "550 5.1.1 user unknown", same(USER_UNKNOWN)),
        ("rcpt-550-5-2-1", Recipient, "550 5.2.1 disabled", same(bounced("mailbox_disabled"))),
        ("rcpt-550-5-7-1", Recipient, "550 5.7.1 against our policy", same(POLICY)),
        ("rcpt-550", Recipient, "550 no such user here", same(USER_UNKNOWN)),
        ("rcpt-550-mute", Recipient, "550 no", same(bounced("unknown"))),
        ("rcpt-551", Recipient, "551 5.1.6 user has moved", same(failed("mailbox_moved"))),
        ("rcpt-552-5-2-2", Recipient, "552 5.2.2 over quota", same(bounced("mailbox_full"))),
        ("rcpt-552", Recipient, "552 mailbox full", same(bounced("mailbox_full"))),
        ("rcpt-553", Recipient, "553 5.1.3 bad address", same(failed("bad_address_syntax"))),
        ("rcpt-554-5-7-1", Recipient, "554 5.7.1 relay denied", same(bounced("relay_denied"))),
        ("rcpt-554", Recipient, "554 transaction failed", same(POLICY)),
        ("rcpt-556", Recipient, "556 5.1.10 null MX", same(NO_MAIL)),
        ("data-554", Data, "554 5.7.1 against our policy", same(POLICY)),
        ("dot-550", Message, "550 5.7.1 looks like spam", same(bounced("spam_rejected"))),
        ("dot-552", Message, "552 5.3.4 message too big", same(bounced("message_too_large"))),
        ("dot-554", Message, "554 virus found", same(bounced("virus_detected"))),
        ("dot-554-mute", Message, "554 no", same(bounced("unknown"))),
    ]
}

/// For now, until it is too late.
fn put_off() -> Vec<(&'static str, Stage, &'static str, Expected)> {
    use Stage::{Data, Mail, Message, Recipient};
    vec![
        ("mail-451", Mail, "451 4.3.2 try again", too_late("system_error")),
        ("rcpt-450-4-2-1", Recipient, "450 4.2.1 mailbox busy", too_late("mailbox_disabled")),
        ("rcpt-450", Recipient, "450 try again later", too_late("system_error")),
        ("rcpt-451-4-3-0", Recipient, "451 4.3.0 local error", too_late("system_error")),
        ("rcpt-451-4-7-1", Recipient, "451 4.7.1 greylisted", too_late("greylisted")),
        ("rcpt-452-4-2-2", Recipient, "452 4.2.2 mailbox full", too_late("mailbox_full")),
        ("rcpt-452", Recipient, "452 insufficient system storage", too_late("system_full")),
        ("data-451", Data, "451 4.3.0 no room for data", too_late("system_error")),
        ("dot-451", Message, "451 4.7.1 check not available", too_late("policy_rejected")),
        ("dot-452", Message, "452 4.3.1 disk full", too_late("system_full")),
    ]
}

/// In more than one way.
fn odd_refusals() -> Vec<Behaviour> {
    let refuse = || Act::say("550 5.7.1 against our policy");
    let whoever = Conduct::polite().at(Stage::Ehlo, refuse()).at(Stage::Helo, refuse());
    let (later, gone) = ("450 4.2.0 try later", "550 5.1.1 user unknown");
    let later_gone = vec![says(Stage::Recipient, later), says(Stage::Recipient, gone)];
    let soon = [USER_UNKNOWN, USER_UNKNOWN, USER_UNKNOWN.late()];
    vec![
        Behaviour::new("ehlo-550", vec![whoever], [POLICY, POLICY, EXPIRED]),
        Behaviour::new("connect-421", vec![ends(Stage::Connect)], too_late("system_error")),
        Behaviour::new("rcpt-421", vec![ends(Stage::Recipient)], too_late("system_error")),
        Behaviour::new("later-gone", later_gone, soon),
    ]
}

/// Taken at the second attempt.
fn at_second() -> Vec<Behaviour> {
    let then =
        |name, first, reason| Behaviour::new(name, vec![first, Conduct::polite()], at_last(reason));
    let grey = "450 4.7.1 greylisted";
    vec![
        then("connect-421-once", ends(Stage::Connect), "connection_failed"),
        then("rcpt-421-once", ends(Stage::Recipient), "system_error"),
        then("data-421-once", ends(Stage::Data), "system_error"),
        then("greylisted", says(Stage::Recipient, grey), "greylisted"),
        then("greylisted-dot", says(Stage::Message, grey), "greylisted"),
        then("drop-dot-once", drops(Stage::Message), "connection_failed"),
    ]
}

/// Connections that end where they should not, each time. Only Postfix says so when it gives up.
fn lost() -> Vec<Behaviour> {
    let expected = [bounced("connection_failed").late(), EXPIRED, EXPIRED];
    let stages = [
        ("drop-connect", Stage::Connect),
        ("drop-ehlo", Stage::Ehlo),
        ("drop-mail", Stage::Mail),
        ("drop-rcpt", Stage::Recipient),
        ("drop-data", Stage::Data),
        ("drop-line", Stage::Line),
        ("drop-dot", Stage::Message),
    ];
    let lost =
        stages.map(|(name, stage)| Behaviour::new(name, vec![drops(stage)], expected)).into_iter();
    let nobody = Behaviour { script: None, ..Behaviour::new("nobody", Vec::new(), expected) };
    lost.chain([nobody]).collect()
}

/// Replies that are long, late, in parts, or no text.
fn odd_replies() -> Vec<Behaviour> {
    let rcpt = |name, reply: &[u8], expected| {
        let act = Act::say(reply);
        Behaviour::new(name, vec![Conduct::polite().at(Stage::Recipient, act)], expected)
    };
    let packets = Act::say("550 5.1.1 user unknown").in_packets(2);
    let packets = Conduct::polite().at(Stage::Recipient, packets);
    let long = format!("550 5.1.1 user unknown {}", "and that is that ".repeat(50));
    // Exim takes it for no reply at first, OpenSMTPD takes the first code for the reply's.
    let of_two_codes = [USER_UNKNOWN, USER_UNKNOWN.late(), EXPIRED];
    let gone = same(USER_UNKNOWN);
    vec![
        rcpt("lines", b"550-5.1.1 this mailbox\r\n550-5.1.1 is:\r\n550 5.1.1 user unknown", gone),
        rcpt("lines-bare", b"550-we are sorry\r\n550-there is\r\n550 no such user here", gone),
        rcpt("two-codes", b"450-4.2.0 a moment\r\n550 5.1.1 user unknown", of_two_codes),
        rcpt("latin1", b"550 5.1.1 bo\xeete inconnue, user unknown", gone),
        rcpt("nul", b"550 5.1.1 user\0unknown", gone),
        rcpt("long", long.as_bytes(), gone),
        Behaviour::new("packets", vec![packets], gone),
        Behaviour::new("tarpit", vec![tarpit()], same(SENT)),
    ]
}

/// Taken, and later something is said about it; those that offer DSN are asked to.
fn reported() -> Vec<Behaviour> {
    let gone = Report::Dsn("failed", "5.1.1", "550 5.1.1 user unknown");
    let delivered = Report::Dsn("delivered", "2.0.0", "250 2.0.0 in the mailbox");
    let relayed = Report::Dsn("relayed", "2.0.0", "250 2.0.0 handed on");
    let expanded = Report::Dsn("expanded", "2.0.0", "250 2.0.0 a list");
    let full = Report::Dsn("delayed", "4.2.2", "452 4.2.2 mailbox full");
    let words = Report::Words("550 no such user here");
    let still_full = soft_bounced("mailbox_full");
    let silent = |name, reports, row| {
        let script = vec![Conduct::polite()];
        Behaviour { reports, ..Behaviour::new(name, script, same(row)) }
    };
    let asked = |name, reports, row| {
        let script = vec![Conduct::polite().offers("DSN")];
        Behaviour { reports, ..Behaviour::new(name, script, same(row)) }
    };
    vec![
        silent("ok", vec![], SENT),
        silent("bounces-later", vec![gone], USER_UNKNOWN),
        silent("bounces-in-words", vec![words], USER_UNKNOWN),
        silent("delayed-later", vec![full], still_full),
        asked("dsn-silent", vec![], SENT),
        asked("dsn-delivered", vec![delivered], DELIVERED),
        asked("dsn-relayed", vec![relayed], SENT),
        asked("dsn-expanded", vec![expanded], SENT),
        asked("dsn-delayed", vec![full], still_full),
        asked("dsn-at-last", vec![full, delivered], DELIVERED.late()),
        asked("dsn-failed", vec![gone], USER_UNKNOWN),
        asked("dsn-contradicted", vec![delivered, gone], DELIVERED.contradicted()),
    ]
}

fn says(stage: Stage, reply: &str) -> Conduct {
    Conduct::polite().at(stage, Act::say(reply))
}

fn ends(stage: Stage) -> Conduct {
    Conduct::polite().at(stage, Act::say("421 4.3.2 shutting down").then_hang_up())
}

fn drops(stage: Stage) -> Conduct {
    Conduct::polite().at(stage, Act::hang_up())
}

/// Takes its time for each reply.
fn tarpit() -> Conduct {
    let slow = |reply: &str| Act::say(reply).after(Duration::from_secs(1));
    Conduct::polite()
        .at(Stage::Connect, slow("220 mx.example"))
        .at(Stage::Ehlo, slow("250 mx.example"))
        .at(Stage::Mail, slow("250 2.1.0 ok"))
        .at(Stage::Recipient, slow("250 2.1.5 ok"))
        .at(Stage::Data, slow("354 go ahead"))
        .at(Stage::Message, slow("250 2.0.0 ok"))
}

/// All three report the same.
fn same(row: Row) -> Expected {
    [row; 3]
}

/// Tried until the time was over. OpenSMTPD's last report doesn't say why.
fn too_late(reason: &'static str) -> Expected {
    [bounced(reason).late(), bounced(reason).late(), EXPIRED]
}

/// Taken before a report of the delay is due. OpenSMTPD reports it at the first attempt that fails, as
/// by its own schedule the next one would come later than the report.
fn at_last(reason: &'static str) -> Expected {
    [SENT, SENT, soft_bounced(reason)]
}

const USER_UNKNOWN: Row = failed("user_unknown");
const NO_MAIL: Row = failed("domain_accepts_no_mail");
const POLICY: Row = bounced("policy_rejected");
const EXPIRED: Row = bounced("expired").late();
