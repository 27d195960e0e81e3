//! What was saved last, in memory: what is overwritten again and again is written to the database once in a while.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;

/// Values by their whole keys. A clone is as it was, and costs nothing until there are changes.
#[derive(Debug, Clone, Default)]
pub(super) struct Overlay {
    values: Arc<BTreeMap<Bytes, Bytes>>,
    bytes: usize,
}

impl Overlay {
    pub(super) fn get(&self, key: &[u8]) -> Option<Bytes> {
        self.values.get(key).cloned()
    }

    pub(super) fn insert(&mut self, key: Bytes, value: Bytes) {
        self.bytes = self.bytes.saturating_add(key.len()).saturating_add(value.len());
        Arc::make_mut(&mut self.values).insert(key, value);
    }

    /// Takes out what begins so.
    pub(super) fn remove(&mut self, prefix: &[u8]) {
        Arc::make_mut(&mut self.values).retain(|key, _| !key.starts_with(prefix));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Whether it should be written by now.
    pub(super) fn is_full(&self) -> bool {
        self.values.len() >= MOST_ENTRIES || self.bytes >= MOST_BYTES
    }

    pub(super) fn all(&self) -> impl Iterator<Item = (Bytes, Bytes)> + '_ {
        self.values.iter().map(|(key, value)| (key.clone(), value.clone()))
    }

    /// Entries in order from a key on, as long as their keys begin so: these, and the others where these have none.
    pub(super) fn merge<E>(
        &self,
        from: &[u8],
        begins: &[u8],
        limit: usize,
        mut others: impl FnMut() -> Result<Option<(Bytes, Bytes)>, E>,
    ) -> Result<Vec<(Bytes, Bytes)>, E> {
        let range = (Bound::Included(from), Bound::Unbounded);
        let mut ours = self.values.range::<[u8], _>(range).peekable();
        let mut next = others()?;
        let mut found = Vec::new();
        while found.len() < limit {
            let our = ours.peek().filter(|(key, _)| key.starts_with(begins)).copied();
            let theirs = next.as_ref().filter(|(key, _)| key.starts_with(begins));
            match (our, theirs) {
                (None, None) => break,
                (Some((key, value)), theirs) if theirs.is_none_or(|(their, _)| key <= their) => {
                    if theirs.is_some_and(|(their, _)| their == key) {
                        next = others()?;
                    }
                    found.push((key.clone(), value.clone()));
                    ours.next();
                }
                _ => {
                    found.extend(next.take());
                    next = others()?;
                }
            }
        }
        Ok(found)
    }
}

/// A copy of so many is made where a snapshot is held while others save: a few milliseconds.
const MOST_ENTRIES: usize = 16_384;
const MOST_BYTES: usize = 16 << 20;
