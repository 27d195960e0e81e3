//! Appends a plan, chunk by chunk, beside any number of other planners.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::broadcast::{Broadcast, Contact};
use super::chunk::{Candidate, Chunk, Verdict, candidates};
use crate::clock::Clock;
use crate::event::{EncodeError, Event, Fact, NewEvent, Private, Provenance, Source};
use crate::id::{BroadcastId, Category, EventId, Identity, Namespace, StreamId};
use crate::store::{
    AppendBatch, AppendError, EventStore, EventStoreExt, Expected, Outcome, ReadError, Version,
};
use crate::suppression::Suppression;

/// Plans one broadcast. Memory stays bounded by one chunk of rows, whatever the number of contacts.
///
/// Any number of planners may plan one broadcast at once: each address is queued at most once. A row
/// that is planned already stays as it was, whatever the list says now.
///
/// ```
/// # futures_executor::block_on(async {
/// use mailtrail_core::plan::{Broadcast, Contact, ContactAddress, Planner};
/// let store = mailtrail_memory::MemoryStore::new();
/// let broadcast = Broadcast::new("snow-day".parse()?, "emergency".parse()?);
/// let clock = || chrono::DateTime::UNIX_EPOCH;
///
/// let mut planner = Planner::open(&store, broadcast, &clock).await?;
/// for (id, address) in [("c1", "ann@a.example"), ("c2", "ANN@a.example"), ("c3", "nowhere")] {
///     planner.add(Contact::new(id.parse()?).address(ContactAddress::new(address))).await?;
/// }
/// let report = planner.finish().await?;
/// assert_eq!((report.queued, report.duplicate, report.malformed), (1, 1, 1));
/// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
/// ```
pub struct Planner<'a, S: ?Sized> {
    store: &'a S,
    clock: &'a dyn Clock,
    broadcast: Broadcast,
    pending: Vec<Candidate>,
    report: PlanReport,
}

/// What a plan came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
pub struct PlanReport {
    /// Rows that wait to be sent.
    pub queued: u64,
    /// Contacts without an address for this kind of broadcast.
    pub not_selected: u64,
    /// Rows whose address another row has.
    pub duplicate: u64,
    /// Rows whose address is blocked.
    pub blocked: u64,
    /// Rows whose text is no address.
    pub malformed: u64,
    /// Rows that were planned before: they stay as they were.
    pub unchanged: u64,
    /// Addresses that a contact has twice: they add nothing.
    pub repeated: u64,
}

impl PlanReport {
    /// How many rows were added.
    pub fn added(&self) -> u64 {
        let parts = [self.queued, self.not_selected, self.duplicate, self.blocked, self.malformed];
        parts.into_iter().fold(0, u64::saturating_add)
    }

    fn count(&mut self, verdict: &Verdict) {
        let count = match verdict {
            Verdict::Queued => &mut self.queued,
            Verdict::NotSelected => &mut self.not_selected,
            Verdict::Duplicated(_) => &mut self.duplicate,
            Verdict::Suppressed => &mut self.blocked,
            Verdict::Malformed => &mut self.malformed,
        };
        *count = count.saturating_add(1);
    }
}

impl<S: ?Sized> std::fmt::Debug for Planner<'_, S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Planner").field("broadcast", self.broadcast.id()).finish_non_exhaustive()
    }
}

impl<'a, S: EventStore + ?Sized> Planner<'a, S> {
    /// Opens a broadcast for planning, creating it if it is new.
    ///
    /// # Errors
    /// [`PlanError::AnotherKind`] if it exists with another kind, [`PlanError::FollowsAnother`] if it is to follow a
    /// broadcast that it doesn't.
    pub async fn open(
        store: &'a S,
        broadcast: Broadcast,
        clock: &'a dyn Clock,
    ) -> Result<Self, PlanError> {
        let namespace = store.namespace();
        let (stream, event) = created(&namespace, &broadcast, clock.now())?;
        let batch = AppendBatch::new().write(stream, Expected::Any, vec![event]);
        if append(store, batch).await? == Outcome::AlreadyStored {
            let existing = Broadcast::of(&store.stream(stream).await?);
            existing.map_or(Ok(()), |existing| broadcast.agrees_with(&existing))?;
        }
        let (pending, report) = (Vec::new(), PlanReport::default());
        Ok(Self { store, clock, broadcast, pending, report })
    }

    /// Adds a whole contact: all of its addresses at once.
    ///
    /// # Errors
    /// [`PlanError`]: what was stored before stays; plan the same list again to go on.
    pub async fn add(&mut self, contact: Contact) -> Result<(), PlanError> {
        let (rows, repeated) = candidates(&self.store.namespace(), &self.broadcast, &contact);
        self.report.repeated = add(self.report.repeated, repeated);
        for row in rows {
            if self.pending.iter().any(|pending| pending.delivery == row.delivery) {
                self.report.repeated = add(self.report.repeated, 1);
                continue;
            }
            self.pending.push(row);
            if self.pending.len() >= CHUNK {
                self.flush().await?;
            }
        }
        Ok(())
    }

    /// Stores what is left.
    ///
    /// # Errors
    /// As of [`add`](Self::add).
    pub async fn finish(mut self) -> Result<PlanReport, PlanError> {
        self.flush().await?;
        Ok(self.report)
    }

