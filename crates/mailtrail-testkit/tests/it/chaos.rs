//! The chaos store does all that it is told to, and code that follows the contract survives it.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures_executor::block_on;
use mailtrail_core::plan::{Broadcast, Contact, ContactAddress, Planner};
use mailtrail_core::store::{Advice, AppendError, Filter, ReadError};
use mailtrail_core::{EventId, EventStore, EventStoreExt, Namespace, Position};
use mailtrail_memory::MemoryStore;
use mailtrail_testkit::{Chaos, ChaosStore, crash};

mailtrail_testkit::conformance!(slow_and_stuttering, || {
    let chaos = Chaos::seeded(11).short_pages(0.5).delays(6);
    ChaosStore::new(Arc::new(MemoryStore::new()), chaos)
});

fn chaotic(chaos: Chaos) -> ChaosStore {
    let namespace = Namespace::from_bytes([4; 16]);
    let inner = MemoryStore::with(namespace, Arc::new(|| chrono::DateTime::UNIX_EPOCH));
    ChaosStore::new(Arc::new(inner), chaos)
}

fn wild(seed: u64) -> Chaos {
    Chaos::seeded(seed).outcome_unknown(0.3).unavailable(0.2).short_pages(0.5).delays(3)
}

fn ids(store: &dyn EventStore) -> Vec<EventId> {
    let page = block_on(store.read_all(&Filter::all(), Position::START, 100_000)).unwrap();
    page.events.iter().map(|envelope| envelope.event.event_id).collect()
}

#[test]
fn every_kind_of_trouble_happens() {
    let store = chaotic(wild(5));
    let mut seen = BTreeSet::new();
    for number in 0..300 {
        let before = block_on(store.inner().head()).unwrap();
        let answer = block_on(store.append(mailtrail_core::AppendBatch::new().write(
            crash::event(number).0,
            mailtrail_core::Expected::Any,
            vec![crash::event(number).1],
        )));
        let stored = block_on(store.inner().head()).unwrap() != before;
        seen.insert(match answer {
            Ok(_) => ("stored", stored),
            Err(AppendError::Unavailable { .. }) => ("unavailable", stored),
            Err(AppendError::OutcomeUnknown { .. }) => ("unknown", stored),
            Err(error) => panic!("{error}"),
        });
    }
    let all = [("stored", true), ("unavailable", false), ("unknown", false), ("unknown", true)];
    assert_eq!(seen, BTreeSet::from(all), "all of it, and no lie");
    let pages = (0..100).map(|_| block_on(store.read_all(&Filter::all(), Position::START, 50)));
    let (mut short, mut whole, mut failed) = (0, 0, 0);
    for page in pages {
        match page {
            Ok(page) if page.events.len() < 50 => short += 1,
            Ok(_) => whole += 1,
            Err(ReadError::Unavailable { .. }) => failed += 1,
            Err(error) => panic!("{error}"),
        }
    }
    assert!(short > 0 && whole > 0 && failed > 0, "{short} {whole} {failed}");
}

#[test]
fn who_follows_the_advice_stores_each_fact_once_and_reads_each_once() {
    for seed in 0..40 {
        let store = chaotic(wild(seed));
        for number in 0..60 {
            while let Err(error) = block_on(store.record(vec![crash::event(number)])) {
                assert!(matches!(error.advice(), Advice::Later | Advice::SameBatchAgain));
            }
        }
        let expected: Vec<EventId> =
            (0..60).map(|number| crash::event(number).1.event_id).collect();
        assert_eq!(ids(&**store.inner()), expected, "seed {seed}");
        let (mut read, mut at) = (Vec::new(), Some(Position::START));
        while let Some(after) = at {
            match block_on(store.read_all(&Filter::all(), after, 7)) {
                Ok(page) => {
                    read.extend(page.events.iter().map(|envelope| envelope.event.event_id));
                    at = page.next;
                }
                Err(ReadError::Unavailable { .. }) => {}
                Err(error) => panic!("{error}"),
            }
        }
        assert_eq!(read, expected, "seed {seed}");
    }
}

/// "What was planned before stays; plan the same list again to go on."
fn plan(store: &dyn EventStore) -> bool {
    let clock = || chrono::DateTime::UNIX_EPOCH;
    let broadcast = Broadcast::new("b".parse().unwrap(), "general".parse().unwrap());
    block_on(async {
        let mut planner = Planner::open(store, broadcast, &clock).await?;
        for number in 0..700 {
            // Every third address is another contact's too.
            let address = ContactAddress::new(format!("p{}@a.example", number - number % 3));
            let contact = Contact::new(format!("c{number}").parse().unwrap());
            planner.add(contact.address(address)).await?;
        }
        planner.finish().await
    })
    .is_ok()
}

#[test]
fn a_plan_that_is_tried_again_is_the_plan_of_a_quiet_store() {
    let quiet = chaotic(Chaos::seeded(0));
    assert!(plan(&quiet));
    let expected: BTreeSet<EventId> = ids(&**quiet.inner()).into_iter().collect();
    for seed in 0..10 {
        let store = chaotic(wild(seed).outcome_unknown(0.4).unavailable(0.001));
        let tries = (0..200).position(|_| plan(&store)).expect("it succeeds at last");
        let planned: BTreeSet<EventId> = ids(&**store.inner()).into_iter().collect();
        assert_eq!(planned, expected, "seed {seed}, after {tries} tries");
    }
}
