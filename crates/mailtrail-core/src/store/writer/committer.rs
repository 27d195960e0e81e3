//! The writer's thread: it checks, writes as a group, answers and publishes.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::error::Error;
use std::fmt;
use std::sync::{Arc, mpsc};

use chrono::{DateTime, Utc};
use futures_channel::oneshot;

use super::pace::Pace;
use super::{Engine, Found, WriterOptions};
use crate::clock::Clock;
use crate::event::{Envelope, NewEvent, Salt};
use crate::fold::ById;
use crate::id::{EventId, StreamId};
use crate::store::append::{AppendBatch, Appended, Expected, Known, StoredAt};
use crate::store::capability::Limits;
use crate::store::error::{AppendError, BoxError, Mismatch, ReadError, RedactError};
use crate::store::head::{Head, HeadWatch};
use crate::store::position::Version;

/// What the thread is asked.
pub(super) enum Job {
    Append {
        batch: AppendBatch,
        /// Of the data of each of its events, in order.
        data_hashes: Vec<[u8; 32]>,
        /// Whether its events may name an origin.
        import: bool,
        answer: oneshot::Sender<Result<Appended, AppendError>>,
    },
    Redact {
        ids: Vec<EventId>,
        answer: oneshot::Sender<Result<(), RedactError>>,
    },
}

pub(super) struct Committer<E> {
    engine: E,
    clock: Arc<dyn Clock>,
    salt: Box<dyn FnMut() -> Salt + Send>,
    limits: Limits,
    watch: Arc<HeadWatch>,
    head: Head,
    recorded_at: DateTime<Utc>,
    group: Group,
    failed: Option<WriteFailed>,
}

/// What the present group adds to what the engine has.
#[derive(Default)]
struct Group {
    envelopes: Vec<Envelope>,
    /// Where in it an event is.
    ids: HashMap<EventId, usize, ById>,
    /// The last of each stream that was looked up or added to.
    versions: HashMap<StreamId, Option<Version>, ById>,
    bytes: usize,
}

impl<E: Engine> Committer<E> {
    pub(super) fn new(engine: E, options: WriterOptions, watch: Arc<HeadWatch>) -> Self {
        let WriterOptions { head, last_recorded_at, clock, salt, limits } = options;
        let recorded_at = last_recorded_at.unwrap_or(DateTime::<Utc>::MIN_UTC);
        let group = Group::default();
        Self { engine, clock, salt, limits, watch, head, recorded_at, group, failed: None }
    }

    pub(super) fn run(mut self, jobs: &mpsc::Receiver<Job>) {
        let mut pace = Pace::default();
        while let Some(first) = pace.first(jobs) {
            let mut answers = Vec::new();
            let mut redact = None;
            self.recorded_at = self.recorded_at.max(self.clock.now());
            let mut next = Some(first);
            while let Some(job) = next {
                match job {
                    Job::Append { batch, data_hashes, import, answer } => {
                        answers.push((self.take(batch, &data_hashes, import), answer));
                    }
                    Job::Redact { ids, answer } => {
                        redact = Some((ids, answer));
                        break;
                    }
                }
                next = if self.group.is_full() { None } else { pace.next(jobs, answers.len()) };
            }
            pace.group(answers.len(), || self.finish(answers));
            if let Some((ids, answer)) = redact {
                // A caller that has gone left its outcome unknown to itself only.
                answer.send(self.redact(&ids)).ok();
            }
        }
    }

    fn redact(&mut self, ids: &[EventId]) -> Result<(), RedactError> {
        if let Some(cause) = &self.failed {
            return Err(RedactError::Unavailable { cause: cause.clone().into() });
        }
        let mut unknown = Vec::new();
        for id in ids {
            match self.engine.find(*id) {
                Ok(Some(_)) => {}
                Ok(None) => unknown.push(*id),
                Err(ReadError::Unavailable { cause }) => {
                    return Err(RedactError::Unavailable { cause });
                }
                Err(ReadError::Corrupt { position }) => {
                    return Err(RedactError::Corrupt { position });
                }
            }
        }
        if !unknown.is_empty() {
            return Err(RedactError::NotStored { ids: unknown });
        }
        self.engine.redact(ids)
    }

