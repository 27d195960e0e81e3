//! The states of projections, in a folder of their own beside the log.
//!
//! | key | value |
//! |---|---|
//! | name, 0, revision u32, `c` | checkpoint, JSON |
//! | name, 0, revision u32, `e`, key | value |
//!
//! Each value stands behind the CRC32C of its whole key and itself.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use mailtrail_core::projection::{
    Checkpoint, Entry, StateError, StateId, StateSnapshot, StateStore,
};
use mailtrail_core::store::{BoxError, OpenError};

use crate::read::{Reads, guarded_open};
use crate::snapshot::Snapshots;

/// States in a folder; by custom `projections` in the store's, whose lock holds for it too.
///
/// # Guarantees
/// A step that was saved is whole after a crash, or not there: then the state is the older one, and catches up.
/// Nothing here is durable by itself, as everything can be built anew; a folder that can't be read is emptied.
///
/// # Example
/// ```
/// use mailtrail_core::projection::{Checkpoint, StateId, StateStore};
/// let folder = tempfile::tempdir()?;
/// let states = mailtrail_sled::SledStates::open(folder.path().join("projections"))?;
/// states.save(&StateId::new("counts", 1), None, Vec::new(), &Checkpoint::default())?;
/// assert_eq!(states.states()?.len(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct SledStates {
    reads: Reads,
    path: PathBuf,
    /// Held while a step compares and writes: when the last one went to the disk.
    flushed: Mutex<Instant>,
    snapshots: Snapshots,
}

impl SledStates {
    /// In this folder, which is made if it isn't there.
    ///
    /// # Errors
    /// [`OpenError::Io`] if the operating system refuses.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, OpenError> {
        let path = path.into();
        let db = open(&path)?;
        let (reads, flushed) = (Reads::new(db), Mutex::new(Instant::now()));
        Ok(Self { reads, path, flushed, snapshots: Snapshots::default() })
    }

    fn lock(&self) -> MutexGuard<'_, Instant> {
        self.flushed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn value(&self, key: &[u8]) -> Result<Option<Bytes>, StateError> {
        checked_value(&self.reads, key)
    }

    /// Removes what begins so.
    fn remove(&self, prefix: &[u8]) -> Result<(), StateError> {
        loop {
            let page = self.reads.scan(prefix, prefix, STEP)?;
            if page.is_empty() {
                return Ok(());
            }
            let (mut batch, entries) = (sled::Batch::default(), page.len());
            for (key, _) in page {
                batch.remove(key);
            }
            self.reads.apply_soon(batch, entries)?;
        }
    }
}

impl StateStore for SledStates {
    fn states(&self) -> Result<Vec<(StateId, Checkpoint)>, StateError> {
        let mut states = Vec::new();
        let mut from = Vec::new();
        // From state to state: each one's checkpoint comes before its entries.
        while let Some((key, _)) = self.reads.scan(&from, &[], 1)?.pop() {
            let id = state_of(&key).ok_or_else(|| corrupt("a key is none of ours"))?;
            let key = checkpoint_key(&id);
            let checkpoint = self.value(&key)?;
            states.extend(
                checkpoint.map(|bytes| read(&bytes).map(|at| (id.clone(), at))).transpose()?,
            );
            from = state_prefix(&id);
            from.push(ENTRY.saturating_add(1));
        }
        Ok(states)
    }

    fn checkpoint(&self, state: &StateId) -> Result<Option<Checkpoint>, StateError> {
        self.value(&checkpoint_key(state))?.map(|bytes| read(&bytes)).transpose()
    }

    fn get(&self, state: &StateId, key: &[u8]) -> Result<Option<Bytes>, StateError> {
        value(&self.reads, state, key)
    }

