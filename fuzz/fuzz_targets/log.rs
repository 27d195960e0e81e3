//! Logs of mail servers: whatever comes can be stored, twice is nothing new, and memory is bounded.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use mailtrail_classify::Classifier;
use mailtrail_core::token::{Key, Keys};
use mailtrail_core::{EventId, Namespace};
use mailtrail_maillog::{MOST_BYTES, Mta, Reader};

static CLASSIFIER: LazyLock<Classifier> = LazyLock::new(|| Classifier::builtin().unwrap());

const MOST_MESSAGES: usize = 3;

// The first byte chooses the server, the rest is the log.
fuzz_target!(|input: &[u8]| {
    let Some((choice, log)) = input.split_first() else { return };
    let mta = [Mta::Postfix, Mta::Exim, Mta::OpenSmtpd][usize::from(*choice) % 3];
    let once = ids(mta, log);
    assert_eq!(ids(mta, log), once, "the same log is the same facts");
});

fn ids(mta: Mta, log: &[u8]) -> Vec<EventId> {
    let keys = Keys::new(Key::new(1, [7; 32]));
    let now = chrono::DateTime::from_timestamp(1_700_000_000, 0).unwrap();
    let namespace = Namespace::from_bytes([1; 16]);
    let mut reader = Reader::new(mta, &CLASSIFIER, &keys)
        .zone("Europe/Berlin".parse().unwrap())
        .own_relay(".provider.example".parse().unwrap())
        .most_messages(MOST_MESSAGES);
    let mut ids = Vec::new();
    for line in log.split(|byte| *byte == b'\n') {
        for feedback in reader.read(line, now) {
            ids.push(feedback.event_id(&namespace));
            feedback.into_event(&namespace).unwrap();
        }
        assert!(reader.followed() <= MOST_MESSAGES && reader.followed_bytes() <= MOST_BYTES);
    }
    let counts = reader.counts();
    assert_eq!(counts.feedback, u64::try_from(ids.len()).unwrap());
    ids
}
