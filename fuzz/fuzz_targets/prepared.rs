//! A message that is written already: its body goes out as it is, each field of the recipient's own is there
//! once, and preparing what came out gives it again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mailtrail_core::DeliveryId;
use mailtrail_core::event::{Private, Row};
use mailtrail_smtp::message::{Compose, Headers, Letter, Prepared};

fuzz_target!(|bytes: &[u8]| {
    let Some((length, rest)) = bytes.split_first() else { return };
    let (name, file) = rest.split_at(rest.len().min(usize::from(*length)));
    let Ok(prepared) = Prepared::new(file) else { return };
    let (Ok(broadcast), Ok(contact), Ok(kind), Ok(address)) =
        ("b".parse(), "c".parse(), "k".parse(), "ann@a.example".parse())
    else {
        return;
    };
    let row = Row::new(DeliveryId::from_bytes([2; 16]), broadcast, contact, kind);
    let mut private = Private::default();
    private.name = Some(String::from_utf8_lossy(name).into());
    let letter = Letter::new(&row, &private, &address, "1@school.example", chrono::DateTime::UNIX_EPOCH);
    let message = prepared.compose(&letter).expect("it composes");
    assert!(body(&message) == body(file), "the body is another one");
    for own in ["to", "date", "message-id", "from"] {
        assert!(count(&message, own) == 1, "{own} is not there once");
    }
    for gone in ["bcc", "return-path", "dkim-signature", "resent-to"] {
        assert!(count(&message, gone) == 0, "{gone} is still there");
    }
    let again = Prepared::new(&message).expect("what was composed is a message").compose(&letter);
    assert!(again.expect("it composes") == message, "twice is not once");
    let headers = Headers::new().list_id("school.example").bulk();
    let with = headers.add_to(message.clone(), &letter).expect("it is a message");
    assert!(body(&with) == body(file) && count(&with, "list-id") >= 1, "no header was added");
});

/// What follows the first empty line.
fn body(message: &[u8]) -> &[u8] {
    let mut rest = message;
    while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
        let (line, after) = rest.split_at(end + 1);
        if line == b"\n" || line == b"\r\n" {
            return after;
        }
        rest = after;
    }
    &[]
}

/// How many fields of the header have this name.
fn count(message: &[u8], name: &str) -> usize {
    let header = &message[..message.len() - body(message).len()];
    let names = header.split(|byte| *byte == b'\n').filter_map(|line| {
        let colon = line.iter().position(|byte| *byte == b':')?;
        (!line.starts_with(b" ") && !line.starts_with(b"\t")).then(|| line[..colon].trim_ascii_end())
    });
    names.filter(|own| own.eq_ignore_ascii_case(name.as_bytes())).count()
}
