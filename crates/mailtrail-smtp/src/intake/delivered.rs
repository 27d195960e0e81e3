//! Whom a stored mail was delivered to, as the agent wrote that stored it.

use super::record::Intake;
use crate::return_path::ReturnPathError;

impl Intake {
    /// Where a mail was delivered to, by the fields that our own delivering agent put on top of it:
    /// `Delivered-To` and `X-Original-To` (Postfix, Dovecot, OpenSMTPD), `Envelope-To` (Exim),
    /// `X-Envelope-To`. Of several the one that names a delivery.
    ///
    /// # What is believed
    /// Only what stands above the first `Received`. A server puts its own trace above everything that the
    /// client sent (RFC 5321 §4.4), and the agent writes above that: below it anybody may have written
    /// `Delivered-To`, with a token that they saw in a message. A mail without `Received` says nothing.
    /// Ask only about mails from a place to which nobody but the agent writes.
    pub fn delivered_to(&self, mail: &[u8]) -> Option<String> {
        let named = recipients(mail);
        let first_that = |is: fn(&Result<(), ReturnPathError>) -> bool| {
            named.iter().find(|recipient| is(&self.names_a_delivery(recipient)))
        };
        let chosen = first_that(Result::is_ok)
            .or_else(|| first_that(|named| matches!(named, Err(ReturnPathError::Token(_)))))
            .or(named.first());
        chosen.cloned()
    }
}

/// The recipients above the first `Received`; none if there is no such field.
fn recipients(mail: &[u8]) -> Vec<String> {
    let head = mail.get(..MOST_HEAD).unwrap_or(mail);
    let mut named = Vec::new();
    for (name, value) in fields(head) {
        if name.eq_ignore_ascii_case("received") {
            return named;
        }
        if NAMES.iter().any(|own| name.eq_ignore_ascii_case(own)) {
            let addresses = value.split(',').map(|it| it.trim().trim_matches(['<', '>']));
            named.extend(addresses.filter(|it| !it.is_empty()).map(str::to_owned));
        }
    }
    Vec::new()
}

/// The fields of a header, unfolded, up to what is none.
fn fields(head: &[u8]) -> impl Iterator<Item = (String, String)> {
    let mut lines = head
        .split(|byte| *byte == b'\n')
        .map(|line| String::from_utf8_lossy(line.strip_suffix(b"\r").unwrap_or(line)).into_owned());
    let mut next = lines.next();
    std::iter::from_fn(move || {
        let (name, value) =
            next.take()?.split_once(':').map(|(n, v)| (n.to_owned(), v.to_owned()))?;
        let mut value = value;
        next = lines.next();
        while let Some(folded) = next.take_if(|line| line.starts_with([' ', '\t'])) {
            value.push_str(&folded);
            next = lines.next();
        }
        Some((name.trim_end().to_owned(), value))
    })
}

const NAMES: [&str; 4] = ["Delivered-To", "X-Original-To", "Envelope-To", "X-Envelope-To"];
/// What agents write on top is short.
const MOST_HEAD: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_agents_write_is_found() {
        let cases: [(&str, &[&str]); 6] = [
            (
                "Return-Path: <>\nX-Original-To: b+1@b.example\nDelivered-To: box@b.example\n\
                 Received: by mx (Postfix)\nDelivered-To: b+2@b.example\n\nDelivered-To: x@b.example\n",
                &["b+1@b.example", "box@b.example"],
            ),
            (
                "Return-path: <>\r\nEnvelope-to: b+1@b.example,\r\n b+2@b.example\r\n\
                 Delivery-date: Mon\r\nReceived: from x\r\n\r\n",
                &["b+1@b.example", "b+2@b.example"],
            ),
            ("Return-Path: <>\nDelivered-To: <b+1@b.example>\nReceived: x\n", &["b+1@b.example"]),
            ("Delivered-To: b+1@b.example\nSubject: no trace\n\nReceived: in the body\n", &[]),
            ("From mx Mon\nDelivered-To: b+1@b.example\nReceived: x\n", &[]),
            ("", &[]),
        ];
        for (mail, expected) in cases {
            assert_eq!(recipients(mail.as_bytes()), expected, "{mail}");
        }
    }

    proptest! {
        #[test]
        fn it_is_total_and_nothing_below_the_trace_counts(
            above in "[a-z:@ \r\n]{0,40}",
            below in prop::collection::vec(any::<u8>(), 0..200),
        ) {
            recipients(&below);
            let mut mail = format!("{above}\nReceived: x\nDelivered-To: forged@b.example\n").into_bytes();
            mail.extend(below);
            prop_assert!(!recipients(&mail).contains(&"forged@b.example".to_owned()));
        }
    }
}
