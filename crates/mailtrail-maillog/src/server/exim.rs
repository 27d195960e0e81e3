//! Exim: the queue id, then an arrow.

use std::borrow::Cow;

use super::between;
use crate::entry::{Entry, Fate, Outcome, Step};
use crate::hop::Hop;
use crate::line::Line;

/// What a line of Exim's main log says.
pub(super) fn read<'a>(line: &Line<'a>) -> Option<Entry<'a>> {
    let (id, text) = line.text.split_once(' ')?;
    if !is_queue_id(id) {
        return refused(line.text);
    }
    let entry = Entry::of(id);
    let (flag, rest) = text.split_once(' ').unwrap_or((text, ""));
    match flag {
        "<=" => Some(received(entry, rest)),
        // `>>` was delivered while it came in; `->` is a further address of one delivery.
        "=>" | "->" | ">>" => outcome(entry, rest, Verb::Taken),
        "**" => outcome(entry, rest, Verb::Bounced),
        "==" => outcome(entry, rest, Verb::Deferred),
        "Completed" => Some(entry.step(Step::Removed)),
        _ => None,
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verb {
    Taken,
    Bounced,
    Deferred,
}

/// `SENDER H=… P=… S=… id=MESSAGE-ID`
fn received<'a>(entry: Entry<'a>, rest: &'a str) -> Entry<'a> {
    let (sender, fields) = rest.split_once(' ').unwrap_or((rest, ""));
    // What follows is the subject: anybody's words.
    let fields = fields.split_once(" T=\"").map_or(fields, |(fields, _)| fields);
    let message_id = field(fields, "id=");
    Entry { begins: true, message_id, ..entry.sender(Some(bare(sender))) }
}

/// `ADDRESS <ORIGINAL> P=<SENDER> R=… T=… H=host [address] C="…"`, and of failures `: TEXT`.
fn outcome<'a>(entry: Entry<'a>, rest: &'a str, verb: Verb) -> Option<Entry<'a>> {
    let recipient = Recipient::split(rest)?;
    let (fields, said) = match verb {
        Verb::Taken => (recipient.rest, between(recipient.rest, " C=\"", "\"").unwrap_or_default()),
        _ if recipient.ends => ("", recipient.rest),
        _ => recipient.rest.split_once(": ")?,
    };
    // The log selector may ask for the time that it took.
    let said = said.rsplit_once(" DT=").map_or(said, |(said, _)| said);
    // A queue run that leaves the message alone is no attempt.
    if verb == Verb::Deferred && said.starts_with("retry time not reached") {
        return None;
    }
    let hop = hop(fields);
    let fate = match verb {
        Verb::Deferred => Fate::Deferred,
        Verb::Bounced => Fate::Bounced,
        // An automatic reply is a message of its own.
        Verb::Taken if recipient.address.starts_with('>') => return None,
        Verb::Taken if matches!(recipient.address, ":blackhole:" | "/dev/null") => Fate::Discarded,
        Verb::Taken if is_smarthost(fields) => Fate::HandedOver,
        // By a host, or by a transport of this one.
        Verb::Taken => Fate::Taken,
    };
    // F= and P= are there when the log selector asks for them.
    let sender = between(fields, " P=<", ">").or_else(|| between(fields, " F=<", ">"));
    let text = quoted(said);
    let outcome = Outcome { recipient: recipient.original, fate, text, code: None, hop };
    Some(entry.sender(sender).step(Step::Outcome(outcome)))
}

struct Recipient<'a> {
    address: &'a str,
    original: &'a str,
    /// Beginning with a space.
    rest: &'a str,
    /// The address ended in a colon: what follows is the text.
    ends: bool,
}

impl<'a> Recipient<'a> {
    fn split(text: &'a str) -> Option<Self> {
        let quoted = text.strip_prefix('"').and_then(|rest| rest.find('"'));
        let from = quoted.map_or(0, |end| end.saturating_add(2));
        let end = text.get(from..)?.find(' ').map_or(text.len(), |end| end.saturating_add(from));
        let (address, mut rest) = text.split_at_checked(end)?;
        // Piped addresses have arguments; what they stand for follows in brackets.
        if address.starts_with('|') {
            rest = text.find(" <").and_then(|at| text.get(at..))?;
        }
        if let Some(parents) = rest.strip_prefix(" (") {
            rest = parents.split_once(')').map_or(rest, |(_, rest)| rest);
        }
        let bracketed = rest.strip_prefix(" <").and_then(|rest| rest.split_once('>'));
        let blackhole = matches!(address, ":blackhole:" | ":fail:" | ":defer:");
        let ends = !blackhole && bracketed.is_none() && address.ends_with(':');
        let address = if ends { address.trim_end_matches(':') } else { address };
        let (original, rest) = match bracketed {
            Some((original, after)) => match after.strip_prefix(": ") {
                Some(said) => return Some(Self { address, original, rest: said, ends: true }),
                None => (original, after),
            },
            None => (address, rest),
        };
        let rest = if ends { rest.trim_start() } else { rest };
        (!address.is_empty()).then_some(Self { address, original, rest, ends })
    }
}

