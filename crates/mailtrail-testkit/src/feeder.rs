//! Feeds a history in any order, with repetitions and other batch borders.

use std::borrow::Borrow;
use std::collections::{HashMap, HashSet};
use std::ops::RangeInclusive;

use chrono::{DateTime, TimeDelta, Utc};
use mailtrail_core::event::{ChainHash, Envelope, NewEvent, Salt};
use mailtrail_core::projection::{ApplyError, Projection};
use mailtrail_core::store::{AppendError, EventStore, EventStoreExt, Position, Version};
use mailtrail_core::{EventId, StreamId};

use crate::run::Run;
use crate::strategy::History;

/// Brings the events of a history as ports do: late, twice, out of order, in other batches.
///
/// ```
/// use mailtrail_core::fold::Fold;
/// use mailtrail_testkit::Feeder;
/// use mailtrail_testkit::proptest::prelude::*;
/// use mailtrail_testkit::strategy::{Shape, history};
/// # let config = ProptestConfig { cases: 4, failure_persistence: None, ..Default::default() };
/// proptest!(config, |(h in history(Shape::adversarial().repeats(1..=3)))| {
///     let planned = h.planned.clone();
///     Feeder::new(h)
///         .shuffled()
///         .into_fold(Fold::default(), |fold, envelope| { fold.add(envelope); })
///         .assert_each_step(|before, after| {
///             planned.iter().all(|id| after.evidence(*id).status() >= before.evidence(*id).status())
///         })?;
/// });
/// ```
#[derive(Debug, Clone)]
pub struct Feeder {
    events: Vec<(StreamId, NewEvent)>,
    seed: u64,
    random: u64,
    batches: RangeInclusive<usize>,
    erased: bool,
}

impl Feeder {
    /// A feeder that brings the history as it arrived, event by event; copies come at the end.
    pub fn new(history: impl Borrow<History>) -> Self {
        let history = history.borrow();
        let (events, seed) = (history.events.clone(), history.seed);
        let mut feeder = Self { events, seed, random: seed, batches: 1..=1, erased: false };
        feeder.copy(&history.repeats);
        feeder
    }

    /// In an order that the history's own seed decides.
    pub fn shuffled(self) -> Self {
        let seed = self.seed;
        self.shuffled_by(seed)
    }

    /// In an order that this seed decides.
    pub fn shuffled_by(mut self, seed: u64) -> Self {
        (self.seed, self.random) = (seed, seed);
        for last in (1..self.events.len()).rev() {
            let other = self.draw(last + 1);
            self.events.swap(last, other);
        }
        self
    }

    /// With each event brought so many times, the copies anywhere.
    pub fn repeated(mut self, times: RangeInclusive<usize>) -> Self {
        self.copy(&times);
        self.shuffled()
    }

    /// With everything that identifies a person erased, as after `mailtrail erase`.
    pub fn erased(mut self) -> Self {
        self.erased = true;
        self
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

    /// The envelopes that a store would give, once for each time that an event is brought.
    ///
    /// For folds: a fold must not mind that an envelope comes twice.
    pub fn envelopes(&self) -> Vec<Envelope> {
        let mut held: HashMap<EventId, Envelope> = HashMap::new();
        let mut lengths: HashMap<StreamId, u64> = HashMap::new();
        let mut chain = ChainHash::default();
        let mut envelopes = Vec::with_capacity(self.events.len());
        for (stream, event) in &self.events {
            let number = held.len() as u64;
            let envelope = held.entry(event.event_id).or_insert_with(|| {
                let length = lengths.entry(*stream).or_default();
                let place = (Position::new(number + 1), *stream, Version::new(*length));
                *length += 1;
                let salt = Salt::from_bytes([0; 16]);
                let mut envelope =
                    Envelope::seal(place, recorded_at(number), event.clone(), salt, chain);
                chain = envelope.hash;
                if self.erased {
                    (envelope.event.private, envelope.salt) = (None, None);
                }
                envelope
            });
            envelopes.push(envelope.clone());
        }
        envelopes
    }

    /// The envelopes that a store would hold: each event once, where it first came.
    pub fn stored(&self) -> Vec<Envelope> {
        let mut seen = HashSet::new();
        let mut envelopes = self.envelopes();
        envelopes.retain(|envelope| seen.insert(envelope.event.event_id));
        envelopes
    }

    /// Feeds a projection what a store would hold and its filter lets through.
    pub fn into<'a, P: Projection + 'a>(self, projection: P) -> Run<'a, P::State> {
        let filter = projection.filter();
        let apply = move |state: &mut P::State, envelope: &Envelope| {
            if filter.matches(envelope.stream, &envelope.event.event_type) {
                projection.apply(envelope, state)
            } else {
                Ok(())
            }
        };
        Run::new(P::State::default(), self.stored(), self.seed, apply)
    }

    /// Feeds a fold, repetitions included.
    pub fn into_fold<'a, S>(
        self,
        state: S,
        mut fold: impl FnMut(&mut S, &Envelope) + 'a,
    ) -> Run<'a, S> {
        let apply = move |state: &mut S, envelope: &Envelope| {
            fold(state, envelope);
            Ok::<(), ApplyError>(())
        };
        Run::new(state, self.envelopes(), self.seed, apply)
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

    fn copy(&mut self, times: &RangeInclusive<usize>) {
        let mut copies = Vec::new();
        for event in self.events.clone() {
            let (least, most) = (*times.start(), *times.end());
            let count = least.saturating_add(self.draw(most.saturating_sub(least) + 1)).max(1);
            copies.extend(std::iter::repeat_n(event, count - 1));
        }
        self.events.append(&mut copies);
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

/// A second for each event: so an as-of bound can fall between any two.
fn recorded_at(number: u64) -> DateTime<Utc> {
    let start = DateTime::from_timestamp(1_700_700_000, 0).unwrap_or_default();
    start + TimeDelta::seconds(i64::try_from(number).unwrap_or_default())
}
