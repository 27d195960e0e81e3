//! Runs the judge over a store.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use mailtrail_core::event::EncodeError;
use mailtrail_core::store::{
    AppendBatch, AppendError, EventStore, EventStoreExt, Filter, Position, ReadError,
};
use mailtrail_core::{Event, EventId, StreamId};

use super::judge::{judged_hit, settles, verdicts};
use super::machines::Machines;

/// Finds the hits of a store that nobody has judged yet, and appends the verdicts that are due.
///
/// It keeps nothing but its place in the log: a new one reads from the start and finds the same.
///
/// ```
/// # futures_executor::block_on(async {
/// use mailtrail_webhook::track::Judge;
/// let store = mailtrail_memory::MemoryStore::new();
/// let now = chrono::DateTime::from_timestamp(1_700_000_000, 0).unwrap();
/// let mut judge = Judge::default();                     // by the table of this version
/// assert_eq!(judge.run(&store, now).await?, 0);          // how many verdicts were new
/// assert_eq!(judge.next_due(), None);                    // wait for the store to change
/// # Ok::<(), mailtrail_webhook::track::JudgeError>(()) }).unwrap();
/// ```
#[derive(Debug, Clone)]
pub struct Judge {
    machines: Arc<Machines>,
    scanned_to: Position,
    /// Hits without a verdict: their stream, and when they were recorded.
    undecided: BTreeMap<EventId, (StreamId, DateTime<Utc>)>,
}

impl Default for Judge {
    fn default() -> Self {
        Self::new(Machines::builtin())
    }
}

impl Judge {
    /// By this table.
    pub fn new(machines: Arc<Machines>) -> Self {
        Self { machines, scanned_to: Position::START, undecided: BTreeMap::new() }
    }

    /// Reads what is new, and appends the verdicts that are due now. Says how many were new.
    ///
    /// # Errors
    /// [`JudgeError`]: run it again, nothing is lost or judged twice.
    pub async fn run(
        &mut self,
        store: &dyn EventStore,
        now: DateTime<Utc>,
    ) -> Result<usize, JudgeError> {
        self.catch_up(store).await?;
        let due = |(_, recorded_at): &(StreamId, DateTime<Utc>)| settles(*recorded_at) <= now;
        if self.undecided.values().any(due) {
            // What was given its time before now, and is not yet to be seen, is to be seen after this.
            store.append(AppendBatch::new()).await?;
        }
        let streams = self.undecided.values().filter(|hit| due(hit)).map(|(stream, _)| *stream);
        let mut new = 0_usize;
        for stream in streams.collect::<BTreeSet<_>>() {
            let verdicts = verdicts(&self.machines, &store.stream(stream).await?, now);
            let namespace = store.namespace();
            let facts = verdicts.into_iter().map(|verdict| verdict.into_event(&namespace));
            let appended = store.record(facts.collect::<Result<_, _>>()?).await?;
            new = new.saturating_add(appended.new_events());
        }
        self.undecided.retain(|_, hit| !due(hit));
        Ok(new)
    }

    /// When the next verdict is due, as far as it has read; `None` if every hit has its verdict.
    pub fn next_due(&self) -> Option<DateTime<Utc>> {
        self.undecided.values().map(|(_, recorded_at)| settles(*recorded_at)).min()
    }

    async fn catch_up(&mut self, store: &dyn EventStore) -> Result<(), ReadError> {
        let filter =
            ["hit", "opened", "clicked"].into_iter().fold(Filter::all(), Filter::event_type);
        loop {
            let page = store.read_all(&filter, self.scanned_to, PAGE).await?;
            for envelope in &page.events {
                let id = envelope.event.event_id;
                match envelope.fact().map(|fact| fact.event) {
                    Ok(Event::Hit(_)) => {
                        self.undecided.insert(id, (envelope.stream, envelope.recorded_at));
                    }
                    Ok(event) => {
                        judged_hit(&event).map(|hit| self.undecided.remove(&hit));
                    }
                    Err(_) => {}
                }
            }
            self.scanned_to = page.scanned_to;
            if page.next.is_none() {
                return Ok(());
            }
        }
    }
}

/// Why verdicts could not be given. Those that were given stay.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JudgeError {
    /// The hits can't be read.
    #[error("the hits can't be read")]
    Read(#[from] ReadError),
    /// The verdicts can't be stored.
    #[error("the verdicts can't be stored")]
    Append(#[from] AppendError),
    /// A verdict can't be written.
    #[error("a verdict can't be written")]
    Encode(#[from] EncodeError),
}

/// Events read at once.
const PAGE: usize = 1_000;
