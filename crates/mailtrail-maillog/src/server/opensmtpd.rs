//! OpenSMTPD: every line of an outcome names sender and recipient itself.

use std::borrow::Cow;

use super::between;
use crate::entry::{Entry, Fate, Outcome, Step};
use crate::hop::Hop;
use crate::line::Line;

/// What a line of OpenSMTPD says.
pub(super) fn read<'a>(line: &Line<'a>) -> Option<Entry<'a>> {
    if line.program != "smtpd" {
        return None;
    }
    let (agent, result, text) = current(line.text).or_else(|| former(line.text))?;
    let (before, said) = text.split_once("stat=")?;
    let said = said.strip_prefix('"').and_then(|said| said.strip_suffix('"')).unwrap_or(said);
    let fate = match (result, agent) {
        ("Ok", "mda" | "delivery") => Fate::Stored,
        ("Ok", "mta" | "relay") => Fate::Taken,
        ("TempFail", _) => Fate::Deferred,
        // An expired message is no longer tried.
        ("PermFail" | "Expire", _) => Fate::Bounced,
        _ => return None,
    };
    let sender =
        between(before, "from=<", ">").map(|sender| if sender == "@" { "" } else { sender });
    let to = between(before, " to=<", ">")?;
    // `-` means that no alias has changed it.
    let recipient =
        between(before, "rcpt=<", ">").filter(|rcpt| !matches!(*rcpt, "-" | "")).unwrap_or(to);
    let outcome =
        Outcome { recipient, fate, text: Cow::Borrowed(said), code: None, hop: hop(before) };
    Some(Entry::default().sender(sender).step(Step::Outcome(outcome)))
}

/// `SESSION mta delivery evpid=… result="Ok" stat="…"`, in 5.9 to 6.3 `mta event=delivery`.
fn current(text: &str) -> Option<(&str, &str, &str)> {
    let (_, text) = text.split_once(' ')?;
    let (agent, text) = text.split_once(' ')?;
    let event = text.strip_prefix("event=").unwrap_or(text);
    let fields = event.strip_prefix("delivery evpid=")?;
    let result = between(fields, " result=", " ")?.trim_matches('"');
    Some((agent, result, fields))
}

/// `relay: Ok for EVPID: from=…, stat=…`: before 5.9, and what the queue says to this day.
fn former(text: &str) -> Option<(&str, &str, &str)> {
    let (agent, text) = text.split_once(": ")?;
    let (result, text) = text.split_once(" for ")?;
    Some((agent, result, text))
}

/// `relay="192.0.2.1 (mx.a.example)"`, or a domain if nobody was reached.
fn hop(fields: &str) -> Option<Hop<'_>> {
    let relay = between(fields, " relay=\"", "\"").or_else(|| between(fields, " relay=", ", "))?;
    match relay.split_once(" (") {
        Some((address, host)) => {
            Some(Hop { host: host.trim_end_matches(')'), address: Some(address), port: None })
        }
        None => Hop::parse(relay),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Read = (Option<String>, String, Fate, String, Option<String>);

    fn entry(text: &str) -> Option<Read> {
        let line = format!("Nov 26 01:02:03 mail smtpd[1]: {text}");
        let entry = read(&Line::syslog(&line)?)?;
        let Some(Step::Outcome(outcome)) = entry.step else { return None };
        let host = outcome.hop.map(|hop| hop.host.to_owned());
        let sender = entry.sender.map(str::to_owned);
        Some((sender, outcome.recipient.to_owned(), outcome.fate, outcome.text.into_owned(), host))
    }

    #[test]
    fn every_form_of_an_outcome_is_read() {
        for (text, to, fate, said, host) in [
            (
                "5df8 mta delivery evpid=f6e9 from=<s@s.example> to=<ann@a.example> rcpt=<-> source=\"192.0.2.7\" relay=\"192.0.2.1 (mx.a.example)\" delay=0s result=\"Ok\" stat=\"250 2.0.0 ok\"",
                "ann@a.example",
                Fate::Taken,
                "250 2.0.0 ok",
                Some("mx.a.example"),
            ),
            (
                "5df8 mta event=delivery evpid=f6e9 from=<s@s.example> to=<b@b.example> rcpt=<ann@a.example> source=\"-\" relay=\"b.example\" delay=0s result=\"TempFail\" stat=\"Network error on destination MXs\"",
                "ann@a.example",
                Fate::Deferred,
                "Network error on destination MXs",
                Some("b.example"),
            ),
            (
                "5df8 mda delivery evpid=f6e9 from=<s@s.example> to=<ann@a.example> user=ann delay=1s result=Ok stat=Delivered",
                "ann@a.example",
                Fate::Stored,
                "Delivered",
                None,
            ),
            (
                "relay: Expire for f6e9: from=<s@s.example>, to=<ann@a.example>, rcpt=<->, delay=4d, stat=Envelope expired",
                "ann@a.example",
                Fate::Bounced,
                "Envelope expired",
                None,
            ),
            (
                "relay: PermFail for f6e9: session=5df8, from=<s@s.example>, to=<ann@a.example>, rcpt=<->, source=192.0.2.7, relay=192.0.2.1 (mx.a.example), delay=1s, stat=550 5.1.1 unknown",
                "ann@a.example",
                Fate::Bounced,
                "550 5.1.1 unknown",
                Some("mx.a.example"),
            ),
        ] {
            let expected = (
                Some("s@s.example".to_owned()),
                to.to_owned(),
                fate,
                said.to_owned(),
                host.map(str::to_owned),
            );
            assert_eq!(entry(text), Some(expected), "{text}");
        }
        assert_eq!(entry("5df8 smtp message msgid=f6e9 size=802 nrcpt=1 proto=ESMTP"), None);
        assert_eq!(
            entry(
                "relay: Remove for f6e9: from=<s@s.example>, to=<a@a.example>, rcpt=<->, delay=4d, stat=Removed by administrator"
            ),
            None
        );
    }
}
