//! kill −9 in the middle: what was acknowledged is there, and nothing twice.

use std::collections::HashMap;

use futures_executor::block_on;
use mailtrail_core::event::ChainHash;
use mailtrail_core::store::{EventStore, Filter, record};
use mailtrail_core::{EventId, Position};
use mailtrail_sled::SledStore;

use crate::child;

#[test]
fn every_acknowledged_event_survives_kill_9_and_none_is_there_twice() {
    let folder = tempfile::tempdir().unwrap();
    let mut last = None;
    for round in 0..50_u64 {
        let from = last.map_or(0, |last: u64| last + 1);
        let (mut process, mut output) = child::start(folder.path(), from, u64::MAX / 2, &[]);
        // Each round is killed after another number of acknowledgements, some right at the start.
        for _ in 0..=(round * 7) % 23 {
            last = child::acknowledged(&mut output).or(last);
        }
        process.kill().unwrap();
        process.wait().unwrap();
        while let Some(number) = child::acknowledged(&mut output) {
            last = Some(number);
        }
    }
    let acknowledged = last.unwrap();
    let store = SledStore::open(folder.path()).unwrap();
    let page = block_on(store.read_all(&Filter::all(), Position::START, 1_000_000)).unwrap();
    assert_eq!(page.next, None);
    let mut times: HashMap<EventId, u32> = HashMap::new();
    let mut chain = ChainHash::default();
    for envelope in &page.events {
        *times.entry(envelope.event.event_id).or_default() += 1;
        assert_eq!(envelope.hash, record::chain_hash(chain, envelope));
        chain = envelope.hash;
    }
    assert!(acknowledged > 300, "there was something to lose: {acknowledged}");
    for number in 0..=acknowledged {
        let (_, event) = child::fact(number);
        assert_eq!(times.get(&event.event_id), Some(&1), "event {number} of {acknowledged}");
    }
}
