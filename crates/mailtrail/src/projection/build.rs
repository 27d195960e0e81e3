//! A state built anew by all cores: the log is read in chunks, and divided by a hash of the stream.

use std::collections::BTreeMap;
use std::num::NonZero;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use mailtrail_core::projection::{ApplyError, AsOf, Parted, Projection, ReplayError};
use mailtrail_core::store::{Filter, ReadError};
use mailtrail_core::{Envelope, EventStore, Position, StreamId};
use pollster::block_on;

/// Builds a projection's state from the whole log up to its head, with several threads; says where it ends.
///
/// Each thread reads and decodes some chunks of the log, and applies the events of its own streams, in order.
/// `progress` hears how far the log was applied.
///
/// # Errors
/// [`ReplayError`]: the first event that can't be applied, or read. A panic of the projection is an event that
/// can't be applied.
///
/// # Example
/// ```
/// use mailtrail::projection::build;
/// use mailtrail::report::{BroadcastSummary, Query};
/// use mailtrail::core::projection::AsOf;
/// let store = mailtrail::memory::MemoryStore::new();
/// let threads = std::num::NonZero::new(2).unwrap();
/// let (state, _) = build(&store, &BroadcastSummary, AsOf::Now, threads, &|_| ())?;
/// assert!(state.broadcasts()?.is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn build<P>(
    store: &dyn EventStore,
    projection: &P,
    as_of: AsOf,
    threads: NonZero<usize>,
    progress: &(dyn Fn(Position) + Sync),
) -> Result<(P::State, Position), ReplayError>
where
    P: Projection,
    P::State: Parted,
{
    let head = block_on(store.head())?.position;
    let (senders, receivers): (Vec<_>, Vec<_>) = (0..threads.get()).map(|_| channel()).unzip();
    let log = Log { store, filter: projection.filter(), as_of, head };
    let shared = Shared { next: AtomicU64::new(0), failed: AtomicBool::new(false) };
    let parts: Vec<Result<P::State, ReplayError>> = thread::scope(|scope| {
        let work = |(number, inbox): (usize, Receiver<Chunk>)| {
            let (senders, log, shared) = (senders.clone(), &log, &shared);
            scope.spawn(move || {
                let part = Part { number, senders, inbox, log, shared, projection };
                let built = part.build(progress);
                if built.is_err() {
                    shared.failed.store(true, Ordering::Release);
                }
                built
            })
        };
        let threads: Vec<_> = receivers.into_iter().enumerate().map(work).collect();
        threads.into_iter().map(|thread| thread.join().unwrap_or_else(|_| Err(stopped()))).collect()
    });
    let mut states = Vec::with_capacity(parts.len());
    let mut errors = Vec::new();
    for part in parts {
        match part {
            Ok(state) => states.push(state),
            Err(error) => errors.push(error),
        }
    }
    // One thread failed, the others were stopped by it: its error says why.
    if let Some(error) = errors.into_iter().min_by_key(is_stopped) {
        return Err(error);
    }
    let state = P::State::of_parts(states).map_err(|error| ReplayError::Read(unreadable(error)))?;
    Ok((state, head))
}

/// What is read.
struct Log<'a> {
    store: &'a dyn EventStore,
    filter: Filter,
    as_of: AsOf,
    head: Position,
}

struct Shared {
    /// The next chunk that nobody reads yet.
    next: AtomicU64,
    failed: AtomicBool,
}

/// The events of one chunk, in order. An envelope is large: each part finds its own in what all of them share.
type Chunk = (u64, Arc<Vec<Envelope>>);

/// What one thread builds.
struct Part<'a, P> {
    number: usize,
    senders: Vec<Sender<Chunk>>,
    inbox: Receiver<Chunk>,
    log: &'a Log<'a>,
    shared: &'a Shared,
    projection: &'a P,
}

