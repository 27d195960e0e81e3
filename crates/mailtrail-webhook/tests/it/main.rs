//! Provider requests from bytes to stored events, and hits from requests to verdicts.
#![cfg(test)]

mod access;
mod azure;
mod brevo;
mod content;
mod corpora;
mod golden;
#[cfg(feature = "axum")]
mod handshake;
#[cfg(feature = "axum")]
mod hits;
mod hmac;
mod instrument;
mod mailgun;
mod mailjet;
mod mandrill;
mod mapping;
#[cfg(feature = "mock")]
mod mock;
mod mutated;
mod outbound;
mod postal;
mod refused;
mod regroup;
mod resend;
#[cfg(feature = "axum")]
mod router;
mod ses;
mod signature;
mod sns;
mod sparkpost;
mod track;
mod unisender_go;
mod verdicts;
mod zeptomail;

use std::sync::LazyLock;

use chrono::{DateTime, Utc};
use mailtrail_classify::Classifier;
use mailtrail_core::id::Endpoint;
use mailtrail_core::token::{Key, Keys};
use mailtrail_core::{EventId, Feedback, Namespace};
use mailtrail_webhook::Request;
use mailtrail_webhook::provider::{Access, Account, Provider, Reader, receive};

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_700_000_000, 0).unwrap()
}

fn keys() -> Keys {
    Keys::new(Key::new(1, [7; 32]))
}

fn namespace() -> Namespace {
    Namespace::from_bytes([1; 16])
}

fn classifier() -> &'static Classifier {
    static CLASSIFIER: LazyLock<Classifier> = LazyLock::new(|| Classifier::builtin().unwrap());
    &CLASSIFIER
}

/// The account of this name.
fn account(endpoint: &str, provider: &str, access: Access) -> Account {
    Account::new(self::endpoint(endpoint), provider, access).unwrap()
}

fn endpoint(name: &str) -> Endpoint {
    Endpoint::new(name).unwrap()
}

/// A provider that asks for nothing.
fn open(name: &str) -> Box<dyn Provider> {
    Box::new(account(name, name, Access::new().unauthenticated()))
}

fn read(provider: &dyn Provider, body: &[u8]) -> Vec<Feedback> {
    let (keys, classifier) = (keys(), classifier());
    let reader = Reader::new(&keys, classifier);
    receive(provider, &Request::new(body, now()), &reader, None).unwrap()
}

/// What is stated of one element that says one thing.
fn read_one(provider: &str, body: &[u8]) -> Feedback {
    let [one] = <[_; 1]>::try_from(read(&*open(provider), body)).unwrap();
    one
}

/// The body of a form.
fn form(fields: &[(&str, &str)]) -> Vec<u8> {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish().into_bytes()
}

fn ids(feedback: &[Feedback]) -> Vec<EventId> {
    feedback.iter().map(|feedback| feedback.event_id(&namespace())).collect()
}
