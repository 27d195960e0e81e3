//! Brevo: what an answer of ours may cost, and what is no id.

use std::sync::Arc;

use futures_executor::block_on;
use mailtrail_core::{Event, Status};
use mailtrail_memory::MemoryStore;
use mailtrail_webhook::provider::{Access, Refused};
use mailtrail_webhook::{Headers, Intake, Request, Secret};
use serde_json::json;

use super::{account, classifier, ids, keys, namespace, now, open, read, read_one};

/// Any status but 429 is final.
#[test]
fn whatever_is_refused_is_tried_again() {
    let store = Arc::new(MemoryStore::with(namespace(), Arc::new(now)));
    let access = Access::new().credential(Secret::basic("a", "b"));
    let intake = Intake::new(store, keys(), classifier().clone(), now, || [3; 10])
        .provider(account("brevo", "brevo", access))
        .body_limit(100);
    let good = Headers::new().with("Authorization", "Basic YTpi");
    let wrong = Headers::new().with("Authorization", "Basic YTpj");
    let answer = |body: &[u8], headers: &Headers| {
        let request = Request::new(body, now()).headers(headers.clone());
        let answer = block_on(intake.webhook("brevo", &request));
        (answer.status, answer.retry_after)
    };
    assert_eq!(answer(b"{}", &good), (200, None));
    assert_eq!(answer(b"{}", &wrong), (429, Some(60)));
    assert_eq!(answer(b"{}", &Headers::new()), (429, Some(60)));
    assert_eq!(answer(&[b' '; 101], &good), (429, Some(60)));
    assert_eq!(answer(br#"{"items":[]}"#, &good), (429, Some(60)));
}

#[test]
fn mail_that_comes_in_belongs_elsewhere() {
    let answer = open("brevo").split(&Request::new(br#"{"items":[{}]}"#, now()));
    assert_eq!(answer.unwrap_err(), Refused::WrongEndpoint);
}

/// `id` is the webhook's: all its events have it.
#[test]
fn the_id_of_the_webhook_is_not_that_of_the_event() {
    let event = |email: &str, ts: i64| {
        json!({ "event": "opened", "id": 7, "email": email, "message-id": "<m@b>", "ts_epoch": ts })
            .to_string()
    };
    let ids = |body: String| ids(&read(&*open("brevo"), body.as_bytes()));
    let first = ids(event("ann@a.example", 1_699_000_000_000));
    assert_eq!(first, ids(event("ann@a.example", 1_699_000_000_000)));
    assert_ne!(first, ids(event("ann@a.example", 1_699_000_000_001)));
    assert_ne!(first, ids(event("bob@b.example", 1_699_000_000_000)));
}

/// Kept as two facts, which say the same.
#[test]
fn the_first_open_and_the_plain_one_are_two_facts_of_one_status() {
    let event = |name: &str| {
        let body = json!({ "event": name, "email": "ann@a.example", "message-id": "<m@b>" });
        read_one("brevo", body.to_string().as_bytes())
    };
    let (first, plain) = (event("unique_opened"), event("opened"));
    let id = |one| ids(std::slice::from_ref(one));
    assert_ne!(id(&first), id(&plain));
    assert_eq!([first.fact.floor(), plain.fact.floor()], [Some(Status::Opened); 2]);
    // Through a proxy it is only delivered.
    let proxies = [event("unique_proxy_open"), event("proxy_open")];
    assert_eq!(proxies.map(|one| one.fact.floor()), [Some(Status::Delivered); 2]);
}

/// Soft says what it was, not that it is tried again.
#[test]
fn a_soft_bounce_is_given_up() {
    let event = |name: &str| {
        let body = json!({ "event": name, "email": "ann@a.example", "reason": "452 4.2.2 full" });
        read_one("brevo", body.to_string().as_bytes()).fact.event
    };
    assert!(matches!(event("soft_bounce"), Event::Bounced(_)));
    assert!(matches!(event("deferred"), Event::Deferred(_)));
}
