//! Mails that come back: whatever comes, trailing blank lines are none of it, other line ends make no
//! other facts, and nobody is named twice in another way than counted.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use mailtrail_bounce::{Reader, Reading};
use mailtrail_classify::Classifier;
use mailtrail_core::token::{Key, Keys};
use mailtrail_core::{EventId, Namespace};

static CLASSIFIER: LazyLock<Classifier> = LazyLock::new(|| Classifier::builtin().unwrap());

fuzz_target!(|mail: &[u8]| {
    let Some(once) = read(mail) else { return };
    let ids = ids(&once);
    if !ids.is_empty() {
        let again = read(&[mail, b"\n\n"].concat()).map(|reading| self::ids(&reading));
        assert_eq!(again, Some(ids.clone()), "trailing blank lines are none of the mail's");
    }
    assert_eq!(ids.iter().collect::<std::collections::HashSet<_>>().len(), ids.len());
    // In other charsets a CR may be a part of a character.
    if mail.is_ascii() && !mail.contains(&b'\r') && !mail.contains(&0x1b) {
        let with_cr: Vec<u8> = mail.iter().flat_map(|byte| match byte {
            b'\n' => &b"\r\n"[..],
            other => std::slice::from_ref(other),
        }).copied().collect();
        let other = read(&with_cr).map(|reading| self::ids(&reading));
        assert_eq!(other, Some(ids), "line ends make no other facts");
    }
});

fn read(mail: &[u8]) -> Option<Reading> {
    let keys = Keys::new(Key::new(1, [7; 32]));
    let now = chrono::DateTime::from_timestamp(1_700_000_000, 0).unwrap();
    let reading = Reader::new(&CLASSIFIER, &keys).read(mail, None, now).ok()?;
    assert_eq!(reading.feedback.len(), reading.recipients.len());
    Some(reading)
}

fn ids(reading: &Reading) -> Vec<EventId> {
    let namespace = Namespace::from_bytes([1; 16]);
    for feedback in &reading.feedback {
        feedback.clone().into_event(&namespace).unwrap();
    }
    reading.feedback.iter().map(|feedback| feedback.event_id(&namespace)).collect()
}
