//! Provider requests: whatever comes is kept, can be stored, and has the same ids in other batches.
#![no_main]

use std::collections::BTreeSet;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use mailtrail_classify::Classifier;
use mailtrail_core::event::Authenticity;
use mailtrail_core::id::Endpoint;
use mailtrail_core::token::{Key, Keys};
use mailtrail_core::{Event, EventId, Feedback, Namespace};
use mailtrail_webhook::provider::{
    Access, Account, Context, Element, Provider, Reader, content, receive,
};
use mailtrail_webhook::{Headers, Request};

static CLASSIFIER: LazyLock<Classifier> = LazyLock::new(|| Classifier::builtin().unwrap());

// The first byte chooses the provider, the second in which form the rest comes.
fuzz_target!(|input: &[u8]| {
    let [choice, form, rest @ ..] = input else { return };
    let now = chrono::DateTime::from_timestamp(1_700_000_000, 0).unwrap();
    let headers = Headers::new();
    let request = match form % 5 {
        1 => Request::new(rest, now).headers(headers.with("Content-Type", FORM)),
        2 => Request::new(rest, now).headers(headers.with("Content-Type", MULTIPART)),
        3 => Request::new(rest, now).headers(headers.with("Content-Encoding", "gzip")),
        4 => Request::new(b"", now).method("GET").query(std::str::from_utf8(rest).ok()),
        _ => Request::new(rest, now),
    };
    let providers = Account::providers();
    let name = &providers[usize::from(*choice) % providers.len()];
    let access = Access::new().unauthenticated();
    let provider = Account::new(Endpoint::new(name.as_str()).unwrap(), name, access).unwrap();
    let Some(all) = read(&provider, &request) else { return };
    let content = content(&provider, &request).unwrap();
    let plain = request.clone().body(&content);
    assert_eq!(all, one_by_one(&provider, &plain));
    // The same request again is the same events.
    assert_eq!(ids(&all), ids(&read(&provider, &request).unwrap()));
    for feedback in &all {
        let is_custom = matches!(feedback.fact.event, Event::Custom(_));
        assert_eq!(feedback.private.custom.is_some(), is_custom);
        feedback.clone().into_event(&namespace()).unwrap();
    }
    if provider.name() == "sendgrid" {
        let elements = Element::all(&content);
        assert_eq!(elements.len(), all.len());
        let readable = elements.iter().zip(&all).filter(|(element, _)| element.is_object());
        for (element, feedback) in readable {
            let alone = [b"[".as_slice(), element.bytes(), b"]"].concat();
            let alone = read(&provider, &Request::new(&alone, now)).unwrap();
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
fn read(provider: &dyn Provider, request: &Request<'_>) -> Option<Vec<Feedback>> {
    receive(provider, request, &Reader::new(&KEYS, &CLASSIFIER), None).ok()
}

/// What the elements say, each read for itself: with all its members.
fn one_by_one(provider: &dyn Provider, request: &Request<'_>) -> Vec<Feedback> {
    let reader = Reader::new(&KEYS, &CLASSIFIER);
    let context = Context::new(&reader, provider, Authenticity::None, None, request.now);
    let elements = provider.split(request).unwrap();
    elements.iter().flat_map(|element| provider.read(element, &context)).collect()
}

static KEYS: LazyLock<Keys> = LazyLock::new(|| Keys::new(Key::new(1, [7; 32])));
const FORM: &str = "application/x-www-form-urlencoded";
const MULTIPART: &str = "multipart/form-data; boundary=b";
