//! Postfix: a daemon a line, the queue id first.

use std::borrow::Cow;

use super::between;
use crate::entry::{Entry, Fate, Outcome, Step};
use crate::hop::Hop;
use crate::line::Line;

/// What a line of Postfix says.
pub(super) fn read<'a>(line: &Line<'a>) -> Option<Entry<'a>> {
    // Instances and services have names of their own: postfix-out/relay/smtp.
    let (instance, daemon) = line.program.rsplit_once('/')?;
    if instance.is_empty() {
        return None;
    }
    let (id, text) = line.text.split_once(": ")?;
    if id == "NOQUEUE" {
        return refused(Entry::default(), text);
    }
    let entry = is_queue_id(id).then(|| Entry::of(id))?;
    match daemon {
        "smtpd" | "qmqpd" | "pickup" if text.starts_with("client=") || text.starts_with("uid=") => {
            Some(Entry { begins: true, ..entry })
        }
        "cleanup" if text.starts_with("message-id=") => {
            Some(Entry { message_id: text.strip_prefix("message-id="), ..entry })
        }
        "cleanup" | "smtpd" | "postscreen" => refused(entry, text),
        "qmgr" | "oqmgr" | "nqmgr" => Some(managed(entry, text)),
        "postsuper" if text == "removed" => Some(entry.step(Step::Removed)),
        _ => delivery(daemon, text).map(|outcome| entry.step(Step::Outcome(outcome))),
    }
}

/// The queue manager: who sent it, and when it is done.
fn managed<'a>(entry: Entry<'a>, text: &'a str) -> Entry<'a> {
    match text.strip_prefix("from=<").and_then(|rest| rest.split_once(">, ")) {
        Some((sender, rest)) => {
            let entry = entry.sender(Some(sender));
            let is_expired = EXPIRED.iter().any(|status| rest.starts_with(status));
            if is_expired { entry.step(Step::Expired) } else { entry }
        }
        None if text == "removed" => entry.step(Step::Removed),
        None => entry,
    }
}

/// `to=<…>, orig_to=<…>, relay=…, …, dsn=2.0.0, status=sent (250 2.0.0 ok)`
fn delivery<'a>(daemon: &str, text: &'a str) -> Option<Outcome<'a>> {
    let (to, rest) = text.strip_prefix("to=<")?.split_once(">, ")?;
    let (original, rest) = rest
        .strip_prefix("orig_to=<")
        .and_then(|rest| rest.split_once(">, "))
        .unwrap_or((to, rest));
    let (fields, status) = rest.split_once("status=")?;
    let (status, said) = status.split_once(' ')?;
    // A line that was cut off is none.
    let said = said.strip_prefix('(')?.strip_suffix(')')?;
    let field = |name: &str| {
        fields.split(", ").find_map(|field| field.strip_prefix(name)?.strip_prefix('='))
    };
    let hop = field("relay").filter(|relay| *relay != "none").and_then(Hop::parse);
    let fate = match status {
        "sent" => taken(daemon, said),
        "deferred" | "SOFTBOUNCE" => Fate::Deferred,
        "bounced" => Fate::Bounced,
        // `deliverable` and `undeliverable` answer a question; no message went out.
        _ => return None,
    };
    // An alias's line names the address before it; one that is no address is the local part alone.
    let recipient = if original.contains('@') { original } else { to };
    let code = field("dsn").and_then(|code| code.parse().ok());
    Some(Outcome { recipient, fate, text: Cow::Borrowed(quoted(said)), code, hop })
}

fn taken(daemon: &str, said: &str) -> Fate {
    match daemon {
        "local" if said.starts_with("forwarded as ") => Fate::HandedOver,
        "local" | "virtual" if said.ends_with("/dev/null") => Fate::Discarded,
        "local" | "virtual" => Fate::Stored,
        "discard" => Fate::Discarded,
        "smtp" | "lmtp" | "pipe" if is_by_filter(said) => Fate::HandedOver,
        "smtp" | "lmtp" | "pipe" => Fate::Taken,
        // A delivery agent that we don't know may do anything with it.
        _ => Fate::HandedOver,
    }
}

/// amavis answers with the answer of whom it gave the message back to.
fn is_by_filter(said: &str) -> bool {
    said.contains("from MTA(")
}

/// What a server said, without Postfix's own words around it.
fn quoted(said: &str) -> &str {
    // A greeting or EHLO is refused before there is anything to reply to.
    let refused = said.split_once(" refused to talk to me: ").map(|(_, reply)| reply);
    let Some(reply) = said.split_once(" said: ").map(|(_, reply)| reply).or(refused) else {
        return said;
    };
    reply.rsplit_once(" (in reply to ").map_or(reply, |(reply, _)| reply)
}

/// `reject: RCPT from client[…]: 550 5.1.1 …; from=<…> to=<…> proto=ESMTP helo=<…>`, and of
/// cleanup also `…; from=<…> to=<…> proto=ESMTP helo=<…>: 5.7.1 …`.
fn refused<'a>(entry: Entry<'a>, text: &'a str) -> Option<Entry<'a>> {
    let (action, rest) = text.split_once(": ")?;
    if !matches!(action, "reject" | "milter-reject") {
        return None;
    }
    let (before, after) = rest.rsplit_once("; from=<")?;
    let (sender, after) = after.split_once('>')?;
    let recipient = between(after, "to=<", ">")?;
    let behind = after.rsplit_once(">: ").map(|(_, said)| said);
    let said = behind.or_else(|| before.split_once("]: ").map(|(_, said)| said)).or_else(|| {
        // postscreen names the port: `from [192.0.2.1]:1234: 550 …`.
        before.split_once("]:").and_then(|(_, rest)| rest.split_once(": ")).map(|(_, said)| said)
    })?;
    let fate = match said.as_bytes().first()? {
        b'4' => Fate::Deferred,
        b'5' => Fate::Bounced,
        _ => return None,
    };
    let outcome = Outcome { recipient, fate, text: Cow::Borrowed(said), code: None, hop: None };
    Some(entry.sender(Some(sender)).step(Step::Outcome(outcome)))
}

