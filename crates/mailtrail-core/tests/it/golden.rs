//! Formats that are written once and then kept: derived ids, tokens, records, event JSON.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use mailtrail_core::correlation::CorrelationKey;
use mailtrail_core::id::{Destination, Endpoint, Identity};
use mailtrail_core::store::record;
use mailtrail_core::suppression::Scope;
use mailtrail_core::token::{Key, Keys, Purpose};
use mailtrail_core::{
    BroadcastId, ContactId, DeliveryId, EmailAddress, EventId, Namespace, StreamId,
};
use mailtrail_testkit::Feeder;
use mailtrail_testkit::proptest::prelude::*;
use mailtrail_testkit::strategy::{Shape, history};

/// Compares with the golden file. A changed file is a broken promise: it is written only if absent.
fn golden(name: &str, actual: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/format/1").join(name);
    if !path.exists() {
        assert!(std::env::var_os("CI").is_none(), "{name} is missing");
        fs::write(&path, actual).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap();
    assert_eq!(actual, expected, "{name} is a stored format: it never changes");
}

#[test]
fn derived_ids_never_change() {
    let namespace = Namespace::from_bytes(*b"mailtrail golden");
    let broadcast = BroadcastId::new("snow-day").unwrap();
    let contact = ContactId::new("c1").unwrap();
    let address = EmailAddress::parse("Ann.Lee@Bücher.example").unwrap();
    let derive = |to| DeliveryId::derive(&namespace, &broadcast, &contact, to);
    let delivery = derive(Destination::Address(&address));
    let postmark = Endpoint::new("postmark").unwrap();
    let key = CorrelationKey::new(postmark.clone(), "<m-1>", "Ann.Lee@bücher.example");
    let event = EventId::from_bytes([7; 16]);
    let id = |identity: Identity| identity.event_id(&namespace).to_string();
    let scope = Scope::Kind("general".parse().unwrap());
    let vectors = BTreeMap::from([
        ("delivery/address", delivery.to_string()),
        ("delivery/unparsed", derive(Destination::Unparsed("ann@")).to_string()),
        ("delivery/none", derive(Destination::None).to_string()),
        ("stream/broadcast", StreamId::broadcast(&namespace, &broadcast).to_string()),
        ("stream/delivery", StreamId::delivery(delivery).to_string()),
        ("stream/key", StreamId::key(&namespace, &key).to_string()),
        ("stream/message", StreamId::message(&namespace, &postmark, "m-1").to_string()),
        ("stream/claim", StreamId::claim(&namespace, &broadcast, &address).to_string()),
        ("stream/address", StreamId::address(&namespace, &address).to_string()),
        (
            "event/webhook",
            id(Identity::Webhook {
                endpoint: postmark,
                element: "e-1".into(),
                event: "Delivery".into(),
                recipient: "ann@a.example".into(),
            }),
        ),
        (
            "event/mail",
            id(Identity::Mail {
                message_id: "r-1@mx.example".into(),
                date: "Tue, 3 Nov 2026 08:00:00 +0100".into(),
                body: [3; 32],
                recipient: "ann@a.example".into(),
                index: 0,
            }),
        ),
        (
            "event/log",
            id(Identity::Log {
                line: "4F1: to=<ann@a.example>, status=sent".into(),
                host: "mx".into(),
                time: "Nov  3 08:00:00".into(),
            }),
        ),
        ("event/created", id(Identity::Created(broadcast.clone()))),
        ("event/closed", id(Identity::Closed(broadcast.clone()))),
        ("event/plan", id(Identity::Plan(delivery))),
        ("event/claim", id(Identity::Claim(delivery))),
        ("event/suppressed", id(Identity::Suppressed(delivery))),
        ("event/reread", id(Identity::Reread { event, rules_digest: "d".into() })),
        ("event/unread", id(Identity::Unread { event, index: 1 })),
        ("event/verdict", id(Identity::Verdict(event))),
        ("event/block/all_kinds", id(Identity::Block { cause: event, scope: Scope::AllKinds })),
        ("event/block/kind", id(Identity::Block { cause: event, scope })),
    ]);
    golden("ids.json", &(serde_json::to_string_pretty(&vectors).unwrap() + "\n"));
}

#[test]
fn tokens_never_change() {
    let keys = Keys::new(Key::new(1, *b"thirty-two bytes of a golden key"));
    let delivery = DeliveryId::from_bytes([5; 16]);
    let all = [
        Purpose::ReturnPath,
        Purpose::Metadata,
        Purpose::MessageId,
        Purpose::Open,
        Purpose::Click,
        Purpose::Unsubscribe,
    ];
    let tokens: Vec<String> =
        all.iter().map(|p| format!("{p:?} {}\n", keys.sign(*p, delivery))).collect();
    golden("tokens.txt", &tokens.concat());
    let link = "https://school.example/menu?day=1#soup";
    golden("link_token.txt", &format!("{link} {}\n", keys.sign_link(delivery, link)));
}

proptest! {
    #[test]
    fn a_record_is_read_back_or_refused(
        h in history(Shape::adversarial()), at: prop::sample::Index, bit in 0_u8..8, byte: prop::sample::Index,
    ) {
        let envelopes = Feeder::new(&h).envelopes();
        let envelope = &envelopes[at.index(envelopes.len())];
        let mut bytes = record::encode(envelope);
        prop_assert_eq!(&record::decode(&bytes.clone().into()).unwrap(), envelope);
        let place = byte.index(bytes.len());
        bytes[place] ^= 1 << bit;
        prop_assert!(record::decode(&bytes.into()).is_err(), "a flipped bit is never other data");
    }

    #[test]
    fn reading_a_record_is_total(bytes: Vec<u8>) {
        prop_assert!(record::decode(&bytes.into()).is_err());
    }

    #[test]
    fn an_event_line_brings_the_same_event(h in history(Shape::adversarial())) {
        for envelope in Feeder::new(&h).envelopes() {
            let line = serde_json::to_string(&mailtrail_core::event::EnvelopeLine::from(&envelope)).unwrap();
            let read: mailtrail_core::event::EnvelopeLine = serde_json::from_str(&line).unwrap();
            prop_assert_eq!(read.into_event().unwrap(), (envelope.stream, envelope.event));
        }
    }
}
