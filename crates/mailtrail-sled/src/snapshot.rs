//! A kept state as it was at one moment, while others save newer ones.
//!
//! sled has no snapshots. So whoever saves notes first, for each snapshot that somebody still reads, what was there
//! before. A reader looks into the tree first and at those notes then: what is not noted by then was read before it
//! was overwritten.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use bytes::Bytes;
use mailtrail_core::projection::{Checkpoint, Entry, StateError, StateId, StateSnapshot};

use crate::read::Reads;
use crate::states::{scan, value};

/// The snapshots that are read.
#[derive(Debug, Default)]
pub(crate) struct Snapshots(Mutex<Vec<(StateId, Weak<Before>)>>);

/// What was there when the snapshot was taken, of what was overwritten since.
#[derive(Debug, Default)]
pub(crate) struct Before(Mutex<Notes>);

#[derive(Debug, Default)]
struct Notes {
    entries: BTreeMap<Bytes, Option<Bytes>>,
    bytes: usize,
    /// Too much was overwritten, or all of it discarded.
    lost: bool,
}

impl Snapshots {
    /// One more, of a state as it is now. Nobody may save meanwhile.
    pub(crate) fn take(&self, reads: &Reads, state: &StateId, checkpoint: Checkpoint) -> Snapshot {
        let before = Arc::new(Before::default());
        self.alive().push((state.clone(), Arc::downgrade(&before)));
        Snapshot { reads: reads.clone(), state: state.clone(), checkpoint, before }
    }

    /// Notes what is there before these entries are overwritten.
    pub(crate) fn note(
        &self,
        reads: &Reads,
        state: &StateId,
        entries: &[Entry],
    ) -> Result<(), StateError> {
        let of_state = self.of(|id| id == state);
        for entry in entries {
            let mut old = None;
            for before in &of_state {
                let mut notes = before.notes();
                if notes.lost || notes.entries.contains_key(&entry.key) {
                    continue;
                }
                let old = match &old {
                    Some(old) => old,
                    None => old.insert(value(reads, state, &entry.key)?),
                };
                notes.add(entry.key.clone(), old.clone());
            }
        }
        Ok(())
    }

    /// Those of these states are of no use any more.
    pub(crate) fn lose(&self, which: impl Fn(&StateId) -> bool) {
        for before in self.of(which) {
            *before.notes() = Notes { lost: true, ..Notes::default() };
        }
    }

    fn of(&self, which: impl Fn(&StateId) -> bool) -> Vec<Arc<Before>> {
        let alive = self.alive();
        alive
            .iter()
            .filter(|(id, _)| which(id))
            .filter_map(|(_, before)| before.upgrade())
            .collect()
    }

    fn alive(&self) -> MutexGuard<'_, Vec<(StateId, Weak<Before>)>> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|(_, before)| before.strong_count() > 0);
        all
    }
}

impl Before {
    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Notes {
    fn add(&mut self, key: Bytes, old: Option<Bytes>) {
        let value = old.as_ref().map_or(0, Bytes::len);
        self.bytes = self.bytes.saturating_add(key.len()).saturating_add(value);
        self.entries.insert(key, old);
        if self.bytes > MOST_BYTES {
            *self = Self { lost: true, ..Self::default() };
        }
    }

    fn there(&self) -> Result<&BTreeMap<Bytes, Option<Bytes>>, StateError> {
        if self.lost { Err(StateError::Moved) } else { Ok(&self.entries) }
    }
}

/// A state as it was.
#[derive(Debug)]
pub(crate) struct Snapshot {
    reads: Reads,
    state: StateId,
    checkpoint: Checkpoint,
    before: Arc<Before>,
}

impl StateSnapshot for Snapshot {
    fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, StateError> {
        let read = value(&self.reads, &self.state, key);
        let notes = self.before.notes();
        notes.there()?.get(key).map_or(read, |old| Ok(old.clone()))
    }

    fn scan(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Entry>, StateError> {
        let mut after = after.map(Bytes::copy_from_slice);
        loop {
            let read = scan(&self.reads, &self.state, prefix, after.as_deref(), limit);
            let notes = self.before.notes();
            let entries = notes.there()?;
            let read = read?;
            let Some(last) = read.last() else { return Ok(read) };
            after = Some(last.key.clone());
            let as_it_was = |entry: Entry| match entries.get(&entry.key) {
                Some(old) => old.clone().map(|value| Entry { key: entry.key, value }),
                None => Some(entry),
            };
            let page: Vec<Entry> = read.into_iter().filter_map(as_it_was).collect();
            // None means the end, and all of these may be new.
            if !page.is_empty() {
                return Ok(page);
            }
        }
    }
}

/// How much may be overwritten while a snapshot is read.
const MOST_BYTES: usize = 64 << 20;
