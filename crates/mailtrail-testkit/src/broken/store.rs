//! The reference store, with one thing wrong.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use async_trait::async_trait;
use futures_util::FutureExt;
use mailtrail_core::store::{
    AppendError, Appended, Capabilities, Durability, Filter, Head, ImportError, Known, Mismatch,
    Page, ReadError, RedactError, StoredAt, StreamPage,
};
use mailtrail_core::{
    AppendBatch, Envelope, EventId, EventStore, EventStoreExt, Expected, Namespace, Position,
    StreamId, Version,
};
use mailtrail_memory::MemoryStore;

use super::Fault;

/// A store with one [`Fault`].
#[derive(Debug)]
pub struct BrokenStore {
    fault: Fault,
    inner: Arc<MemoryStore>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Appends that have begun and not ended.
    running: u32,
    /// Positions that readers don't see yet.
    hidden: HashSet<Position>,
    /// The ids that are still remembered.
    remembered: VecDeque<EventId>,
    /// How many ids were forgotten and taken for new ones.
    renamed: u8,
}

impl BrokenStore {
    /// An empty store that does this wrong.
    pub fn new(fault: Fault) -> Self {
        Self { fault, inner: Arc::new(MemoryStore::new()), state: Mutex::default() }
    }

    /// What is left of it after the power went: all of it, unless it acknowledges too early.
    pub fn after_power_loss(self) -> Self {
        match self.fault {
            Fault::AcknowledgedBeforeSync | Fault::DoesNothing => Self::new(self.fault),
            _ => self,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stores it, and shows it only after a while: a reader may have passed it by then.
    fn append_late(&self, batch: AppendBatch) -> Result<Appended, AppendError> {
        let appended = {
            let mut state = self.state();
            let appended = at_once(self.inner.append(batch))?;
            // Alone it behaves: only what overlaps another append commits late.
            if state.running > 1 {
                state.hidden.extend(appended.last_position());
            }
            appended
        };
        pause();
        if let Some(position) = appended.last_position() {
            self.state().hidden.remove(&position);
        }
        Ok(appended)
    }

    /// The page without the last event of a stream, where that has several: a reader would miss what was
    /// acknowledged to it.
    fn stale(&self, from: Version, page: StreamPage) -> StreamPage {
        let busy = self.state().running > 0;
        let Some(before) = page.last.and_then(|last| last.get().checked_sub(1)).filter(|_| busy)
        else {
            return page;
        };
        let before = Version::new(before);
        let events = page.events.into_iter().filter(|event| event.version <= before);
        StreamPage::new(events.collect(), from, Some(before))
    }

    async fn append_or_lose(&self, batch: AppendBatch) -> Result<Appended, AppendError> {
        pause();
        if self.state().running > 1 && batch.requires().is_empty() {
            let conflicts = self.stale_check(&batch).await?;
            if conflicts && let Some(lost) = self.pretend(&batch).await {
                return Ok(lost);
            }
        }
        self.inner.append(batch).await
    }

    /// Whether the batch would be stored now.
    async fn stale_check(&self, batch: &AppendBatch) -> Result<bool, AppendError> {
        for write in batch.writes() {
            if !write.expected.holds(self.last(write.stream).await?) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn last(&self, stream: StreamId) -> Result<Option<Version>, AppendError> {
        let page = self.inner.read_stream(stream, Version::FIRST, 1).await;
        page.map(|page| page.last).map_err(|error| AppendError::Unavailable { cause: error.into() })
    }

    /// The answer to an append that is not done.
    async fn pretend(&self, batch: &AppendBatch) -> Option<Appended> {
        let head = self.inner.head().await.ok()?;
        let mut places = Vec::new();
        for (stream, event) in batch.events() {
            let version = Version::after(self.last(stream).await.ok()?);
            places.push(StoredAt::new(
                event.event_id,
                stream,
                version,
                head.position.next(),
                Known::No,
            ));
        }
        Some(Appended::of(places))
    }

    async fn append_stale(&self, batch: AppendBatch) -> Result<Appended, AppendError> {
        if !self.stale_check(&batch).await? {
            return self.inner.append(batch).await;
        }
        pause();
        let any = |unchecked: AppendBatch, write: &mailtrail_core::store::StreamWrite| {
            unchecked.write(write.stream, Expected::Any, write.events.clone())
        };
        let mut unchecked = batch.writes().iter().fold(AppendBatch::new(), any);
        for (stream, expected) in batch.requires() {
            unchecked = unchecked.require(*stream, *expected);
        }
        let unchecked = if batch.skips_known() { unchecked.skip_known() } else { unchecked };
        self.inner.append(unchecked).await
    }

    /// An id that was forgotten is stored again, under a name of its own.
    async fn append_forgetting(&self, batch: AppendBatch) -> Result<Appended, AppendError> {
        let mut renamed = AppendBatch::new();
        let mut forgot = false;
        for write in batch.writes() {
            let mut events = write.events.clone();
            for event in &mut events {
                let mut state = self.state();
                let known = at_once(self.inner.stream(write.stream))
                    .is_ok_and(|stored| stored.iter().any(|e| e.event.event_id == event.event_id));
                if known && !state.remembered.contains(&event.event_id) {
                    state.renamed = state.renamed.wrapping_add(1);
                    let mut id = *event.event_id.as_bytes();
                    id[15] ^= state.renamed;
                    event.event_id = EventId::from_bytes(id);
                    forgot = true;
                }
            }
            let expected = if forgot { Expected::Any } else { write.expected };
            renamed = renamed.write(write.stream, expected, events);
        }
        let appended = self.inner.append(if forgot { renamed } else { batch }).await?;
        let mut state = self.state();
        for place in &appended.events {
            state.remembered.push_back(place.event_id);
        }
        let excess = state.remembered.len().saturating_sub(REMEMBERED);
        state.remembered.drain(..excess);
        Ok(appended)
    }

    /// Writes a batch event by event.
    async fn append_in_parts(&self, batch: AppendBatch) -> Result<Appended, AppendError> {
        let strict = batch.writes().iter().any(|write| write.expected != Expected::Any);
        if strict || batch.len() < 2 || batch.len() > 10 || !batch.requires().is_empty() {
            return self.inner.append(batch).await;
        }
        let known = self.inner.append(batch.clone().require(NOWHERE, Expected::Exists)).await;
        if !matches!(known, Err(AppendError::Conflict { .. })) {
            return known;
        }
        let mut places = Vec::new();
        for (stream, event) in batch.events() {
            let part = AppendBatch::new().write(stream, Expected::Any, vec![event.clone()]);
            let part = if batch.skips_known() { part.skip_known() } else { part };
            places.extend(self.inner.append(part).await?.events);
            pause();
        }
        Ok(Appended::of(places))
    }
}

#[async_trait]
impl EventStore for BrokenStore {
    fn capabilities(&self) -> Capabilities {
        match self.fault {
            Fault::DoesNothing => Capabilities::new(Durability::PowerLoss).redacts().imports(),
            _ => self.inner.capabilities(),
        }
    }

    fn namespace(&self) -> Namespace {
        self.inner.namespace()
    }

    async fn append(&self, batch: AppendBatch) -> Result<Appended, AppendError> {
        self.state().running += 1;
        let appended = match self.fault {
            Fault::LateCommit => self.append_late(batch),
            Fault::LostConcurrentAppend => self.append_or_lose(batch).await,
            Fault::StaleExpectation => self.append_stale(batch).await,
            Fault::ForgetsIds => self.append_forgetting(batch).await,
            Fault::PartOfBatchVisible => self.append_in_parts(batch).await,
            Fault::LyingConflict => self.inner.append(batch).await.map_err(lie),
            Fault::DoesNothing => Ok(Appended::of(Vec::new())),
            _ => self.inner.append(batch).await,
        };
        self.state().running -= 1;
        appended
    }

    async fn read_stream(
        &self,
        stream: StreamId,
        from: Version,
        limit: usize,
    ) -> Result<StreamPage, ReadError> {
        if self.fault == Fault::DoesNothing {
            return Ok(StreamPage::new(Vec::new(), from, None));
        }
        let mut page = self.inner.read_stream(stream, from, limit).await?;
        if self.fault == Fault::StaleStreamRead {
            page = self.stale(from, page);
        }
        if self.fault == Fault::GapInVersions {
            page.events.iter_mut().for_each(gap);
        }
        Ok(page)
    }

    async fn read_all(
        &self,
        filter: &Filter,
        after: Position,
        limit: usize,
    ) -> Result<Page, ReadError> {
        if self.fault == Fault::DoesNothing {
            return Ok(Page::new(Vec::new(), after, after));
        }
        if self.fault == Fault::ErrorAsEnd && after > Position::new(20) {
            return Ok(Page::new(Vec::new(), after, after));
        }
        // Held while reading, so that what is hidden is hidden from the whole page.
        let state = self.state();
        let mut page = at_once(self.inner.read_all(filter, after, limit))?;
        page.events.retain(|envelope| !state.hidden.contains(&envelope.position));
        match self.fault {
            Fault::OrderByTime => page.events.sort_by_key(|envelope| envelope.event.occurred_at),
            Fault::GapInVersions => page.events.iter_mut().for_each(gap),
            _ => {}
        }
        Ok(page)
    }

    async fn changed(&self, past: Position) -> Result<Position, ReadError> {
        match self.fault {
            Fault::DoesNothing => Ok(past),
            Fault::MissedWakeUp => {
                let head = self.inner.head().await?.position;
                if head > past {
                    return Ok(head);
                }
                pause();
                // What came during the pause is not heard of: it waits for the one after.
                let missed = self.inner.changed(past).await?;
                self.inner.changed(missed).await
            }
            _ => self.inner.changed(past).await,
        }
    }

    async fn head(&self) -> Result<Head, ReadError> {
        match self.fault {
            Fault::DoesNothing => Ok(Head::default()),
            _ => self.inner.head().await,
        }
    }

    async fn redact(&self, ids: &[EventId]) -> Result<(), RedactError> {
        match self.fault {
            Fault::DoesNothing => Ok(()),
            _ => self.inner.redact(ids).await,
        }
    }

    async fn import(&self, batch: AppendBatch) -> Result<Appended, ImportError> {
        match self.fault {
            Fault::DoesNothing => Ok(Appended::of(Vec::new())),
            _ => self.inner.import(batch).await,
        }
    }
}

/// The reference store never waits: its futures are done when they are first asked. So a lock may be held.
#[expect(clippy::expect_used, reason = "the reference store has no await")]
fn at_once<T>(future: impl Future<Output = T>) -> T {
    future.now_or_never().expect("the reference store answers at once")
}

/// Says of every stream that it is longer than it ever was.
fn lie(error: AppendError) -> AppendError {
    match error {
        AppendError::Conflict { streams } => {
            let longer = |mismatch: Mismatch| {
                let actual = mismatch.actual.map(|last| Version::new(last.get() + 1_000));
                Mismatch::new(mismatch.stream, mismatch.expected, actual)
            };
            AppendError::Conflict { streams: streams.into_iter().map(longer).collect() }
        }
        other => other,
    }
}

fn gap(envelope: &mut Envelope) {
    envelope.version = Version::new(envelope.version.get() * 2);
}

/// Lets others run, so that what overlaps does.
fn pause() {
    (0..20).for_each(|_| thread::yield_now());
}

const REMEMBERED: usize = 16;
/// A stream that nothing is written to.
const NOWHERE: StreamId = StreamId::from_parts(mailtrail_core::id::Category::CLAIM, [0xff; 16]);
