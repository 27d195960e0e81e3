//! Planning: rules, claims, many planners at once, planning again.

use std::sync::Arc;
use std::thread;

use futures_executor::block_on;
use mailtrail_core::event::{AddressBlocked, BlockCause, Provenance, Source};
use mailtrail_core::fold::Fold;
use mailtrail_core::plan::{Broadcast, Contact, ContactAddress, PlanError, PlanReport, Planner};
use mailtrail_core::store::{EventStore, EventStoreExt, Filter, Position};
use mailtrail_core::suppression::Scope;
use mailtrail_core::{EmailAddress, Event, EventId, Fact, NewEvent, Private, Status, StreamId};
use mailtrail_memory::MemoryStore;
use mailtrail_testkit::VirtualClock;
use mailtrail_testkit::proptest::prelude::*;
use mailtrail_testkit::strategy::contacts;

fn broadcast(kind: &str) -> Broadcast {
    Broadcast::new("b1".parse().unwrap(), kind.parse().unwrap())
}

fn plan(store: &MemoryStore, kind: &str, contacts: &[Contact]) -> PlanReport {
    let clock = VirtualClock::default();
    block_on(async {
        let mut planner = Planner::open(store, broadcast(kind), &clock).await.unwrap();
        for contact in contacts {
            planner.add(contact.clone()).await.unwrap();
        }
        planner.finish().await.unwrap()
    })
}

fn block(store: &MemoryStore, address: &str, scope: Scope, id: u8) {
    let address = EmailAddress::parse(address).unwrap();
    let fact = Fact::new(AddressBlocked::new(scope, BlockCause::Manual).into());
    let id = EventId::from_bytes([id; 16]);
    let event = NewEvent::new(id, &fact, &Private::default(), Source::known("cli")).unwrap();
    let event = event.provenance(Provenance::observed()).actor("test");
    let stream = StreamId::address(&store.namespace(), &address);
    block_on(store.record(vec![(stream, event)])).unwrap();
}

fn fold(store: &MemoryStore) -> (Fold, u64) {
    let page = block_on(store.read_all(&Filter::all(), Position::START, usize::MAX)).unwrap();
    assert_eq!(page.next, None);
    let mut fold = Fold::default();
    for envelope in &page.events {
        fold.add(envelope);
    }
    (fold, page.events.len() as u64)
}

fn count(fold: &Fold, status: Status) -> usize {
    fold.deliveries().filter(|delivery| fold.evidence(*delivery).status() == status).count()
}

/// How often each address is queued: the promise is at most once.
fn queued_addresses(store: &MemoryStore) -> Vec<String> {
    let page = block_on(store.read_all(&Filter::all(), Position::START, usize::MAX)).unwrap();
    let queued = page.events.iter().filter(|e| e.event.event_type.as_str() == "queued");
    queued.map(|envelope| envelope.private().normal_address.unwrap().into()).collect()
}

fn person(id: &str, address: &str) -> Contact {
    Contact::new(id.parse().unwrap()).address(ContactAddress::new(address))
}

#[test]
fn the_first_rule_that_applies_decides() {
    let store = MemoryStore::new();
    block(&store, "blocked@a.example", Scope::Kind("general".parse().unwrap()), 1);
    block(&store, "other@a.example", Scope::Kind("emergency".parse().unwrap()), 2);
    let only_emergency =
        ContactAddress::new("e@a.example").only_for(["emergency".parse().unwrap()]);
    let list = [
        person("c1", "ann@a.example"),
        person("c2", "ANN@A.example"),
        person("c3", "blocked@a.example"),
        person("c4", "not an address"),
        Contact::new("c5".parse().unwrap()).address(only_emergency),
        person("c6", "other@a.example"),
        Contact::new("c7".parse().unwrap()),
    ];
    let report = plan(&store, "general", &list);
    let expected = (2, 2, 1, 1, 1);
    let actual =
        (report.queued, report.not_selected, report.duplicate, report.blocked, report.malformed);
    assert_eq!(actual, expected);
    let (fold, _) = fold(&store);
    let of = |status| count(&fold, status);
    assert_eq!(of(Status::Unsent), 2);
    assert_eq!(of(Status::NoEmailSelected), 2);
    assert_eq!(of(Status::Duplicate), 1);
    assert_eq!(of(Status::Blocked), 1);
    assert_eq!(of(Status::Failed), 1);
}