/// `H=host [address]:port`, else the transport.
fn hop(fields: &str) -> Option<Hop<'_>> {
    let Some((_, host)) = fields.split_once(" H=") else {
        return field(fields, "T=").and_then(Hop::parse);
    };
    // The port, if the log selector asks for it, stands behind the address.
    let (name, address) = host.split_once('[')?;
    let end = address
        .find([' ', '"'])
        .map_or(host.len(), |end| name.len().saturating_add(1).saturating_add(end));
    Hop::parse(host.get(..end)?)
}

/// Debian's names for sending everything through somebody else.
fn is_smarthost(fields: &str) -> bool {
    ["R=", "T="]
        .iter()
        .any(|name| field(fields, name).is_some_and(|name| name.contains("smarthost")))
}

/// The reply in a text such as `SMTP error from remote mail server after RCPT TO:<…>: host …: 550 …`;
/// Exim writes the line ends of a longer one as `\n`.
fn quoted(said: &str) -> Cow<'_, str> {
    let starts = said.match_indices(": ").map(|(at, _)| at.saturating_add(2));
    let reply = starts.filter_map(|at| said.get(at..)).find(|rest| is_reply(rest)).unwrap_or(said);
    if reply.contains("\\n") { Cow::Owned(reply.replace("\\n", " ")) } else { Cow::Borrowed(reply) }
}

fn is_reply(text: &str) -> bool {
    let bytes = text.as_bytes();
    matches!(bytes, [b'2'..=b'5', second, third, rest @ ..]
        if second.is_ascii_digit() && third.is_ascii_digit() && matches!(rest, [] | [b' ' | b'-', ..]))
}

/// `… F=<SENDER> rejected RCPT <RECIPIENT>: TEXT`, perhaps `temporarily`.
fn refused(text: &str) -> Option<Entry<'_>> {
    let sender = between(text, " F=<", ">")?;
    let (before, after) = text.split_once("rejected RCPT ")?;
    let (recipient, said) = after.split_once(": ").unwrap_or((after, ""));
    let fate = if before.ends_with("temporarily ") { Fate::Deferred } else { Fate::Bounced };
    let outcome =
        Outcome { recipient: bare(recipient), fate, text: quoted(said), code: None, hop: None };
    Some(Entry::default().sender(Some(sender)).step(Step::Outcome(outcome)))
}

fn field<'a>(fields: &'a str, name: &str) -> Option<&'a str> {
    fields.split(' ').find_map(|field| field.strip_prefix(name))
}

fn bare(address: &str) -> &str {
    address.trim_start_matches('<').trim_end_matches('>')
}

