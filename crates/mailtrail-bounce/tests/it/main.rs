//! Mails that came back, and mails that only look like it.
#![cfg(test)]

mod bombs;
mod laws;
mod mails;
mod servers;
mod tokens;

use chrono::{DateTime, Utc};
use mailtrail_bounce::{ReadError, Reader, Reading};
use mailtrail_classify::Classifier;
use mailtrail_core::token::{Key, Keys};

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap()
}

fn keys() -> Keys {
    Keys::new(Key::new(1, [7; 32]))
}

fn read(mail: &[u8], envelope_recipient: Option<&str>) -> Result<Reading, ReadError> {
    thread_local! {
        static RULES: (Classifier, Keys) = (Classifier::builtin().unwrap(), keys());
    }
    RULES.with(|(classifier, keys)| {
        Reader::new(classifier, keys).read(mail, envelope_recipient, now())
    })
}

fn with_line_ends(mail: &[u8], line_end: &[u8]) -> Vec<u8> {
    let lf: Vec<u8> = mail.iter().copied().filter(|byte| *byte != b'\r').collect();
    lf.split(|byte| *byte == b'\n').collect::<Vec<_>>().join(line_end)
}
