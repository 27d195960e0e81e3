//! What is in a store after all that has happened to it.

use std::collections::HashMap;

use futures_executor::block_on;
use mailtrail_core::event::ChainHash;
use mailtrail_core::store::{Filter, record};
use mailtrail_core::{EventStore, Position};

use super::number;

/// The events of a store, by their numbers.
pub(super) struct Found(HashMap<u64, Times>);

#[derive(Default, Clone, Copy)]
struct Times {
    there: u32,
    erased: bool,
}

impl Found {
    /// All that is there, in a chain without a break.
    #[expect(clippy::expect_used, reason = "a test")]
    pub(super) fn of(store: &dyn EventStore) -> Self {
        let mut found: HashMap<u64, Times> = HashMap::new();
        let (mut chain, mut next) = (ChainHash::default(), Some(Position::START));
        while let Some(after) = next {
            let page = block_on(store.read_all(&Filter::all(), after, 10_000)).expect("it is read");
            for envelope in &page.events {
                let number = number(envelope.event.event_id).expect("an event of ours");
                let times = found.entry(number).or_default();
                times.there += 1;
                times.erased |= envelope.is_erased();
                let hash = record::chain_hash(chain, envelope);
                assert_eq!(envelope.hash, hash, "the chain at {number}");
                chain = envelope.hash;
            }
            next = page.next;
        }
        Self(found)
    }

    /// How many there are.
    pub(super) fn events(&self) -> u64 {
        self.0.len() as u64
    }

    /// What was acknowledged or observed before this is there, once.
    pub(super) fn assert_once(&self, number: u64, before: &str) {
        let times = self.0.get(&number).map_or(0, |times| times.there);
        assert!(
            times == 1,
            "rule: acknowledged ⇒ durable, observed ⇒ durable\nevent {number}, which was acknowledged or observed before \
             {before}, is there {times} times"
        );
    }

    /// What was erased stays so.
    pub(super) fn assert_erased(&self, number: u64) {
        let erased = self.0.get(&number).is_some_and(|times| times.erased);
        assert!(erased, "rule: erased ⇒ durable\nevent {number}, which was erased, is there whole");
    }
}