    fn take(
        &mut self,
        batch: AppendBatch,
        data_hashes: &[[u8; 32]],
        import: bool,
    ) -> Result<Appended, AppendError> {
        if let Some(cause) = &self.failed {
            return Err(AppendError::Unavailable { cause: cause.clone().into() });
        }
        if batch.len() > self.limits.batch_events {
            return Err(AppendError::TooLarge { limit: self.limits.batch_events, unit: "events" });
        }
        if batch.payload_bytes() > self.limits.batch_bytes {
            return Err(AppendError::TooLarge { limit: self.limits.batch_bytes, unit: "bytes" });
        }
        if !import && batch.events().any(|(_, event)| event.origin.is_some()) {
            return Err(AppendError::Unsupported { capability: "origin outside of import" });
        }
        self.decide(batch, data_hashes)
    }

    fn decide(
        &mut self,
        batch: AppendBatch,
        data_hashes: &[[u8; 32]],
    ) -> Result<Appended, AppendError> {
        let known = self.known(&batch)?;
        let all_known = !known.is_empty() && known.iter().all(Option::is_some);
        if !batch.skips_known() {
            let clashes: Vec<_> = known.iter().flatten().copied().collect();
            if clashes.iter().any(|clash| clash.known == Known::Elsewhere) {
                return Err(AppendError::IdReused { events: clashes });
            }
            if !clashes.is_empty() && !all_known {
                return Err(AppendError::PartialDuplicate { events: clashes });
            }
        }
        if all_known {
            return Ok(Appended::of(known.into_iter().flatten().collect()));
        }
        self.check(&batch, &known)?;
        Ok(Appended::of(self.add(batch, data_hashes, &known)?))
    }

    /// For each event of the batch where it is known, in order.
    fn known(&self, batch: &AppendBatch) -> Result<Vec<Option<StoredAt>>, AppendError> {
        let events = batch.len();
        let mut known = Vec::with_capacity(events);
        let mut seen = HashSet::<_, ById>::default();
        let mut repeated = Vec::new();
        for (stream, event) in batch.events() {
            known.push(self.find(event.event_id)?.map(|found| found.seen_as(stream, event)));
            if events > 1 && !seen.insert(event.event_id) {
                repeated.push(event.event_id);
            }
        }
        if !repeated.is_empty() && !batch.skips_known() {
            return Err(AppendError::RepeatedId { ids: repeated });
        }
        Ok(known)
    }

    fn check(
        &mut self,
        batch: &AppendBatch,
        known: &[Option<StoredAt>],
    ) -> Result<(), AppendError> {
        let mut streams = Vec::new();
        let mut known = known.iter();
        for write in batch.writes() {
            let of_write = known.by_ref().take(write.events.len());
            let new = of_write.filter(|place| place.is_none()).count() > 0;
            // Whatever the stream is like, that holds: it needn't be looked up.
            if write.expected != Expected::Any && (new || write.events.is_empty()) {
                streams.push((write.stream, write.expected));
            }
        }
        streams.extend_from_slice(batch.requires());
        let mut mismatches: Vec<Mismatch> = Vec::new();
        for (stream, expected) in streams {
            let actual = self.last_version(stream)?;
            let mismatch = Mismatch::new(stream, expected, actual);
            if !expected.holds(actual) && !mismatches.contains(&mismatch) {
                mismatches.push(mismatch);
            }
        }
        if mismatches.is_empty() {
            Ok(())
        } else {
            Err(AppendError::Conflict { streams: mismatches })
        }
    }

    fn add(
        &mut self,
        batch: AppendBatch,
        data_hashes: &[[u8; 32]],
        known: &[Option<StoredAt>],
    ) -> Result<Vec<StoredAt>, AppendError> {
        let mut places = Vec::with_capacity(known.len());
        // Read before anything is added, so that a failing read leaves no half of a batch behind.
        for write in batch.writes() {
            self.last_version(write.stream)?;
        }
        for (((stream, event), data_hash), known) in batch.into_events().zip(data_hashes).zip(known)
        {
            if let Some(place) = known {
                places.push(*place);
            } else if let Some(found) = self.group.find(event.event_id) {
                places.push(found.seen_as(stream, &event));
            } else {
                places.push(self.push(stream, event, *data_hash));
            }
        }
        Ok(places)
    }

