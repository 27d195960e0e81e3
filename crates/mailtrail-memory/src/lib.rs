//! The reference store: in memory, and small enough to be believed by reading it.
//!
//! It keeps the whole contract of [`EventStore`] but durability: it is gone with the process. Other
//! stores are compared with it, so it shares no code with their writer.
//!
//! ```
//! # futures_executor::block_on(async {
//! use mailtrail_core::store::{EventStore, EventStoreExt, Position};
//! let store = mailtrail_memory::MemoryStore::new();
//! assert_eq!(store.head().await?.position, Position::START);
//! # Ok::<(), mailtrail_core::store::ReadError>(()) }).unwrap();
//! ```

mod states;

pub use states::{MemoryCheckpoints, MemoryStates};

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use mailtrail_core::clock::Clock;
use mailtrail_core::event::{RawHash, Salt};
use mailtrail_core::store::{
    AppendError, Appended, Capabilities, Durability, Filter, Head, HeadWatch, ImportError, Known,
    Limits, Mismatch, Page, RawError, RawStore, ReadError, RedactError, StoredAt, StreamPage,
};
use mailtrail_core::{
    AppendBatch, EventId, EventStore, Namespace, NewEvent, Position, StreamId, Version,
    event::Envelope,
};

/// An event store in memory.
///
/// # Guarantees
/// All of the contract but durability: [`Durability::Volatile`]. It can [`redact`](EventStore::redact) and
/// [`import`](EventStore::import).
pub struct MemoryStore {
    namespace: Namespace,
    clock: Arc<dyn Clock>,
    log: Mutex<Log>,
    watch: HeadWatch,
}

#[derive(Default)]
struct Log {
    /// Position `n` is at index `n - 1`.
    events: Vec<Envelope>,
    ids: HashMap<EventId, usize>,
    streams: HashMap<StreamId, Vec<usize>>,
}

impl MemoryStore {
    /// An empty store with a random namespace and the system's clock.
    #[expect(clippy::disallowed_methods, reason = "the default clock is the system's")]
    pub fn new() -> Self {
        Self::with(Namespace::from_random(random()), Arc::new(Utc::now))
    }

    /// An empty store with this namespace and clock.
    pub fn with(namespace: Namespace, clock: Arc<dyn Clock>) -> Self {
        Self { namespace, clock, log: Mutex::default(), watch: HeadWatch::default() }
    }

    fn take(&self, batch: &AppendBatch) -> Result<Appended, AppendError> {
        let mut log = self.log();
        let appended = log.append(batch, self.clock.now())?;
        self.watch.publish(log.head());
        Ok(appended)
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore").field("head", &self.watch.head()).finish_non_exhaustive()
    }
}

#[async_trait]
impl EventStore for MemoryStore {
    fn capabilities(&self) -> Capabilities {
        Capabilities::new(Durability::Volatile).redacts().imports()
    }

    fn namespace(&self) -> Namespace {
        self.namespace
    }

    async fn append(&self, batch: AppendBatch) -> Result<Appended, AppendError> {
        if batch.events().any(|(_, event)| event.origin.is_some()) {
            return Err(AppendError::Unsupported { capability: "origin outside of import" });
        }
        self.take(&batch)
    }

    async fn read_stream(
        &self,
        stream: StreamId,
        from: Version,
        limit: usize,
    ) -> Result<StreamPage, ReadError> {
        let log = self.log();
        let places = log.streams.get(&stream).map_or(&[][..], Vec::as_slice);
        let first = usize::try_from(from.get()).unwrap_or(usize::MAX);
        let wanted = places.iter().skip(first).take(limit.max(1));
        let events = wanted.filter_map(|place| log.events.get(*place)).cloned().collect();
        Ok(StreamPage::new(events, from, log.last_version(stream)))
    }

    async fn read_all(
        &self,
        filter: &Filter,
        after: Position,
        limit: usize,
    ) -> Result<Page, ReadError> {
        let log = self.log();
        let first = usize::try_from(after.get()).unwrap_or(usize::MAX);
        let head = log.head().position;
        let mut scanned_to = after.max(Position::START).min(head);
        let mut events = Vec::new();
        for envelope in log.events.iter().skip(first) {
            if events.len() == limit.max(1) {
                break;
            }
            if filter.matches(envelope.stream, &envelope.event.event_type) {
                events.push(envelope.clone());
            }
            scanned_to = envelope.position;
        }
        Ok(Page::new(events, scanned_to, head))
    }

    async fn changed(&self, past: Position) -> Result<Position, ReadError> {
        Ok(self.watch.changed(past).await)
    }

    async fn head(&self) -> Result<Head, ReadError> {
        Ok(self.log().head())
    }

    async fn redact(&self, ids: &[EventId]) -> Result<(), RedactError> {
        let mut log = self.log();
        let unknown: Vec<EventId> =
            ids.iter().filter(|id| !log.ids.contains_key(id)).copied().collect();
        if !unknown.is_empty() {
            return Err(RedactError::NotStored { ids: unknown });
        }
        for id in ids {
            let place = log.ids.get(id).copied();
            if let Some(envelope) = place.and_then(|place| log.events.get_mut(place)) {
                envelope.event.private = None;
                envelope.salt = None;
            }
        }
        Ok(())
    }

    async fn import(&self, batch: AppendBatch) -> Result<Appended, ImportError> {
        self.take(&batch).map_err(ImportError::Append)
    }
}

