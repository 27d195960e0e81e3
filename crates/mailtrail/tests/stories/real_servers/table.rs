//! What the hosts of recipients do, and what the Email Log says then: one row each.

use std::time::Duration;

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
    /// With Postfix, Exim and OpenSMTPD.
    expected: [Row; 3],
}

impl Behaviour {
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
}

pub(crate) fn behaviours() -> Vec<Behaviour> {
    [refused(), put_off(), lost(), odd_replies(), reported()].into_iter().flatten().collect()
}

/// For good, at each stage, with and without enhanced codes.
fn refused() -> Vec<Behaviour> {
    use Stage::{Connect, Data, Ehlo, Mail, Message, Recipient};
    vec![
        says("connect-554", Connect, "554 mx.example takes no mail from you", same(bounced("policy_rejected"))),
        says("connect-521", Connect, "521 mx.example does not accept mail", same(failed("domain_accepts_no_mail"))),
        ehlo_refused("ehlo-550", "550 5.7.1 go away", same(bounced("policy_rejected"))),
        says("ehlo-502", Ehlo, "502 5.5.1 what is that", same(SENT)),
        says("mail-550", Mail, "550 5.7.1 your address is blocked by our policy", same(bounced("policy_rejected"))),
        says("mail-553", Mail, "553 sender rejected", same(bounced("sender_rejected"))),
        says("rcpt-550-5-1-1", Recipient, "550 5.1.1 user unknown", same(failed("user_unknown"))),
        says("rcpt-550-5-2-1", Recipient, "550 5.2.1 mailbox disabled", same(bounced("mailbox_disabled"))),
        says("rcpt-550-5-7-1", Recipient, "550 5.7.1 rejected by our policy", same(bounced("policy_rejected"))),
        says("rcpt-550", Recipient, "550 no such user here", same(failed("user_unknown"))),
        says("rcpt-550-mute", Recipient, "550 no", same(bounced("unknown"))),
        says("rcpt-551", Recipient, "551 5.1.6 user has moved", same(failed("mailbox_moved"))),
        says("rcpt-552-5-2-2", Recipient, "552 5.2.2 mailbox is over quota", same(bounced("mailbox_full"))),
        says("rcpt-552", Recipient, "552 mailbox full", same(bounced("mailbox_full"))),
        says("rcpt-553-5-1-3", Recipient, "553 5.1.3 bad recipient address syntax", same(failed("bad_address_syntax"))),
        says("rcpt-554-5-7-1", Recipient, "554 5.7.1 relay access denied", same(bounced("relay_denied"))),
        says("rcpt-554", Recipient, "554 transaction failed", same(bounced("unknown"))),
        says("rcpt-556", Recipient, "556 5.1.10 recipient address has a null MX", same(failed("domain_accepts_no_mail"))),
        says("data-554", Data, "554 5.7.1 no valid recipients for you", same(bounced("policy_rejected"))),
        says("dot-550", Message, "550 5.7.1 message looks like spam", same(bounced("spam_rejected"))),
        says("dot-552", Message, "552 5.3.4 message too big for system", same(bounced("message_too_large"))),
        says("dot-554", Message, "554 virus found", same(bounced("virus_detected"))),
        says("dot-554-mute", Message, "554 no", same(bounced("unknown"))),
    ]
}

/// For now: until it is accepted, refused, or too late.
fn put_off() -> Vec<Behaviour> {
    use Stage::{Connect, Data, Mail, Message, Recipient};
    let say = |stage, reply: &str| Conduct::polite().at(stage, Act::say(reply));
    let close = |stage, reply: &str| Conduct::polite().at(stage, Act::say(reply).then_hang_up());
    vec![
        says("mail-451", Mail, "451 4.3.2 try again", same(bounced("system_error").late())),
        says("rcpt-450-4-2-1", Recipient, "450 4.2.1 mailbox busy", same(bounced("mailbox_disabled").late())),
        says("rcpt-450", Recipient, "450 try again later", same(bounced("expired").late())),
        says("rcpt-451-4-3-0", Recipient, "451 4.3.0 local error in processing", same(bounced("system_error").late())),
        says("rcpt-451-4-7-1", Recipient, "451 4.7.1 greylisted, come back later", same(bounced("greylisted").late())),
        says("rcpt-452-4-2-2", Recipient, "452 4.2.2 mailbox full", same(bounced("mailbox_full").late())),
        says("rcpt-452", Recipient, "452 insufficient system storage", same(bounced("system_full").late())),
        says("data-451", Data, "451 4.3.0 no room for data", same(bounced("system_error").late())),
        says("dot-451", Message, "451 4.7.1 content check not available", same(bounced("system_error").late())),
        says("dot-452", Message, "452 4.3.1 disk full", same(bounced("system_full").late())),
        attempts("connect-421", vec![close(Connect, "421 4.3.2 too busy")], same(bounced("system_error").late())),
        attempts("rcpt-421", vec![close(Recipient, "421 4.3.2 shutting down")], same(bounced("system_error").late())),
        attempts("connect-421-once", vec![close(Connect, "421 too many connections"), Conduct::polite()], same(SENT)),
        attempts("rcpt-421-once", vec![close(Recipient, "421 4.3.2 shutting down"), Conduct::polite()], same(SENT)),
        attempts("data-421-once", vec![close(Data, "421 4.3.2 shutting down"), Conduct::polite()], same(SENT)),
        attempts("greylisted", vec![say(Recipient, "450 4.7.1 greylisted"), Conduct::polite()], same(SENT)),
        attempts("greylisted-dot", vec![say(Message, "451 4.7.1 greylisted"), Conduct::polite()], same(SENT)),
        attempts("later-gone", vec![say(Recipient, "450 4.2.0 try later"), say(Recipient, "550 5.1.1 user unknown")], same(failed("user_unknown"))),
    ]
}