/// `1abcde-0001gH-Xx`, since Exim 4.97 `1abcde-00000001gHx-AbCd`.
fn is_queue_id(text: &str) -> bool {
    let lengths: Vec<usize> = text.split('-').map(str::len).collect();
    matches!(lengths.as_slice(), [6, 6, 2] | [6, 11, 4])
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    type Read = (String, Fate, String, Option<String>);

    fn entry(text: &str) -> Option<Read> {
        let line = format!("2026-11-26 01:02:03 {text}");
        let Some(Step::Outcome(outcome)) = read(&Line::exim(&line)?)?.step else { return None };
        let host = outcome.hop.map(|hop| hop.host.to_owned());
        Some((outcome.recipient.to_owned(), outcome.fate, outcome.text.into_owned(), host))
    }

    fn expected(to: &str, fate: Fate, text: &str, host: Option<&str>) -> Read {
        (to.to_owned(), fate, text.to_owned(), host.map(str::to_owned))
    }

    #[test]
    fn deliveries_are_read() {
        for (text, to, fate, said, host) in [
            (
                "=> ann@a.example R=dnslookup T=remote_smtp H=mx.a.example [192.0.2.1]:25 X=TLS1.3:x CV=yes C=\"250 2.0.0 ok\"",
                "ann@a.example",
                Fate::Taken,
                "250 2.0.0 ok",
                Some("mx.a.example"),
            ),
            (
                "-> ann@a.example R=smarthost T=remote_smtp_smarthost H=smtp.p.example [192.0.2.1] C=\"250 ok\"",
                "ann@a.example",
                Fate::HandedOver,
                "250 ok",
                Some("smtp.p.example"),
            ),
            (
                "=> ann <ann@a.example> R=localuser T=local_delivery",
                "ann@a.example",
                Fate::Taken,
                "",
                Some("local_delivery"),
            ),
            (
                "=> |/usr/bin/deliver -d ann <ann@a.example> R=system_aliases T=address_pipe",
                "ann@a.example",
                Fate::Taken,
                "",
                Some("address_pipe"),
            ),
            ("=> :blackhole: <ann@a.example> R=junk", "ann@a.example", Fate::Discarded, "", None),
            (
                "=> bob@b.example (team@a.example) <ann@a.example> R=dnslookup T=remote_smtp H=mx.b.example [192.0.2.1]",
                "ann@a.example",
                Fate::Taken,
                "",
                Some("mx.b.example"),
            ),
            (
                "=> x <ann@a.example> R=scan T=spamscan",
                "ann@a.example",
                Fate::Taken,
                "",
                Some("spamscan"),
            ),
        ] {
            assert_eq!(
                entry(&format!("1abcde-0001gH-Xx {text}")),
                Some(expected(to, fate, said, host)),
                "{text}"
            );
        }
        assert_eq!(
            entry("1abcde-0001gH-Xx => >ann@a.example <bob@b.example> R=away T=autoreply"),
            None
        );
    }

    #[test]
    fn failures_are_read_with_what_was_said() {
        for (text, to, fate, said) in [
            (
                "** bob@b.example R=dnslookup T=remote_smtp H=mx.b.example [2001:db8::1] X=TLS1.2:x CV=yes: SMTP error from remote mail server after RCPT TO:<bob@b.example>: 550-5.1.1 no such\\n550 5.1.1 user",
                "bob@b.example",
                Fate::Bounced,
                "550-5.1.1 no such 550 5.1.1 user",
            ),
            (
                "== bob@b.example R=dnslookup T=remote_smtp defer (-44): SMTP error from remote mail server after RCPT TO:<bob@b.example>: host mx.b.example [192.0.2.1]: 450 4.7.1 greylisted",
                "bob@b.example",
                Fate::Deferred,
                "450 4.7.1 greylisted",
            ),
            (
                "== bob@b.example R=dnslookup T=remote_smtp defer (111): Connection refused",
                "bob@b.example",
                Fate::Deferred,
                "Connection refused",
            ),
            (
                "** bob@b.example: retry timeout exceeded",
                "bob@b.example",
                Fate::Bounced,
                "retry timeout exceeded",
            ),
            (
                "** bob@b.example <ann@a.example>: Unrouteable address",
                "ann@a.example",
                Fate::Bounced,
                "Unrouteable address",
            ),
        ] {
            let actual = entry(&format!("1abcde-00000001gHx-AbCd {text}")).unwrap();
            assert_eq!(
                (actual.0.as_str(), actual.1, actual.2.as_str()),
                (to, fate, said),
                "{text}"
            );
        }
    }

    #[test]
    fn a_message_that_is_left_alone_is_no_attempt() {
        for said in
            ["retry time not reached", "retry time not reached for any host for 'a.example'"]
        {
            let line = format!("1abcde-0001gH-Xx == ann@a.example R=r T=t defer (-54): {said}");
            assert_eq!(entry(&line), None, "{said}");
        }
        // After too long a time it is given up with the same words.
        let given_up = "1abcde-0001gH-Xx ** ann@a.example R=r T=t: retry time not reached for any \
                        host after a long failure period";
        assert_eq!(entry(given_up).unwrap().1, Fate::Bounced);
    }

    #[test]
    fn arrivals_and_refusals_name_their_sender() {
        let line = "2026-11-26 01:02:03 1abcde-0001gH-Xx <= s@s.example H=c.example [192.0.2.9] P=esmtp S=700 id=m1@s.example T=\"x id=evil@s.example\"";
        let arrival = read(&Line::exim(line).unwrap()).unwrap();
        assert_eq!(
            (arrival.sender, arrival.message_id),
            (Some("s@s.example"), Some("m1@s.example"))
        );
        let report = read(
            &Line::exim(
                "2026-11-26 01:02:03 1abcde-0001gH-Xx <= <> R=1abcde-0001gG-Xx U=mail P=local S=9",
            )
            .unwrap(),
        );
        assert_eq!(report.unwrap().sender, Some(""));
        let refusal = entry(
            "H=c.example [192.0.2.9] F=<s@s.example> temporarily rejected RCPT <bob@b.example>: greylisted",
        );
        assert_eq!(refusal, Some(expected("bob@b.example", Fate::Deferred, "greylisted", None)));
    }
}
