//! Bounce mails: whatever comes, the same mail with other line ends is the same facts.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use mailtrail_bounce::Reader;
use mailtrail_classify::Classifier;
use mailtrail_core::token::{Key, Keys};
use mailtrail_core::{EventId, Namespace};

static CLASSIFIER: LazyLock<Classifier> = LazyLock::new(|| Classifier::builtin().unwrap());

fuzz_target!(|mail: &[u8]| {
    let Some(once) = ids(mail).filter(|ids| !ids.is_empty()) else { return };
    let again = ids(&[mail, b"\n\n"].concat());
    assert_eq!(again, Some(once), "trailing blank lines are none of the mail's");
});

fn ids(mail: &[u8]) -> Option<Vec<EventId>> {
    let keys = Keys::new(Key::new(1, [7; 32]));
    let now = chrono::DateTime::from_timestamp(1_700_000_000, 0).unwrap();
    let reading = Reader::new(&CLASSIFIER, &keys).read(mail, None, now).ok()?;
    assert_eq!(reading.feedback.len(), reading.recipients.len());
    let namespace = Namespace::from_bytes([1; 16]);
    for feedback in &reading.feedback {
        feedback.clone().into_event(&namespace).unwrap();
    }
    Some(reading.feedback.iter().map(|feedback| feedback.event_id(&namespace)).collect())
}
