//! Provider requests: whatever comes is kept, can be stored, and has the same ids in other batches.
#![no_main]

use std::collections::BTreeSet;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use mailtrail_classify::Classifier;
use mailtrail_core::id::Endpoint;
use mailtrail_core::token::{Key, Keys};
use mailtrail_core::{Event, EventId, Feedback, Namespace};
use mailtrail_webhook::Request;
use mailtrail_webhook::provider::{Access, Account, Element, Provider, Reader, receive};

static CLASSIFIER: LazyLock<Classifier> = LazyLock::new(|| Classifier::builtin().unwrap());

// The first byte chooses the provider, the rest is the body.
fuzz_target!(|input: &[u8]| {
    let Some((choice, body)) = input.split_first() else { return };
    let providers = Account::providers();
    let name = &providers[usize::from(*choice) % providers.len()];
    let access = Access::new().unauthenticated();
    let provider = Account::new(Endpoint::new(name.as_str()).unwrap(), name, access).unwrap();
    let Some(all) = read(&provider, body) else { return };
    for feedback in &all {
        let is_custom = matches!(feedback.fact.event, Event::Custom(_));
        assert_eq!(feedback.private.custom.is_some(), is_custom);
        feedback.clone().into_event(&namespace()).unwrap();
    }
    if provider.name() == "sendgrid" {
        let elements = Element::all(body);
        assert_eq!(elements.len(), all.len());
        let readable = elements.iter().zip(&all).filter(|(element, _)| element.is_object());
        for (element, feedback) in readable {
            let alone = [b"[".as_slice(), element.bytes(), b"]"].concat();
            let alone = read(&provider, &alone).unwrap();
            assert_eq!(ids(&alone), ids(std::slice::from_ref(feedback)));
        }
    }
});

fn namespace() -> Namespace {
    Namespace::from_bytes([1; 16])
}

fn ids(feedback: &[Feedback]) -> BTreeSet<EventId> {
    feedback.iter().map(|feedback| feedback.event_id(&namespace())).collect()
}

/// `None` if it is refused.
fn read(provider: &dyn Provider, body: &[u8]) -> Option<Vec<Feedback>> {
    let keys = Keys::new(Key::new(1, [7; 32]));
    let now = chrono::DateTime::from_timestamp(1_700_000_000, 0).unwrap();
    let reader = Reader::new(&keys, &CLASSIFIER);
    receive(provider, &Request::new(body, now), &reader, None).ok()
}
