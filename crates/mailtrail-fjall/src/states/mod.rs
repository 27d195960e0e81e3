//! The states of projections, in a folder of their own beside the events.
//!
//! | key | value |
//! |---|---|
//! | name, 0, revision u32, `c` | checkpoint, JSON |
//! | name, 0, revision u32, `e`, key | value |

mod overlay;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use bytes::Bytes;
use fjall::Readable;
use mailtrail_core::projection::{
    Checkpoint, Entry, StateError, StateId, StateSnapshot, StateStore,
};
use mailtrail_core::store::OpenError;

use self::overlay::Overlay;
use crate::engine::{self, guarded};

/// States in a folder; by custom `projections` in the store's, whose lock holds for it too.
///
/// # Guarantees
/// A step that was saved is whole after a crash, or not there: then the state is the older one, and catches up.
/// Nothing here is durable by itself, as everything can be built anew; a folder that can't be read is emptied.
/// What was saved last is in memory, and is written when it is 16,384 entries or 16 MiB, or when the states are dropped:
/// a crash loses it, no more. A snapshot stays what it is however much is saved meanwhile.
///
/// # Example
/// ```
/// use mailtrail_core::projection::{Checkpoint, StateId, StateStore};
/// let folder = tempfile::tempdir()?;
/// let states = mailtrail_fjall::FjallStates::open(folder.path().join("projections"))?;
/// states.save(&StateId::new("counts", 1), None, Vec::new(), &Checkpoint::default())?;
/// assert_eq!(states.states()?.len(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct FjallStates {
    open: Arc<RwLock<Option<Open>>>,
    path: PathBuf,
    /// Held while a step compares and writes.
    saving: Mutex<()>,
}

/// The database. No handle of it outlives the lock's guard, so that it can be closed.
struct Open {
    entries: fjall::Keyspace,
    database: fjall::Database,
    overlay: Mutex<Overlay>,
    /// How often all was discarded before.
    times: u64,
}

impl FjallStates {
    /// In this folder, which is made if it isn't there.
    ///
    /// # Errors
    /// [`OpenError::Io`] if the operating system refuses.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, OpenError> {
        let path = path.into();
        let open = Arc::new(RwLock::new(Some(open(&path, 0)?)));
        Ok(Self { open, path, saving: Mutex::new(()) })
    }

    fn lock(&self) -> MutexGuard<'_, ()> {
        self.saving.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with<T>(&self, call: impl FnOnce(&Open) -> Result<T, StateError>) -> Result<T, StateError> {
        let open = self.open.read().unwrap_or_else(PoisonError::into_inner);
        call(open.as_ref().ok_or_else(closed)?)
    }

    fn value(&self, key: &[u8]) -> Result<Option<Bytes>, StateError> {
        self.with(|open| match open.overlay().get(key) {
            // First here, then there: what is written meanwhile is in both.
            Some(value) => Ok(Some(value)),
            None => Ok(guarded(|| open.entries.get(key))?.map(Bytes::from)),
        })
    }
}

impl Drop for FjallStates {
    fn drop(&mut self) {
        // What can't be written now is built anew.
        self.with(Open::write_overlay).ok();
    }
}

impl Open {
    fn overlay(&self) -> MutexGuard<'_, Overlay> {
        self.overlay.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes what is in memory into tables of its own, all of it or nothing: what is in the journal would be read again
    /// at each opening. Nobody may save meanwhile.
    fn write_overlay(&self) -> Result<(), StateError> {
        let overlay = self.overlay().clone();
        if overlay.is_empty() {
            return Ok(());
        }
        guarded(|| {
            let mut ingestion = self.entries.start_ingestion()?;
            for (key, value) in overlay.all() {
                ingestion.write(&key[..], &value[..])?;
            }
            ingestion.finish()
        })?;
        *self.overlay() = Overlay::default();
        Ok(())
    }

    /// Removes what begins so.
    fn remove(&self, prefix: &[u8]) -> Result<(), StateError> {
        loop {
            let keys = guarded(|| {
                self.entries
                    .prefix(prefix)
                    .take(STEP)
                    .map(fjall::Guard::key)
                    .collect::<Result<Vec<_>, _>>()
            })?;
            if keys.is_empty() {
                return Ok(());
            }
            let mut batch = self.database.batch();
            for key in keys {
                batch.remove(&self.entries, key);
            }
            guarded(|| batch.commit())?;
        }
    }
}

impl fmt::Debug for Open {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Open").field("times", &self.times).finish_non_exhaustive()
    }
}