/// Short ids are hexadecimal; long ones (`enable_long_queue_ids`) use all letters but vowels.
fn is_queue_id(text: &str) -> bool {
    (5..=24).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// Of the queue manager: the queue lifetime is over, or `postsuper -f` said so.
const EXPIRED: [&str; 2] = ["status=expired", "status=force-expired"];

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(daemon: &str, text: &str) -> Option<(String, Fate, String)> {
        let line = format!("Nov 26 01:02:03 mail postfix/{daemon}[1]: 4bQx1: {text}");
        let entry = read(&Line::syslog(&line)?)?;
        let Some(Step::Outcome(outcome)) = entry.step else { return None };
        Some((outcome.recipient.to_owned(), outcome.fate, outcome.text.into_owned()))
    }

    #[test]
    fn agents_say_what_became_of_a_message() {
        let to = "to=<ann@a.example>, relay=x, delay=1, delays=0/0/0/1, dsn=2.0.0, status=sent";
        for (daemon, said, fate) in [
            ("smtp", "250 2.0.0 ok", Fate::Taken),
            ("relay/smtp", "250 2.0.0 ok", Fate::Taken),
            ("lmtp", "250 2.1.5 <ann@a.example> Saved", Fate::Taken),
            ("pipe", "delivered via dovecot service", Fate::Taken),
            ("local", "delivered to mailbox", Fate::Stored),
            ("local", "delivered to command: procmail", Fate::Stored),
            ("local", "forwarded as 4bQx2", Fate::HandedOver),
            ("local", "delivered to file: /dev/null", Fate::Discarded),
            ("virtual", "delivered to maildir", Fate::Stored),
            ("discard", "not wanted", Fate::Discarded),
            ("fancy", "done", Fate::HandedOver),
            (
                "smtp",
                "250 2.0.0 from MTA(smtp:[127.0.0.1]:10025): 250 2.0.0 Ok: queued as 4bQx2",
                Fate::HandedOver,
            ),
        ] {
            let (recipient, actual, text) = outcome(daemon, &format!("{to} ({said})")).unwrap();
            assert_eq!(
                (recipient.as_str(), actual, text.as_str()),
                ("ann@a.example", fate, said),
                "{daemon}"
            );
        }
        assert_eq!(outcome("smtp", &format!("{to} (250 2.0.0 o")), None, "a cut line is none");
        assert_eq!(
            outcome("smtp", "to=<a@b>, relay=x, dsn=2.0.0, status=deliverable (250 ok)"),
            None
        );
    }

    #[test]
    fn what_a_server_said_is_quoted_without_postfix_words() {
        let text = "to=<b@b.example>, orig_to=<bob@a.example>, relay=mx.b.example[192.0.2.1]:25, conn_use=2, delay=1, delays=0/0/0/1, dsn=5.1.1, status=bounced (host mx.b.example[192.0.2.1] said: 550 5.1.1 <b@b.example>: unknown (see (1)) (in reply to RCPT TO command))";
        let expected = (
            "bob@a.example".to_owned(),
            Fate::Bounced,
            "550 5.1.1 <b@b.example>: unknown (see (1))".to_owned(),
        );
        assert_eq!(outcome("smtp", text), Some(expected));
    }

    #[test]
    fn what_a_server_says_in_place_of_a_greeting_is_quoted() {
        let text = "to=<b@b.example>, relay=mx.b.example[192.0.2.1]:25, delay=1, delays=0/0/0/1, \
                    dsn=4.3.2, status=deferred (host mx.b.example[192.0.2.1] refused to talk to me: \
                    421 4.3.2 busy)";
        let expected = ("b@b.example".to_owned(), Fate::Deferred, "421 4.3.2 busy".to_owned());
        assert_eq!(outcome("smtp", text), Some(expected));
    }

    #[test]
    fn refusals_are_read_from_all_who_refuse() {
        for (daemon, text, fate, said) in [
            (
                "smtpd",
                "reject: RCPT from c.example[192.0.2.9]: 554 5.7.1 <bob@b.example>: Relay access denied; from=<s@s.example> to=<bob@b.example> proto=ESMTP helo=<c.example>",
                Fate::Bounced,
                "554 5.7.1 <bob@b.example>: Relay access denied",
            ),
            (
                "postscreen",
                "reject: RCPT from [192.0.2.9]:4025: 450 4.3.2 Service currently unavailable; from=<s@s.example>, to=<bob@b.example>, proto=ESMTP, helo=<c.example>",
                Fate::Deferred,
                "450 4.3.2 Service currently unavailable",
            ),
            (
                "cleanup",
                "milter-reject: END-OF-MESSAGE from c.example[192.0.2.9]: 5.7.1 Spam message rejected; from=<s@s.example> to=<bob@b.example> proto=ESMTP helo=<c.example>",
                Fate::Bounced,
                "5.7.1 Spam message rejected",
            ),
            (
                "cleanup",
                "reject: header Subject: win from c.example[192.0.2.9]; from=<s@s.example> to=<bob@b.example> proto=ESMTP helo=<c.example>: 5.7.1 not here",
                Fate::Bounced,
                "5.7.1 not here",
            ),
        ] {
            let expected = ("bob@b.example".to_owned(), fate, said.to_owned());
            assert_eq!(outcome(daemon, text), Some(expected), "{daemon}");
        }
    }
}