#[test]
fn another_kind_for_an_existing_broadcast_is_an_error() {
    let store = MemoryStore::new();
    plan(&store, "general", &[]);
    let clock = VirtualClock::default();
    let again = block_on(Planner::open(&store, broadcast("emergency"), &clock));
    assert!(matches!(again, Err(PlanError::AnotherKind { .. })));
}

#[test]
fn a_broadcast_that_exists_follows_no_other_than_it_did() {
    let store = MemoryStore::new();
    let clock = VirtualClock::default();
    let open = |follows: Option<&str>| {
        let broadcast = broadcast("general");
        let broadcast = match follows {
            Some(earlier) => broadcast.follows(earlier.parse().unwrap()),
            None => broadcast,
        };
        block_on(Planner::open(&store, broadcast, &clock)).map(drop)
    };
    open(Some("earlier")).unwrap();
    open(Some("earlier")).unwrap();
    open(None).unwrap();
    assert!(matches!(open(Some("another")), Err(PlanError::FollowsAnother { .. })));
}

#[test]
fn many_planners_at_once_queue_each_address_at_most_once() {
    let store = Arc::new(MemoryStore::new());
    let planners: Vec<_> = (0..64_usize)
        .map(|number| {
            let store = Arc::clone(&store);
            thread::spawn(move || {
                // Overlapping lists: other contacts, the same addresses.
                let list: Vec<Contact> = (0..40)
                    .map(|n| {
                        person(
                            &format!("c{number}-{n}"),
                            &format!("p{}@a.example", (n + number) % 50),
                        )
                    })
                    .collect();
                plan(&store, "general", &list)
            })
        })
        .collect();
    let reports: Vec<PlanReport> = planners.into_iter().map(|t| t.join().unwrap()).collect();
    let queued: u64 = reports.iter().map(|report| report.queued).sum();
    let duplicate: u64 = reports.iter().map(|report| report.duplicate).sum();
    assert_eq!((queued, duplicate), (50, 64 * 40 - 50));
    let mut addresses = queued_addresses(&store);
    assert_eq!(addresses.len(), 50);
    addresses.sort();
    addresses.dedup();
    assert_eq!(addresses.len(), 50);
}

proptest! {
    #[test]
    fn planning_again_only_adds_rows(
        first in contacts(0..30), more in contacts(0..10), blocked in 0_u8..4, seed: u64,
    ) {
        let store = MemoryStore::new();
        let before = plan(&store, "general", &first);
        let (old, old_events) = fold(&store);
        for n in 0..blocked {
            block(&store, &format!("{}@a.example", char::from(b'a' + n)), Scope::AllKinds, n + 1);
        }
        // Shuffled, with contacts inserted; those of `more` that have a known id are changed people.
        let mut list = first.clone();
        for (index, mut contact) in more.into_iter().enumerate() {
            contact.id = format!("new{index}").parse().unwrap();
            let at = usize::try_from(seed).unwrap_or(index) % (list.len() + 1);
            list.insert(at, contact);
        }
        let middle = list.len() / 2;
        list.rotate_left(middle);
        let after = plan(&store, "general", &list);
        let (new, new_events) = fold(&store);

        prop_assert_eq!(after.unchanged, before.added(), "no row is planned anew");
        for delivery in old.deliveries() {
            prop_assert_eq!(new.evidence(delivery), old.evidence(delivery));
        }
        let rows = before.added() + after.added();
        prop_assert_eq!(new.deliveries().count() as u64, rows);
        let claims = after.queued + u64::from(blocked);
        prop_assert_eq!(new_events - old_events, after.added() + claims);

        let mut addresses = queued_addresses(&store);
        let all = addresses.len();
        addresses.sort();
        addresses.dedup();
        prop_assert_eq!(addresses.len(), all, "each address is queued at most once");
        let events = block_on(store.read_all(&Filter::all().event_type("queued"), Position::START, 9_999)).unwrap();
        let is_queued = |e: &mailtrail_core::Envelope| matches!(e.fact().unwrap().event, Event::Queued(_));
        prop_assert!(events.events.iter().all(is_queued));
    }
}
