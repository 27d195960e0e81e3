//! What goes out to subscribers, byte for byte.

use std::sync::Arc;

use futures_executor::block_on;
use mailtrail_core::correlation::Correlation;
use mailtrail_core::event::{Bounced, Envelope, Private, Source};
use mailtrail_core::id::Identity;
use mailtrail_core::plan::{Broadcast, Contact, ContactAddress, Planner};
use mailtrail_core::reason::Reason;
use mailtrail_core::store::{EventStore, EventStoreExt, Filter, Position};
use mailtrail_core::token::SeenIn;
use mailtrail_core::{DeliveryId, EventId, Evidence, Feedback};
use mailtrail_memory::MemoryStore;
use mailtrail_webhook::outbound::{Message, StatusChange};
use serde_json::Value;

use super::{namespace, now};

/// A delivery that was planned, and then bounced: its events in order.
fn bounced() -> (DeliveryId, Vec<Envelope>) {
    let store = MemoryStore::with(namespace(), Arc::new(now));
    block_on(async {
        let broadcast = Broadcast::new("snow-day".parse().unwrap(), "emergency".parse().unwrap());
        let mut planner = Planner::open(&store, broadcast, &now).await.unwrap();
        let ann = Contact::new("c1".parse().unwrap()).address(ContactAddress::new("ann@a.example"));
        planner.add(ann).await.unwrap();
        planner.finish().await.unwrap();
        let all = |store| async move {
            let page = EventStore::read_all(store, &Filter::all(), Position::START, 100).await;
            page.unwrap().events
        };
        let planned = all(&store).await;
        let delivery = planned.iter().find_map(|event| event.stream.as_delivery()).unwrap();
        let correlation = Correlation::Token { delivery, key_id: 1, seen_in: SeenIn::Metadata };
        let event = Bounced::because(Reason::UserUnknown).into();
        let identity = Identity::Observed(EventId::from_bytes([7; 16]));
        let mut private = Private::default();
        private.recipient = Some("ann@a.example".into());
        let bounced =
            Feedback::new(correlation, event, identity, Source::known("webhook:postmark"))
                .private(private)
                .claimed_at(Some(now()), now());
        store.record(vec![bounced.into_event(&namespace()).unwrap()]).await.unwrap();
        let own = |event: &Envelope| event.stream.as_delivery() == Some(delivery);
        (delivery, all(&store).await.into_iter().filter(own).collect())
    })
}

fn evidence(events: &[Envelope]) -> Evidence {
    let mut evidence = Evidence::default();
    for event in events {
        evidence.add_envelope(event);
    }
    evidence
}

/// Without what the store draws by chance.
fn shown(message: &Message) -> Value {
    let mut body: Value = serde_json::from_slice(&message.body).unwrap();
    for drawn in ["hash", "private_hash", "salt"] {
        if let Some(value) = body["data"].get_mut(drawn) {
            *value = "…".into();
        }
    }
    serde_json::json!({ "id": message.id.as_str(), "name": message.name, "body": body })
}

fn change(delivery: DeliveryId, events: &[Envelope]) -> StatusChange {
    let (last, before) = events.split_last().unwrap();
    StatusChange::between(delivery, &evidence(before), &evidence(events), last).unwrap()
}

#[test]
fn messages_never_change() {
    let (delivery, events) = bounced();
    let last = events.last().unwrap();
    let change = change(delivery, &events).row("snow-day".parse().unwrap(), "c1".parse().unwrap());
    insta::assert_json_snapshot!(
        "outbound",
        [
            shown(&Message::status_changed("crm", last, &change).unwrap()),
            shown(&Message::event("crm", last, Some(delivery), false).unwrap()),
            shown(&Message::event("crm", last, Some(delivery), true).unwrap()),
        ]
    );
}

/// So that a receiver knows what it has already; and what is told to one says nothing to another.
#[test]
fn an_id_is_of_subscriber_event_and_what_is_told() {
    let (delivery, events) = bounced();
    let (last, change) = (events.last().unwrap(), change(delivery, &events));
    let status = |subscriber| Message::status_changed(subscriber, last, &change).unwrap().id;
    let event =
        |subscriber, private| Message::event(subscriber, last, Some(delivery), private).unwrap().id;
    assert_eq!(status("crm"), status("crm"));
    assert_ne!(status("crm"), status("bi"));
    assert_ne!(status("crm"), event("crm", false));
    assert_eq!(event("crm", false), event("crm", true));
    let other = Message::event("crm", &events[0], Some(delivery), false).unwrap().id;
    assert_ne!(event("crm", false), other);
}

#[test]
fn what_changes_no_status_is_no_change_and_nobody_unplanned_has_one() {
    let (delivery, events) = bounced();
    let last = events.last().unwrap();
    let all = evidence(&events);
    assert_eq!(StatusChange::between(delivery, &all, &all, last), None);
    let unplanned = evidence(std::slice::from_ref(last));
    assert_eq!(StatusChange::between(delivery, &Evidence::default(), &unplanned, last), None);
}

#[test]
fn who_it_was_is_told_only_where_it_was_asked_for() {
    let (delivery, events) = bounced();
    let last = events.last().unwrap();
    for (private, told) in [(false, false), (true, true)] {
        let message = Message::event("crm", last, Some(delivery), private).unwrap();
        let body = String::from_utf8(message.body.to_vec()).unwrap();
        assert_eq!(body.contains("ann@a.example"), told);
        // The bytes of the namespace, in either writing of a UUID.
        assert!(!body.replace('-', "").contains(&"01".repeat(16)));
    }
}
