//! The states of projections, and places in the log, in memory.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use mailtrail_core::projection::{
    Checkpoint, CheckpointError, CheckpointStore, Entry, StateError, StateId, StateSnapshot,
    StateStore, checked_name,
};

/// States in memory: gone with the process.
///
/// ```
/// use mailtrail_core::projection::{Checkpoint, Entry, StateId, StateStore};
/// let (states, id) = (mailtrail_memory::MemoryStates::default(), StateId::new("counts", 1));
/// let entry = Entry { key: "opened".into(), value: "7".into() };
/// states.save(&id, None, vec![entry], &Checkpoint::default())?;
/// assert_eq!(states.get(&id, b"opened")?.as_deref(), Some(&b"7"[..]));
/// # Ok::<(), mailtrail_core::projection::StateError>(())
/// ```
#[derive(Debug, Default)]
pub struct MemoryStates(Mutex<BTreeMap<StateId, Arc<Held>>>);

#[derive(Debug, Clone, Default)]
struct Held {
    checkpoint: Checkpoint,
    entries: BTreeMap<Bytes, Bytes>,
}

impl MemoryStates {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<StateId, Arc<Held>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl StateStore for MemoryStates {
    fn states(&self) -> Result<Vec<(StateId, Checkpoint)>, StateError> {
        let held = self.lock();
        Ok(held.iter().map(|(id, held)| (id.clone(), held.checkpoint.clone())).collect())
    }

    fn checkpoint(&self, state: &StateId) -> Result<Option<Checkpoint>, StateError> {
        Ok(self.lock().get(state).map(|held| held.checkpoint.clone()))
    }

    fn get(&self, state: &StateId, key: &[u8]) -> Result<Option<Bytes>, StateError> {
        self.lock().get(state).map_or(Ok(None), |held| held.get(key))
    }

    fn scan(
        &self,
        state: &StateId,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Entry>, StateError> {
        self.lock().get(state).map_or(Ok(Vec::new()), |held| held.scan(prefix, after, limit))
    }

    fn snapshot(&self, state: &StateId) -> Result<Option<Arc<dyn StateSnapshot>>, StateError> {
        let held = self.lock().get(state).cloned();
        Ok(held.map(|held| held as Arc<dyn StateSnapshot>))
    }

    fn save(
        &self,
        state: &StateId,
        from: Option<&Checkpoint>,
        entries: Vec<Entry>,
        to: &Checkpoint,
    ) -> Result<(), StateError> {
        let mut all = self.lock();
        if all.get(state).map(|held| &held.checkpoint) != from {
            return Err(StateError::Moved);
        }
        // Where a snapshot of it is read, this is another one from here on.
        let held = Arc::make_mut(all.entry(state.clone()).or_default());
        held.checkpoint = to.clone();
        held.entries.extend(entries.into_iter().map(|entry| (entry.key, entry.value)));
        Ok(())
    }

    fn discard(&self, state: &StateId) -> Result<(), StateError> {
        self.lock().remove(state);
        Ok(())
    }

    fn discard_all(&self) -> Result<(), StateError> {
        self.lock().clear();
        Ok(())
    }
}

impl StateSnapshot for Held {
    fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, StateError> {
        Ok(self.entries.get(key).cloned())
    }

    fn scan(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Entry>, StateError> {
        let from = after.map_or_else(|| prefix.to_vec(), |after| [after, &[0]].concat());
        let entries = self.entries.range(Bytes::from(from)..);
        let begins = entries.take_while(|(key, _)| key.starts_with(prefix)).take(limit.max(1));
        Ok(begins.map(|(key, value)| Entry { key: key.clone(), value: value.clone() }).collect())
    }
}

/// Places in the log, in memory: gone with the process.
#[derive(Debug, Default)]
pub struct MemoryCheckpoints(Mutex<BTreeMap<Box<str>, Checkpoint>>);

impl CheckpointStore for MemoryCheckpoints {
    fn load(&self, name: &str) -> Result<Option<Checkpoint>, CheckpointError> {
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(held.get(checked_name(name)?).cloned())
    }

    fn save(&self, name: &str, checkpoint: &Checkpoint) -> Result<(), CheckpointError> {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.insert(checked_name(name)?.into(), checkpoint.clone());
        Ok(())
    }
}