    fn scan(
        &self,
        state: &StateId,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Entry>, StateError> {
        scan(&self.reads, state, prefix, after, limit)
    }

    fn snapshot(&self, state: &StateId) -> Result<Option<Arc<dyn StateSnapshot>>, StateError> {
        let _held = self.lock();
        let take = |at| -> Arc<dyn StateSnapshot> {
            Arc::new(self.snapshots.take(&self.reads, state, at))
        };
        Ok(self.checkpoint(state)?.map(take))
    }

    fn save(
        &self,
        state: &StateId,
        from: Option<&Checkpoint>,
        entries: Vec<Entry>,
        to: &Checkpoint,
    ) -> Result<(), StateError> {
        let mut flushed = self.lock();
        if self.checkpoint(state)?.as_ref() != from {
            return Err(StateError::Moved);
        }
        self.snapshots.note(&self.reads, state, &entries)?;
        let mut batch = sled::Batch::default();
        let mut insert = |key: Vec<u8>, value: &[u8]| {
            let summed = summed(&key, value);
            batch.insert(key, summed);
        };
        for entry in &entries {
            insert(entry_key(state, &entry.key), &entry.value);
        }
        let checkpoint = serde_json::to_vec(to);
        let checkpoint =
            checkpoint.map_err(|error| StateError::Unwritable { cause: error.into() })?;
        insert(checkpoint_key(state), &checkpoint);
        let count = entries.len().saturating_add(1);
        // What comes in quick steps goes to the disk together: sled's own thread for it would keep the folder
        // locked for a while after it is closed.
        if flushed.elapsed() < FLUSH_EVERY {
            return Ok(self.reads.apply_soon(batch, count)?);
        }
        self.reads.apply(batch, count)?;
        *flushed = Instant::now();
        Ok(())
    }

    fn discard(&self, state: &StateId) -> Result<(), StateError> {
        let _held = self.lock();
        self.snapshots.lose(|id| id == state);
        // The checkpoint goes first: what is left then is no state.
        let mut batch = sled::Batch::default();
        batch.remove(checkpoint_key(state));
        self.reads.apply_soon(batch, 1)?;
        self.remove(&state_prefix(state))
    }

    fn discard_all(&self) -> Result<(), StateError> {
        let _held = self.lock();
        self.snapshots.lose(|_| true);
        self.reads
            .replace(|| {
                fs::remove_dir_all(&self.path)?;
                open(&self.path).map_err(BoxError::from)
            })
            .map_err(|cause: BoxError| StateError::Unavailable { cause })
    }
}

/// The value of an entry.
pub(crate) fn value(
    reads: &Reads,
    state: &StateId,
    key: &[u8],
) -> Result<Option<Bytes>, StateError> {
    checked_value(reads, &entry_key(state, key))
}

/// Entries of a state, as of [`StateStore::scan`].
pub(crate) fn scan(
    reads: &Reads,
    state: &StateId,
    prefix: &[u8],
    after: Option<&[u8]>,
    limit: usize,
) -> Result<Vec<Entry>, StateError> {
    let begins = entry_key(state, prefix);
    let from = after.map_or_else(
        || begins.clone(),
        |after| {
            let mut from = entry_key(state, after);
            from.push(0);
            from
        },
    );
    let own = entry_key(state, &[]).len();
    let page = reads.scan(&from, &begins, limit.max(1))?;
    let entry = |(key, value): (sled::IVec, sled::IVec)| {
        let value = checked(&key, &value)?;
        let key = Bytes::copy_from_slice(key.get(own..).unwrap_or_default());
        Ok(Entry { key, value })
    };
    page.into_iter().map(entry).collect()
}

fn checked_value(reads: &Reads, key: &[u8]) -> Result<Option<Bytes>, StateError> {
    reads.value(key)?.map(|value| checked(key, &value)).transpose()
}

/// Opens the folder; one that can't be read is emptied, as all of it can be built anew.
fn open(path: &Path) -> Result<sled::Db, OpenError> {
    let config = || {
        let config = sled::Config::new().path(path).cache_capacity(CACHE_BYTES);
        config.flush_every_ms(None).mode(sled::Mode::HighThroughput)
    };
    match guarded_open(&config()) {
        Err(OpenError::Corrupt { .. }) => {
            fs::remove_dir_all(path).map_err(OpenError::Io)?;
            guarded_open(&config())
        }
        opened => opened,
    }
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

fn summed(key: &[u8], value: &[u8]) -> Vec<u8> {
    let sum = crc32c::crc32c_append(crc32c::crc32c(key), value);
    let mut summed = sum.to_be_bytes().to_vec();
    summed.extend_from_slice(value);
    summed
}

fn checked(key: &[u8], summed: &[u8]) -> Result<Bytes, StateError> {
    let whole = summed.split_first_chunk::<4>().filter(|(sum, value)| {
        crc32c::crc32c_append(crc32c::crc32c(key), value) == u32::from_be_bytes(**sum)
    });
    let (_, value) = whole.ok_or_else(|| corrupt("an entry has not its checksum"))?;
    Ok(Bytes::copy_from_slice(value))
}

fn read(bytes: &[u8]) -> Result<Checkpoint, StateError> {
    serde_json::from_slice(bytes).map_err(|error| StateError::Corrupt { cause: error.into() })
}

fn corrupt(what: &str) -> StateError {
    StateError::Corrupt { cause: what.into() }
}

const CHECKPOINT: u8 = b'c';
const ENTRY: u8 = b'e';
const CACHE_BYTES: u64 = 64 << 20;
const FLUSH_EVERY: Duration = Duration::from_secs(1);
/// Entries removed at once.
const STEP: usize = 4_096;