impl<P: Projection> Part<'_, P> {
    fn build(self, progress: &(dyn Fn(Position) + Sync)) -> Result<P::State, ReplayError> {
        let chunks = self.log.head.get().div_ceil(CHUNK);
        let mut state = P::State::default();
        let mut waiting: BTreeMap<u64, Arc<Vec<Envelope>>> = BTreeMap::new();
        let mut applied = 0;
        while applied < chunks {
            if self.shared.failed.load(Ordering::Acquire) {
                return Err(stopped());
            }
            waiting.extend(self.inbox.try_iter());
            if let Some(events) = waiting.remove(&applied) {
                self.apply(&events, &mut state)?;
                applied += 1;
                if self.number == 0 {
                    progress(Position::new((applied * CHUNK).min(self.log.head.get())));
                }
            } else if let Some(chunk) = self.claim(applied, chunks) {
                waiting.insert(chunk, self.read(chunk)?);
            } else {
                match self.inbox.recv_timeout(LOOK_AGAIN) {
                    Ok((chunk, events)) => {
                        waiting.insert(chunk, events);
                    }
                    Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
                }
            }
        }
        Ok(state)
    }

    /// A chunk that nobody reads yet, unless the readers are too far ahead of what was applied: so memory holds
    /// few chunks.
    fn claim(&self, applied: u64, chunks: u64) -> Option<u64> {
        let claims = |next: u64| (next < chunks && next < applied + AHEAD).then(|| next + 1);
        self.shared.next.fetch_update(Ordering::AcqRel, Ordering::Acquire, claims).ok()
    }

    /// Reads a chunk for all parts.
    fn read(&self, chunk: u64) -> Result<Arc<Vec<Envelope>>, ReadError> {
        let mut events = Vec::new();
        let mut at = Position::new(chunk * CHUNK);
        let end = Position::new((chunk + 1) * CHUNK).min(self.log.head);
        while at < end {
            // Everything: a filter would make the store look for its events beyond the chunk.
            let mut page = block_on(self.log.store.read_all(&Filter::all(), at, LIMIT))?;
            page.events.retain(|envelope| envelope.position <= end && self.log.wants(envelope));
            if events.is_empty() {
                events = page.events;
            } else {
                events.append(&mut page.events);
            }
            at = page.scanned_to.max(at.next());
        }
        let events = Arc::new(events);
        for (part, sender) in self.senders.iter().enumerate() {
            if part != self.number {
                // Whoever has gone has failed, and told so.
                sender.send((chunk, Arc::clone(&events))).ok();
            }
        }
        Ok(events)
    }

    /// Applies the events of this part's streams.
    fn apply(&self, events: &[Envelope], state: &mut P::State) -> Result<(), ReplayError> {
        let parts = self.senders.len();
        let own = |envelope: &&Envelope| part_of(envelope.stream, parts) == self.number;
        let events: Vec<&Envelope> = events.iter().filter(own).collect();
        for next in events.chunks(LOOK_AHEAD) {
            self.projection.look_ahead(next, state);
            for envelope in next {
                apply(self.projection, envelope, state).map_err(|cause| ReplayError::Apply {
                    position: envelope.position,
                    event: envelope.event.event_id,
                    cause,
                })?;
            }
        }
        Ok(())
    }
}

impl Log<'_> {
    fn wants(&self, envelope: &Envelope) -> bool {
        self.filter.matches(envelope.stream, &envelope.event.event_type)
            && self.as_of.admits(envelope)
    }
}

/// Applies an event. A panic is an event that can't be applied; the state is then of no use.
pub(crate) fn apply<P: Projection>(
    projection: &P,
    envelope: &Envelope,
    state: &mut P::State,
) -> Result<(), ApplyError> {
    catch_unwind(AssertUnwindSafe(|| projection.apply(envelope, state))).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<&str>().copied();
        let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
        Err(ApplyError::new(format!("the projection panicked: {}", text.unwrap_or("no message"))))
    })
}

/// By other bits of the id than the tables use, or a part's entries would crowd in few of its table's places.
fn part_of(stream: StreamId, parts: usize) -> usize {
    let [.., a, b, c, d] = *stream.id();
    let mixed = u32::from_le_bytes([a, b, c, d]).wrapping_mul(0x9e37_79b1) >> 16;
    usize::try_from(mixed).unwrap_or(0) % parts.max(1)
}

fn stopped() -> ReplayError {
    ReplayError::Read(ReadError::Unavailable { cause: STOPPED.into() })
}

fn is_stopped(error: &ReplayError) -> bool {
    match error {
        ReplayError::Read(ReadError::Unavailable { cause }) => cause.to_string() == STOPPED,
        _ => false,
    }
}

fn unreadable(error: impl std::error::Error + Send + Sync + 'static) -> ReadError {
    ReadError::Unavailable { cause: error.into() }
}

const STOPPED: &str = "another thread of the build has failed";
/// Positions read at once by one thread.
const CHUNK: u64 = 4_096;
const LIMIT: usize = 4_096;
/// Events that a state is told of before they are applied: what they need fits into the nearest cache.
const LOOK_AHEAD: usize = 64;
/// How many chunks may be read before the oldest of them is applied.
const AHEAD: u64 = 6;
const LOOK_AGAIN: Duration = Duration::from_millis(20);