impl StateStore for FjallStates {
    fn states(&self) -> Result<Vec<(StateId, Checkpoint)>, StateError> {
        let mut states = Vec::new();
        let mut from = Vec::new();
        // From state to state: each one's checkpoint comes before its entries.
        loop {
            let next = |open: &Open| {
                let overlay = open.overlay().clone();
                scanned(&overlay, open.entries.range(from.clone()..), &from, &[], 1)
            };
            let Some((key, _)) = self.with(next)?.pop() else { return Ok(states) };
            let id = state_of(&key).ok_or_else(|| corrupt("a key is none of ours"))?;
            states.extend(self.checkpoint(&id)?.map(|at| (id.clone(), at)));
            from = state_prefix(&id);
            from.push(ENTRY.saturating_add(1));
        }
    }

    fn checkpoint(&self, state: &StateId) -> Result<Option<Checkpoint>, StateError> {
        self.value(&checkpoint_key(state))?.map(|bytes| read(&bytes)).transpose()
    }

    fn get(&self, state: &StateId, key: &[u8]) -> Result<Option<Bytes>, StateError> {
        self.value(&entry_key(state, key))
    }

    fn scan(
        &self,
        state: &StateId,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Entry>, StateError> {
        self.with(|open| {
            let (from, begins) = range(state, prefix, after);
            let overlay = open.overlay().clone();
            let entries = open.entries.range(from.clone()..);
            Ok(named(state, scanned(&overlay, entries, &from, &begins, limit)?))
        })
    }

    fn snapshot(&self, state: &StateId) -> Result<Option<Arc<dyn StateSnapshot>>, StateError> {
        let of = state.clone();
        let shared = Arc::clone(&self.open);
        self.with(|open| {
            let (overlay, snapshot) = {
                // At one moment: whoever saves changes the one, whoever writes has written the other before.
                let overlay = open.overlay();
                (overlay.clone(), open.database.snapshot())
            };
            let key = checkpoint_key(state);
            let checkpoint = match overlay.get(&key) {
                Some(checkpoint) => Some(checkpoint),
                None => guarded(|| snapshot.get(&open.entries, key))?.map(Bytes::from),
            };
            let times = open.times;
            let take = |checkpoint| -> Arc<dyn StateSnapshot> {
                let (open, state) = (shared, of);
                Arc::new(Snapshot { open, times, overlay, entries: snapshot, state, checkpoint })
            };
            checkpoint.map(|bytes| read(&bytes).map(take)).transpose()
        })
    }

    fn save(
        &self,
        state: &StateId,
        from: Option<&Checkpoint>,
        entries: Vec<Entry>,
        to: &Checkpoint,
    ) -> Result<(), StateError> {
        let _held = self.lock();
        if self.checkpoint(state)?.as_ref() != from {
            return Err(StateError::Moved);
        }
        let checkpoint = serde_json::to_vec(to);
        let checkpoint =
            checkpoint.map_err(|error| StateError::Unwritable { cause: error.into() })?;
        self.with(|open| {
            let is_full = {
                let mut overlay = open.overlay();
                for entry in entries {
                    overlay.insert(entry_key(state, &entry.key).into(), entry.value);
                }
                overlay.insert(checkpoint_key(state).into(), checkpoint.into());
                overlay.is_full()
            };
            if is_full { open.write_overlay() } else { Ok(()) }
        })
    }

    fn discard(&self, state: &StateId) -> Result<(), StateError> {
        let _held = self.lock();
        self.with(|open| {
            open.overlay().remove(&state_prefix(state));
            // The checkpoint goes first: what is left then is no state.
            let mut batch = open.database.batch();
            batch.remove(&open.entries, checkpoint_key(state));
            guarded(|| batch.commit())?;
            open.remove(&state_prefix(state))
        })
    }

    fn discard_all(&self) -> Result<(), StateError> {
        let _held = self.lock();
        let mut held = self.open.write().unwrap_or_else(PoisonError::into_inner);
        let times = held.take().map_or(0, |open| open.times.saturating_add(1));
        let unavailable = |cause| StateError::Unavailable { cause };
        engine::throw_away(&self.path).map_err(|error| unavailable(error.into()))?;
        *held = Some(open(&self.path, times).map_err(|error| unavailable(error.into()))?);
        Ok(())
    }
}

/// A state as it was.
struct Snapshot {
    open: Arc<RwLock<Option<Open>>>,
    /// Of this database: it is of no use once all was discarded.
    times: u64,
    overlay: Overlay,
    entries: fjall::Snapshot,
    state: StateId,
    checkpoint: Checkpoint,
}

impl Snapshot {
    fn with<T>(&self, call: impl FnOnce(&Open) -> Result<T, StateError>) -> Result<T, StateError> {
        let open = self.open.read().unwrap_or_else(PoisonError::into_inner);
        let open = open.as_ref().ok_or_else(closed)?;
        if open.times == self.times { call(open) } else { Err(StateError::Moved) }
    }
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot").field("state", &self.state).finish_non_exhaustive()
    }
}

