//! Feeds a history in any order, with repetitions and other batch borders.

use std::ops::RangeInclusive;

use chrono::{DateTime, Utc};
use mailtrail_core::StreamId;
use mailtrail_core::event::{ChainHash, Envelope, NewEvent, Salt};
use mailtrail_core::store::{AppendError, EventStore, EventStoreExt, Position, Version};

use crate::strategy::History;

/// Brings the events of a history as ports do: late, twice, out of order, in other batches.
///
/// ```
/// use mailtrail_core::store::EventStore;
/// use mailtrail_testkit::Feeder;
/// use mailtrail_testkit::proptest::prelude::*;
/// use mailtrail_testkit::strategy::{Shape, history};
/// proptest!(ProptestConfig::with_cases(4), |(h in history(Shape::realistic()), seed: u64)| {
///     let store = mailtrail_memory::MemoryStore::new();
///     futures_executor::block_on(Feeder::new(&h).shuffled(seed).repeated(1..=3).into_store(&store)).unwrap();
///     let head = futures_executor::block_on(store.head()).unwrap();
///     prop_assert_eq!(head.position.get() as usize, h.events.len());
/// });
/// ```
#[derive(Debug, Clone)]
pub struct Feeder {
    events: Vec<(StreamId, NewEvent)>,
    random: u64,
    batches: RangeInclusive<usize>,
}

impl Feeder {
    /// A feeder that brings the history as it happened, event by event.
    pub fn new(history: &History) -> Self {
        Self { events: history.events.clone(), random: 0, batches: 1..=1 }
    }

    /// In an order that the seed decides.
    pub fn shuffled(mut self, seed: u64) -> Self {
        self.random = seed;
        for last in (1..self.events.len()).rev() {
            let other = self.draw(last + 1);
            self.events.swap(last, other);
        }
        self
    }

    /// With each event brought so many times, the copies anywhere.
    pub fn repeated(mut self, times: RangeInclusive<usize>) -> Self {
        let mut copies = Vec::with_capacity(self.events.len());
        for event in std::mem::take(&mut self.events) {
            let (least, most) = (*times.start(), *times.end());
            let count = least.saturating_add(self.draw(most.saturating_sub(least) + 1)).max(1);
            copies.extend(std::iter::repeat_n(event, count));
        }
        self.events = copies;
        let seed = self.random;
        self.shuffled(seed)
    }

    /// In batches of so many events.
    pub fn batched(mut self, sizes: RangeInclusive<usize>) -> Self {
        self.batches = sizes;
        self
    }

    /// The events in the order in which they are brought.
    pub fn events(&self) -> &[(StreamId, NewEvent)] {
        &self.events
    }

    /// The events as a store would hold them, repetitions included.
    ///
    /// For folds: a fold must not mind that an envelope comes twice.
    pub fn envelopes(&self) -> Vec<Envelope> {
        let recorded_at = DateTime::<Utc>::from_timestamp(1_700_700_000, 0).unwrap_or_default();
        let place = |(number, (stream, event)): (usize, &(StreamId, NewEvent))| {
            let position = Position::new(number as u64 + 1);
            let place = (position, *stream, Version::new(number as u64));
            let (salt, chain) = (Salt::from_bytes([0; 16]), ChainHash::default());
            Envelope::seal(place, recorded_at, event.clone(), salt, chain)
        };
        self.events.iter().enumerate().map(place).collect()
    }

    /// Records everything.
    ///
    /// # Errors
    /// That of the store.
    pub async fn into_store<S: EventStore + ?Sized>(
        mut self,
        store: &S,
    ) -> Result<(), AppendError> {
        let mut events = std::mem::take(&mut self.events).into_iter();
        loop {
            let (least, most) = (*self.batches.start(), *self.batches.end());
            let size = least.saturating_add(self.draw(most.saturating_sub(least) + 1)).max(1);
            let batch: Vec<_> = events.by_ref().take(size).collect();
            if batch.is_empty() {
                break;
            }
            store.record(batch).await?;
        }
        Ok(())
    }

    /// `SplitMix64`: small, seeded, the same everywhere.
    fn draw(&mut self, below: usize) -> usize {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % below.max(1) as u64).unwrap_or(0)
    }
}