impl Log {
    fn append(&mut self, batch: &AppendBatch, now: DateTime<Utc>) -> Result<Appended, AppendError> {
        within_limits(batch, Limits::default())?;
        let known: Vec<StoredAt> =
            batch.events().filter_map(|(stream, event)| self.known(stream, event)).collect();
        if !batch.skips_known() {
            refuse_repeated(batch)?;
            if known.iter().any(|place| place.known == Known::Elsewhere) {
                return Err(AppendError::IdReused { events: known });
            }
            if !known.is_empty() && known.len() < batch.len() {
                return Err(AppendError::PartialDuplicate { events: known });
            }
        }
        if !known.is_empty() && known.len() == batch.len() {
            return Ok(Appended::of(known));
        }
        self.check(batch)?;
        let recorded_at = self.events.last().map_or(now, |last| last.recorded_at.max(now));
        let events: Vec<(StreamId, NewEvent)> =
            batch.events().map(|(stream, event)| (stream, event.clone())).collect();
        let places = events.into_iter().map(|(stream, event)| match self.known(stream, &event) {
            Some(place) => place,
            None => self.push(stream, event, recorded_at),
        });
        Ok(Appended::of(places.collect()))
    }

    fn known(&self, stream: StreamId, event: &NewEvent) -> Option<StoredAt> {
        let stored = self.events.get(*self.ids.get(&event.event_id)?)?;
        let same = stored.stream == stream && stored.event.event_type == event.event_type;
        let known = if same { Known::Here } else { Known::Elsewhere };
        Some(StoredAt::new(event.event_id, stored.stream, stored.version, stored.position, known))
    }

    fn check(&self, batch: &AppendBatch) -> Result<(), AppendError> {
        let is_new = |event: &NewEvent| !self.ids.contains_key(&event.event_id);
        let written = batch
            .writes()
            .iter()
            .filter(|write| write.events.is_empty() || write.events.iter().any(is_new))
            .map(|write| (write.stream, write.expected));
        let mut streams: Vec<Mismatch> = Vec::new();
        for (stream, expected) in written.chain(batch.requires().iter().copied()) {
            let actual = self.last_version(stream);
            let mismatch = Mismatch::new(stream, expected, actual);
            if !expected.holds(actual) && !streams.contains(&mismatch) {
                streams.push(mismatch);
            }
        }
        if streams.is_empty() { Ok(()) } else { Err(AppendError::Conflict { streams }) }
    }

    fn push(&mut self, stream: StreamId, event: NewEvent, recorded_at: DateTime<Utc>) -> StoredAt {
        let head = self.head();
        let version = Version::after(self.last_version(stream));
        let place = (head.position.next(), stream, version);
        let event_id = event.event_id;
        let salt = Salt::from_bytes(random());
        let envelope = Envelope::seal(place, recorded_at, event, salt, head.hash);
        let index = self.events.len();
        self.ids.insert(event_id, index);
        self.streams.entry(stream).or_default().push(index);
        let place = StoredAt::new(event_id, stream, version, envelope.position, Known::No);
        self.events.push(envelope);
        place
    }

    fn last_version(&self, stream: StreamId) -> Option<Version> {
        let last = *self.streams.get(&stream)?.last()?;
        self.events.get(last).map(|envelope| envelope.version)
    }

    fn head(&self) -> Head {
        self.events.last().map_or_else(Head::default, |last| Head::new(last.position, last.hash))
    }
}

fn within_limits(batch: &AppendBatch, limits: Limits) -> Result<(), AppendError> {
    if batch.len() > limits.batch_events {
        return Err(AppendError::TooLarge { limit: limits.batch_events, unit: "events" });
    }
    if batch.payload_bytes() > limits.batch_bytes {
        return Err(AppendError::TooLarge { limit: limits.batch_bytes, unit: "bytes" });
    }
    Ok(())
}

fn refuse_repeated(batch: &AppendBatch) -> Result<(), AppendError> {
    let mut seen = HashSet::new();
    let mut repeated = |event: &NewEvent| !seen.insert(event.event_id);
    let ids: Vec<EventId> = batch
        .events()
        .filter(|(_, event)| repeated(event))
        .map(|(_, event)| event.event_id)
        .collect();
    if ids.is_empty() { Ok(()) } else { Err(AppendError::RepeatedId { ids }) }
}

/// Raw bytes in memory, named by their hash.
#[derive(Debug, Default)]
pub struct MemoryRaw(Mutex<HashMap<RawHash, (Bytes, DateTime<Utc>)>>);

#[async_trait]
impl RawStore for MemoryRaw {
    #[expect(clippy::disallowed_methods, reason = "the age of raw bytes is by the system's clock")]
    async fn put(&self, bytes: Bytes) -> Result<RawHash, RawError> {
        let hash = RawHash::of(&bytes);
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.insert(hash, (bytes, Utc::now()));
        Ok(hash)
    }

    async fn read(&self, hash: RawHash) -> Result<Option<Bytes>, RawError> {
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(held.get(&hash).map(|(bytes, _)| bytes.clone()))
    }

    async fn remove(&self, hashes: &[RawHash]) -> Result<u64, RawError> {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let removed = hashes.iter().filter(|hash| held.remove(*hash).is_some()).count();
        Ok(u64::try_from(removed).unwrap_or(u64::MAX))
    }

    async fn expire(&self, before: DateTime<Utc>) -> Result<u64, RawError> {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let had = held.len();
        held.retain(|_, (_, put)| *put >= before);
        Ok(u64::try_from(had.saturating_sub(held.len())).unwrap_or(u64::MAX))
    }
}

/// Random bytes of the operating system.
///
/// # Panics
/// If the operating system has none: nothing here could be trusted then.
#[expect(clippy::expect_used, reason = "a system without randomness can't run this")]
fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the operating system gives randomness");
    bytes
}