impl StateSnapshot for Snapshot {
    fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, StateError> {
        let key = entry_key(&self.state, key);
        self.with(|open| match self.overlay.get(&key) {
            Some(value) => Ok(Some(value)),
            None => Ok(guarded(|| self.entries.get(&open.entries, key))?.map(Bytes::from)),
        })
    }

    fn scan(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Entry>, StateError> {
        self.with(|open| {
            let (from, begins) = range(&self.state, prefix, after);
            let entries = self.entries.range(&open.entries, from.clone()..);
            Ok(named(&self.state, scanned(&self.overlay, entries, &from, &begins, limit)?))
        })
    }
}

/// Opens the folder; one that can't be read is emptied, as all of it can be built anew.
fn open(path: &Path, times: u64) -> Result<Open, OpenError> {
    let attempt = || -> Result<Open, OpenError> {
        let keyspace = |database: &fjall::Database| engine::keyspace(database, "states");
        let (database, entries) = engine::open(path, CACHE_BYTES, keyspace)?;
        Ok(Open { entries, database, overlay: Mutex::default(), times })
    };
    match attempt() {
        Err(OpenError::Corrupt { .. }) => {
            engine::throw_away(path).map_err(OpenError::Io)?;
            attempt()
        }
        opened => opened,
    }
}

/// Where a scan begins, and how its keys do.
fn range(state: &StateId, prefix: &[u8], after: Option<&[u8]>) -> (Vec<u8>, Vec<u8>) {
    let begins = entry_key(state, prefix);
    let behind = |after| {
        let mut from = entry_key(state, after);
        from.push(0);
        from.max(begins.clone())
    };
    (after.map_or_else(|| begins.clone(), behind), begins)
}

fn scanned(
    overlay: &Overlay,
    mut entries: fjall::Iter,
    from: &[u8],
    begins: &[u8],
    limit: usize,
) -> Result<Vec<(Bytes, Bytes)>, StateError> {
    overlay.merge(from, begins, limit.max(1), || {
        let next = guarded(|| entries.next().map(fjall::Guard::into_inner).transpose())?;
        Ok(next.map(|(key, value)| (key.into(), value.into())))
    })
}

/// Entries by their own keys.
fn named(state: &StateId, found: Vec<(Bytes, Bytes)>) -> Vec<Entry> {
    let own = entry_key(state, &[]).len();
    let entry = |(mut key, value): (Bytes, Bytes)| Entry { key: key.split_off(own), value };
    found.into_iter().map(entry).collect()
}

fn state_prefix(state: &StateId) -> Vec<u8> {
    let mut key = state.name.as_bytes().to_vec();
    key.push(0);
    key.extend_from_slice(&state.revision.to_be_bytes());
    key
}

fn checkpoint_key(state: &StateId) -> Vec<u8> {
    let mut key = state_prefix(state);
    key.push(CHECKPOINT);
    key
}

fn entry_key(state: &StateId, of: &[u8]) -> Vec<u8> {
    let mut key = state_prefix(state);
    key.push(ENTRY);
    key.extend_from_slice(of);
    key
}

fn state_of(key: &[u8]) -> Option<StateId> {
    let end = key.iter().position(|byte| *byte == 0)?;
    let (name, rest) = key.split_at_checked(end)?;
    let revision = rest.get(1..)?.first_chunk::<4>()?;
    let name = std::str::from_utf8(name).ok()?;
    Some(StateId::new(name, u32::from_be_bytes(*revision)))
}

fn read(bytes: &[u8]) -> Result<Checkpoint, StateError> {
    serde_json::from_slice(bytes).map_err(|error| StateError::Corrupt { cause: error.into() })
}

fn corrupt(what: &str) -> StateError {
    StateError::Corrupt { cause: what.into() }
}

fn closed() -> StateError {
    let cause = "they could not be discarded as a whole: open the store again";
    StateError::Unavailable { cause: cause.into() }
}

const CHECKPOINT: u8 = b'c';
const ENTRY: u8 = b'e';
const CACHE_BYTES: u64 = 64 << 20;
/// Entries removed at once.
const STEP: usize = 4_096;
