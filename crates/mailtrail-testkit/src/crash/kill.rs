//! kill −9, again and again.

use std::collections::HashMap;
use std::path::Path;

use futures_executor::block_on;
use mailtrail_core::event::ChainHash;
use mailtrail_core::store::{Filter, OpenError, record};
use mailtrail_core::{EventStore, Position};

use super::child::{Parent, Said};
use super::{number, soaks};

/// What a killed process had acknowledged, and what any reader in it had seen, is there: once, and in an unbroken
/// chain.
///
/// # Panics
/// If it is not.
#[expect(clippy::panic, clippy::expect_used, reason = "a test")]
pub fn what_is_acknowledged_or_observed_survives_kill_9<S: EventStore>(
    parent: &Parent,
    open: impl Fn(&Path) -> Result<S, OpenError>,
) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("store");
    let mut last: Option<u64> = None;
    let rounds = if soaks() { 200 } else { 30 };
    for round in 0..rounds {
        let from = last.map_or(0, |last| last + 1);
        let mut process = parent.records(&path, from, u64::MAX / 2, &[]);
        // Each round is killed after another number of lines, some right at the start.
        for _ in 0..=(round * 7) % 23 {
            last = process.next_word().map(Said::number).max(last);
        }
        process.kill();
        while let Some(said) = process.next_word() {
            last = last.max(Some(said.number()));
        }
    }
    let last = last.expect("something was recorded");
    assert!(last > rounds * 5, "there was something to lose: {last}");
    let store = open(&path).unwrap_or_else(|error| panic!("the folder does not open: {error}"));
    let mut times: HashMap<u64, u32> = HashMap::new();
    let (mut chain, mut next) = (ChainHash::default(), Some(Position::START));
    while let Some(after) = next {
        let page = block_on(store.read_all(&Filter::all(), after, 10_000)).expect("it is read");
        for envelope in &page.events {
            let number = number(envelope.event.event_id).expect("an event of ours");
            *times.entry(number).or_default() += 1;
            assert_eq!(envelope.hash, record::chain_hash(chain, envelope), "the chain at {number}");
            chain = envelope.hash;
        }
        next = page.next;
    }
    for number in 0..=last {
        let times = times.get(&number).copied().unwrap_or(0);
        assert!(
            times == 1,
            "rule: acknowledged ⇒ durable, observed ⇒ durable\nevent {number} of {last}, which was acknowledged or \
             observed before a kill −9, is there {times} times"
        );
    }
}
