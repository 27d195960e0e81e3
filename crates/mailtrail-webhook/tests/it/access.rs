//! What requests must show, and what their events say of it.

use std::net::IpAddr;

use futures_executor::block_on;
use mailtrail_core::event::Authenticity;
use mailtrail_core::fold::Fold;
use mailtrail_core::store::{EventStore, EventStoreExt, Filter, Position};
use mailtrail_core::token::{Purpose, SeenIn};
use mailtrail_core::{DeliveryId, Status};
use mailtrail_memory::MemoryStore;
use mailtrail_webhook::provider::{Access, Account, Provider, Reader, Refused, receive};
use mailtrail_webhook::{Headers, Request, Secret};

use super::{account, classifier, keys, namespace, now, open, read};

const DELIVERY: DeliveryId = DeliveryId::from_bytes([2; 16]);

fn basic(value: &str) -> Headers {
    Headers::new().with("AUTHORIZATION", value)
}

#[test]
fn all_that_is_configured_must_hold() {
    let peer: IpAddr = "192.0.2.1".parse().unwrap();
    let mapped: IpAddr = "::ffff:192.0.2.1".parse().unwrap();
    let other: IpAddr = "192.0.2.2".parse().unwrap();
    let by_peer = Access::new().peer(peer);
    let both = by_peer.clone().credential(Secret::basic("mail", "trail"));
    let good = || basic("basic bWFpbDp0cmFpbA==");
    let request = |headers: Headers, peer| Request::new(b"{}", now()).headers(headers).peer(peer);

    let none = Headers::new;
    for (access, headers, peer, expected) in [
        (&by_peer, none(), Some(peer), Ok(Authenticity::Ip)),
        (&by_peer, none(), Some(mapped), Ok(Authenticity::Ip)),
        (&by_peer, none(), Some(other), Err(Refused::PeerNotAllowed)),
        (&by_peer, none(), None, Err(Refused::PeerNotAllowed)),
        (&both, good(), Some(mapped), Ok(Authenticity::SharedSecret)),
        (&both, good(), Some(other), Err(Refused::PeerNotAllowed)),
        (&both, none(), Some(peer), Err(Refused::MissingCredentials)),
        (&both, basic("Bearer bWFpbDp0cmFpbA=="), Some(peer), Err(Refused::MissingCredentials)),
        (&both, basic("Basic bWFpbDp0cmFpbA"), Some(peer), Err(Refused::MissingCredentials)),
        (&both, basic("Basic bWFpbDp0cmFpbA==AAAA"), Some(peer), Err(Refused::MissingCredentials)),
        (&both, basic("Basic bWFpbDp0cmFpbHM="), Some(peer), Err(Refused::WrongCredentials)),
    ] {
        let unauthenticated = access.clone().unauthenticated();
        assert_eq!(access.check(&request(headers.clone(), peer)), expected);
        // That nothing needs to be proved does not make wrong what is shown right.
        assert_eq!(unauthenticated.check(&request(headers, peer)), expected);
    }
    let twice = good().with("Authorization", "Basic bWFpbDp0cmFpbA==");
    assert_eq!(both.check(&request(twice, Some(peer))), Err(Refused::MissingCredentials));
}

#[test]
fn nothing_secret_is_printed() {
    let access = Access::new().credential(Secret::basic("mail", "trail"));
    let postmark = account("postmark", "postmark", access);
    let request = Request::new(b"ann@a.example", now()).headers(basic("Basic bWFpbDp0cmFpbA=="));
    let printed = format!("{postmark:?} {request:?}");
    for secret in ["trail", "bWFpbDp0cmFpbA", "ann@"] {
        assert!(!printed.contains(secret), "{printed}");
    }
}

#[test]
fn a_token_says_more_than_an_address_and_less_than_a_secret() {
    let token = keys().sign(Purpose::Metadata, DELIVERY);
    let body = format!(
        r#"{{"RecordType":"Delivery","Recipient":"ann@a.example","Metadata":{{"mt_delivery":"{token}"}}}}"#
    );
    let peer: IpAddr = "192.0.2.1".parse().unwrap();
    let by_token = Authenticity::Token { key_id: 1, seen_in: SeenIn::Metadata };
    for (access, expected) in [
        (Access::new().unauthenticated(), by_token.clone()),
        (Access::new().peer(peer), by_token),
        (Access::new().credential(Secret::basic("mail", "trail")), Authenticity::SharedSecret),
    ] {
        let provider = account("postmark", "postmark", access);
        let headers = basic("Basic bWFpbDp0cmFpbA==");
        let request = Request::new(body.as_bytes(), now()).headers(headers).peer(Some(peer));
        let keys = keys();
        let reader = Reader::new(&keys, classifier());
        let feedback = receive(&provider, &request, &reader, None).unwrap();
        assert_eq!(feedback[0].provenance.authenticity, expected);
    }
}

#[test]
fn tokens_of_other_purposes_are_none() {
    for purpose in [Purpose::Open, Purpose::ReturnPath, Purpose::Unsubscribe] {
        let token = keys().sign(purpose, DELIVERY);
        let body = format!(
            r#"[{{"event":"open","email":"ann@a.example","sg_message_id":"m.1","mt_delivery":"{token}"}}]"#
        );
        let feedback = read(&*open("sendgrid"), body.as_bytes());
        let (stream, _) = feedback[0].clone().into_event(&namespace()).unwrap();
        assert_eq!(stream.as_delivery(), None);
    }
}

/// Late bounces come without message id and custom arguments: an event with both names the keys by
/// which they are found, in whichever order they come.
#[test]
fn a_late_bounce_finds_its_delivery() {
    let token = keys().sign(Purpose::Metadata, DELIVERY);
    let processed = format!(
        r#"{{"event":"processed","email":"ann@a.example","sg_event_id":"1","sg_message_id":"m1.filter0001.1",
            "smtp-id":"<s1@school.example>","mt_delivery":"{token}"}}"#
    );
    let bounce = r#"{"event":"bounce","type":"bounce","email":"Ann@A.example","sg_event_id":"2",
        "smtp-id":"<s1@school.example>","status":"5.1.1","reason":"550 5.1.1 no such user"}"#;
    for order in [[&*processed, bounce], [bounce, &*processed]] {
        let store = MemoryStore::with(namespace(), std::sync::Arc::new(now));
        for element in order {
            let feedback = read(&*open("sendgrid"), format!("[{element}]").as_bytes());
            let facts = feedback.into_iter().map(|one| one.into_event(&namespace()).unwrap());
            block_on(store.record(facts.collect())).unwrap();
        }
        let page = block_on(store.read_all(&Filter::all(), Position::START, 10)).unwrap();
        let mut fold = Fold::default();
        for envelope in &page.events {
            fold.add(envelope);
        }
        assert_eq!(fold.evidence(DELIVERY).status(), Status::Failed);
    }
}

#[test]
fn no_answer_makes_a_provider_give_up() {
    for name in Account::providers() {
        let provider = account(&name, &name, Access::new());
        let answers = provider.answers();
        assert_eq!((answers.stored, answers.later), (200, 429));
        for status in [answers.stored, answers.unverified, answers.later] {
            assert!(!answers.never.contains(&status), "{} {status}", provider.name());
        }
    }
}