    /// What was planned so far, without the rows that wait for their chunk.
    pub fn so_far(&self) -> PlanReport {
        self.report
    }

    async fn flush(&mut self) -> Result<(), PlanError> {
        let namespace = self.store.namespace();
        let mut chunk = self.chunk().await?;
        while !chunk.candidates.is_empty() {
            let verdicts = chunk.decide(&self.broadcast);
            let batch = chunk.batch(&namespace, &self.broadcast, &verdicts, self.clock.now())?;
            match append(self.store, batch).await {
                Ok(Outcome::New) => {
                    for verdict in &verdicts {
                        self.report.count(verdict);
                    }
                    return Ok(());
                }
                Ok(Outcome::AlreadyStored) => {
                    self.report.unchanged = add(self.report.unchanged, chunk.candidates.len());
                    return Ok(());
                }
                Err(
                    AppendError::PartialDuplicate { events } | AppendError::IdReused { events },
                ) => {
                    let known = events.iter().map(|event| event.event_id).collect();
                    let before = chunk.candidates.len();
                    self.drop_known(&mut chunk, &known);
                    if chunk.candidates.len() == before {
                        return Err(PlanError::Append(AppendError::IdReused { events }));
                    }
                }
                Err(AppendError::Conflict { streams }) => {
                    let claims = streams.iter().map(|mismatch| mismatch.stream);
                    let mut learnt = false;
                    for claim in claims.filter(|stream| stream.category() == Category::CLAIM) {
                        if let Some(holder) = holder(self.store, claim).await? {
                            learnt |= chunk.claimed.insert(claim, holder).is_none();
                        }
                    }
                    if !learnt {
                        return Err(AppendError::Conflict { streams }.into());
                    }
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Rows that were planned before keep their outcome; who holds an address among them still does.
    fn drop_known(&mut self, chunk: &mut Chunk, known: &HashSet<EventId>) {
        let namespace = self.store.namespace();
        let is_known = |row: &Candidate| {
            known.contains(&row.plan_id)
                || known.contains(&Identity::Claim(row.delivery).event_id(&namespace))
        };
        let before = chunk.candidates.len();
        chunk.candidates.retain(|row| !is_known(row));
        let dropped = before.saturating_sub(chunk.candidates.len());
        self.report.unchanged = add(self.report.unchanged, dropped);
    }

    async fn chunk(&mut self) -> Result<Chunk, PlanError> {
        let candidates = std::mem::take(&mut self.pending);
        let namespace = self.store.namespace();
        let mut blocked = HashMap::new();
        for address in candidates.iter().filter_map(Candidate::address) {
            let stream = StreamId::address(&namespace, address);
            let events = self.store.stream(stream).await?;
            if !events.is_empty() {
                blocked.insert(address.clone(), Suppression::of(&events));
            }
        }
        Ok(Chunk { candidates, claimed: HashMap::new(), blocked })
    }
}

/// The fact that a broadcast was created.
pub(super) fn created(
    namespace: &Namespace,
    broadcast: &Broadcast,
    now: DateTime<Utc>,
) -> Result<(StreamId, NewEvent), EncodeError> {
    let id = Identity::Created(broadcast.id().clone()).event_id(namespace);
    let subject = broadcast.subject_line().map(Into::into);
    let private = Private { subject, ..Private::default() };
    let fact = Fact::new(broadcast.created().clone().into());
    let event = NewEvent::new(id, &fact, &private, Source::known("planner"))?
        .occurred_at(Some(now))
        .provenance(Provenance::observed());
    Ok((StreamId::broadcast(namespace, broadcast.id()), event))
}

/// Appends, and brings a batch of unknown outcome again.
async fn append<S: EventStore + ?Sized>(
    store: &S,
    batch: AppendBatch,
) -> Result<Outcome, AppendError> {
    Ok(store.append_again(batch).await?.outcome)
}

async fn holder<S: EventStore + ?Sized>(
    store: &S,
    claim: StreamId,
) -> Result<Option<crate::id::DeliveryId>, ReadError> {
    let page = store.read_stream(claim, Version::FIRST, 1).await?;
    Ok(page.events.first().and_then(|envelope| {
        let Event::AddressClaimed(claimed) = envelope.fact().ok()?.event else { return None };
        Some(claimed.delivery)
    }))
}

fn add(count: u64, more: usize) -> u64 {
    count.saturating_add(u64::try_from(more).unwrap_or(u64::MAX))
}

/// Why planning stopped. What was stored before stays: plan the same list again to go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// The broadcast exists with another kind.
    #[error("broadcast {broadcast} exists with another kind: give the new one another name")]
    AnotherKind {
        /// The broadcast.
        broadcast: BroadcastId,
    },
    /// The broadcast exists, and does not send this one again.
    #[error(
        "broadcast {broadcast} exists and does not follow {follows}: give the new one another name"
    )]
    FollowsAnother {
        /// The broadcast.
        broadcast: BroadcastId,
        /// The one that it was to follow.
        follows: BroadcastId,
    },
    /// The store refused the rows.
    #[error("the rows could not be stored")]
    Append(#[from] AppendError),
    /// The store could not be read.
    #[error("the store could not be read")]
    Read(#[from] ReadError),
    /// A row can't be written.
    #[error("a row could not be written")]
    Encode(#[from] EncodeError),
}

/// Rows in one batch.
const CHUNK: usize = 256;