    fn push(&mut self, stream: StreamId, event: NewEvent, data_hash: [u8; 32]) -> StoredAt {
        let version = Version::after(self.group.versions.get(&stream).copied().flatten());
        let place = (self.head.position.next(), stream, version);
        let (event_id, bytes) = (event.event_id, event.payload_bytes());
        let salt = if event.private.is_some() { (self.salt)() } else { Salt::default() };
        let (at, previous) = (self.recorded_at, self.head.hash);
        let envelope = Envelope::seal_with(place, at, event, data_hash, salt, previous);
        self.head = Head::new(envelope.position, envelope.hash);
        self.group.bytes = self.group.bytes.saturating_add(bytes);
        self.group.versions.insert(stream, Some(version));
        self.group.ids.insert(event_id, self.group.envelopes.len());
        let place = StoredAt::new(event_id, stream, version, envelope.position, Known::No);
        self.group.envelopes.push(envelope);
        place
    }

    fn finish(&mut self, answers: Vec<Answer>) {
        let mut group = std::mem::take(&mut self.group);
        let nothing_new = group.envelopes.is_empty();
        let committed = if nothing_new { Ok(()) } else { self.engine.commit(&group.envelopes) };
        match committed {
            Ok(()) => {
                if !nothing_new {
                    self.watch.publish(self.head);
                }
                for (result, answer) in answers {
                    // A caller that has gone left its outcome unknown to itself only.
                    answer.send(result).ok();
                }
            }
            Err(cause) => self.fail(cause, answers),
        }
        group.clear();
        self.group = group;
    }

    /// What the engine holds now is unknown. Nothing more is written until the store is opened anew.
    fn fail(&mut self, cause: BoxError, answers: Vec<Answer>) {
        let cause = WriteFailed(cause.into());
        for (result, answer) in answers {
            let result = match result {
                // It may have been decided on what is in this group, of which nobody may know.
                Err(_) => Err(AppendError::Unavailable { cause: cause.clone().into() }),
                Ok(Appended { .. }) => {
                    Err(AppendError::OutcomeUnknown { cause: cause.clone().into() })
                }
            };
            answer.send(result).ok();
        }
        self.failed = Some(cause);
        // Readers go on with what was durable before.
        self.head = self.watch.head();
    }

    fn find(&self, id: EventId) -> Result<Option<Found>, AppendError> {
        match self.group.find(id) {
            Some(found) => Ok(Some(found)),
            None => self.engine.find(id).map_err(unreadable),
        }
    }

    fn last_version(&mut self, stream: StreamId) -> Result<Option<Version>, AppendError> {
        match self.group.versions.entry(stream) {
            Entry::Occupied(known) => Ok(*known.get()),
            Entry::Vacant(place) => {
                let last = self.engine.last_version(stream).map_err(unreadable)?;
                Ok(*place.insert(last))
            }
        }
    }
}

/// Why nothing more is written. By hand, as the cause is shared: callers get at it, whatever its type.
#[derive(Debug, Clone)]
struct WriteFailed(Arc<dyn Error + Send + Sync>);

impl fmt::Display for WriteFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a write has failed, and no more are taken until the store is opened again")
    }
}

impl Error for WriteFailed {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.0)
    }
}

type Answer = (Result<Appended, AppendError>, oneshot::Sender<Result<Appended, AppendError>>);

impl Group {
    fn find(&self, id: EventId) -> Option<Found> {
        self.envelopes.get(*self.ids.get(&id)?).map(Found::from)
    }

    /// Makes it the next one, in the same room, unless that was for an unusual one.
    fn clear(&mut self) {
        if self.envelopes.capacity() > USUAL {
            *self = Self::default();
        }
        self.envelopes.clear();
        self.ids.clear();
        self.versions.clear();
        self.bytes = 0;
    }

    fn is_full(&self) -> bool {
        self.envelopes.len() >= GROUP_EVENTS || self.bytes >= GROUP_BYTES
    }
}

impl Found {
    fn seen_as(&self, stream: StreamId, event: &NewEvent) -> StoredAt {
        let same = self.stream == stream && self.event_type == event.event_type;
        let known = if same { Known::Here } else { Known::Elsewhere };
        StoredAt::new(event.event_id, self.stream, self.version, self.position, known)
    }
}

fn unreadable(error: ReadError) -> AppendError {
    match error {
        ReadError::Unavailable { cause } => AppendError::Unavailable { cause },
        ReadError::Corrupt { position } => AppendError::Corrupt { position },
    }
}

/// A group is written when it holds this many events …
const GROUP_EVENTS: usize = 16_384;
/// … or this many bytes: what waits behind it is the next group.
const GROUP_BYTES: usize = 64 << 20;
/// So many events have the next groups room for.
const USUAL: usize = 1_024;