/// Connections that end where they should not, each time or once.
fn lost() -> Vec<Behaviour> {
    use Stage::{Connect, Data, Ehlo, Line, Mail, Message, Recipient};
    let drop = |stage| Conduct::polite().at(stage, Act::hang_up());
    let lost = bounced("connection_failed").late();
    vec![
        Behaviour { script: None, ..attempts("nobody", Vec::new(), same(lost)) },
        attempts("drop-connect", vec![drop(Connect)], same(lost)),
        attempts("drop-ehlo", vec![drop(Ehlo)], same(lost)),
        attempts("drop-mail", vec![drop(Mail)], same(lost)),
        attempts("drop-rcpt", vec![drop(Recipient)], same(lost)),
        attempts("drop-data", vec![drop(Data)], same(lost)),
        attempts("drop-line", vec![drop(Line)], same(lost)),
        attempts("drop-dot", vec![drop(Message)], same(lost)),
        attempts("drop-dot-once", vec![drop(Message), Conduct::polite()], same(SENT)),
    ]
}

/// Replies that are long, late, in parts, or no text.
fn odd_replies() -> Vec<Behaviour> {
    use Stage::{Connect, Data, Ehlo, Mail, Message, Recipient};
    let gone = same(failed("user_unknown"));
    let at = |stage, act| vec![Conduct::polite().at(stage, act)];
    let slow = |reply: &str| Act::say(reply).after(Duration::from_secs(1));
    let tarpit = Conduct::polite()
        .at(Connect, slow("220 mx.example"))
        .at(Ehlo, slow("250 mx.example"))
        .at(Mail, slow("250 2.1.0 ok"))
        .at(Recipient, slow("250 2.1.5 ok"))
        .at(Data, slow("354 go ahead"))
        .at(Message, slow("250 2.0.0 ok"));
    let long = format!("550 5.1.1 user unknown {}", "and that is that ".repeat(50));
    vec![
        says("lines", Recipient, "550-5.1.1 the mailbox that you tried\r\n550-5.1.1 to reach does not exist:\r\n550 5.1.1 user unknown", gone),
        says("lines-bare", Recipient, "550-we are sorry\r\n550-there is\r\n550 no such user here", gone),
        says("lines-of-two-codes", Recipient, "450-4.2.0 one moment\r\n550 5.1.1 user unknown", gone),
        attempts("packets", at(Recipient, Act::say("550 5.1.1 user unknown").in_packets(2)), gone),
        says("latin1", Recipient, b"550 5.1.1 utilisateur inconnu: bo\xeete absente, user unknown", gone),
        says("nul", Recipient, b"550 5.1.1 user\0unknown", gone),
        says("long", Recipient, long, gone),
        attempts("tarpit", vec![tarpit], same(SENT)),
    ]
}

/// Taken, and later something is said about it; those that offer DSN are asked to.
fn reported() -> Vec<Behaviour> {
    let gone = Report::Dsn("failed", "5.1.1", "550 5.1.1 user unknown");
    let delivered = Report::Dsn("delivered", "2.0.0", "250 2.0.0 in the mailbox");
    let relayed = Report::Dsn("relayed", "2.0.0", "250 2.0.0 handed on");
    let expanded = Report::Dsn("expanded", "2.0.0", "250 2.0.0 a list");
    let delayed = Report::Dsn("delayed", "4.2.2", "452 4.2.2 mailbox full");
    let words = Report::Words("550 no such user here");
    let silent = |name, reports, expected| Behaviour {
        reports,
        ..attempts(name, vec![Conduct::polite()], expected)
    };
    let asked = |name, reports, expected| Behaviour {
        reports,
        ..attempts(name, vec![Conduct::polite().offers("DSN")], expected)
    };
    vec![
        silent("ok", vec![], same(SENT)),
        silent("bounces-later", vec![gone], same(failed("user_unknown"))),
        silent("bounces-later-in-words", vec![words], same(failed("user_unknown"))),
        silent("delayed-later", vec![delayed], same(soft_bounced("mailbox_full"))),
        asked("dsn-silent", vec![], same(SENT)),
        asked("dsn-delivered", vec![delivered], same(DELIVERED)),
        asked("dsn-relayed", vec![relayed], same(SENT)),
        asked("dsn-expanded", vec![expanded], same(SENT)),
        asked("dsn-delayed", vec![delayed], same(soft_bounced("mailbox_full"))),
        asked("dsn-delayed-delivered", vec![delayed, delivered], same(DELIVERED.late())),
        asked("dsn-failed", vec![gone], same(failed("user_unknown"))),
        asked("dsn-delivered-failed", vec![delivered, gone], same(DELIVERED.contradicted())),
    ]
}

fn same(row: Row) -> [Row; 3] {
    [row; 3]
}

fn attempts(name: &'static str, script: Vec<Conduct>, expected: [Row; 3]) -> Behaviour {
    Behaviour { name, script: Some(script), reports: Vec::new(), expected }
}

/// Says the same at each attempt.
fn says(
    name: &'static str,
    stage: Stage,
    reply: impl Into<Vec<u8>>,
    expected: [Row; 3],
) -> Behaviour {
    attempts(name, vec![Conduct::polite().at(stage, Act::say(reply))], expected)
}

/// Whatever a client calls itself.
fn ehlo_refused(name: &'static str, reply: &str, expected: [Row; 3]) -> Behaviour {
    let refuse = || Act::say(reply);
    let conduct = Conduct::polite().at(Stage::Ehlo, refuse()).at(Stage::Helo, refuse());
    attempts(name, vec![conduct], expected)
}
