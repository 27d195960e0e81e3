//! What all tests read with.

use chrono::{DateTime, Utc};
use mailtrail_classify::Classifier;
use mailtrail_core::token::{Key, Keys, Purpose};
use mailtrail_core::{DeliveryId, EventId, Feedback, Namespace};
use mailtrail_maillog::{Mta, Reader};

pub(crate) fn now() -> DateTime<Utc> {
    "2026-11-26T12:00:00Z".parse().unwrap()
}

pub(crate) fn namespace() -> Namespace {
    Namespace::from_random([1; 16])
}

/// Runs with a reader as the README beside the golden files says.
pub(crate) fn with_reader<T>(mta: Mta, run: impl FnOnce(Reader<'_>) -> T) -> T {
    thread_local! {
        static RULES: (Classifier, Keys) =
            (Classifier::builtin().unwrap(), Keys::new(Key::new(1, [7; 32])));
    }
    RULES.with(|(classifier, keys)| {
        let reader = Reader::new(mta, classifier, keys)
            .zone("Europe/Berlin".parse().unwrap())
            .own_relay("smtp.provider.example".parse().unwrap())
            .own_relay("fax".parse().unwrap());
        run(reader)
    })
}

pub(crate) fn read<'a>(
    reader: &mut Reader<'_>,
    lines: impl IntoIterator<Item = &'a str>,
) -> Vec<Feedback> {
    lines.into_iter().flat_map(|line| reader.read(line.as_bytes(), now())).collect()
}

pub(crate) fn ids(feedback: &[Feedback]) -> Vec<EventId> {
    feedback.iter().map(|feedback| feedback.event_id(&namespace())).collect()
}

/// With tokens for `{1}` (return path) and `{1m}` (Message-ID).
pub(crate) fn with_tokens(text: &str) -> String {
    let keys = Keys::new(Key::new(1, [7; 32]));
    (1..10).fold(text.to_owned(), |text, number: u8| {
        let delivery = DeliveryId::from_bytes([number; 16]);
        text.replace(&format!("{{{number}}}"), &keys.sign(Purpose::ReturnPath, delivery))
            .replace(&format!("{{{number}m}}"), &keys.sign(Purpose::MessageId, delivery))
    })
}
