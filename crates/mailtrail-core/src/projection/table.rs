//! Entries by key: in memory, or read from where they are kept when they are asked for.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;
use std::hash::{BuildHasher, Hash};
use std::hint::black_box;
use std::iter::Peekable;
use std::vec::IntoIter;

use bytes::Bytes;
use hashbrown::HashTable;
use smallvec::SmallVec;

use super::state::{Emit, Entry, Pages};
use super::state_store::StateError;
use crate::fold::ById;
use crate::lattice::Join;

/// What the entries of a [`Table`] are found by.
pub trait TableKey: Eq + Hash + Send {
    /// Its bytes, which end where another key's begin.
    fn write(&self, out: &mut Vec<u8>);
}

/// What the entries of a [`Table`] hold.
pub trait TableValue: Clone + Default + Send {
    /// Its bytes: equal values have equal ones.
    ///
    /// # Errors
    /// [`StateError::Unwritable`].
    fn encode(&self) -> Result<Vec<u8>, StateError>;

    /// The value of these bytes.
    ///
    /// # Errors
    /// [`StateError::Corrupt`].
    fn decode(bytes: &[u8]) -> Result<Self, StateError>;
}

/// Entries by key, a part of a projection's state.
///
/// Without pages everything is in memory: an entry takes its own size and at most 12 bytes. With pages an
/// entry is read when it is asked for, and what has changed is in memory until it is taken away to be saved.
///
/// ```
/// use mailtrail_core::projection::Table;
/// use mailtrail_core::{DeliveryId, Status};
/// let ann = DeliveryId::from_bytes([1; 16]);
/// let mut statuses: Table<DeliveryId, Status> = Table::new(b's');
/// *statuses.get_mut(&ann)? = Status::Delivered;
/// assert_eq!(statuses.get(&ann)?.as_deref(), Some(&Status::Delivered));
/// # Ok::<(), mailtrail_core::projection::StateError>(())
/// ```
pub struct Table<K, V> {
    tag: u8,
    entries: Entries<(K, V)>,
    index: HashTable<u32>,
    pages: Option<Pages>,
    /// Which entries the pages don't have yet; not counted without pages.
    changed: HashSet<u32>,
}

impl<K: TableKey + Clone, V: TableValue> Table<K, V> {
    /// An empty table. Tables of one state have different tags.
    pub fn new(tag: u8) -> Self {
        let (entries, index) = (Entries(Vec::new()), HashTable::new());
        Self { tag, entries, index, pages: None, changed: HashSet::new() }
    }

    /// A table whose entries are read from pages.
    pub fn attached(tag: u8, pages: &Pages) -> Self {
        Self { pages: Some(pages.clone()), ..Self::new(tag) }
    }

    /// The value of a key.
    ///
    /// # Errors
    /// [`StateError`] if it has to be read, and can't be.
    pub fn get(&self, key: &K) -> Result<Option<Cow<'_, V>>, StateError> {
        match self.held(key) {
            Some((_, value)) => Ok(Some(Cow::Borrowed(value))),
            None => Ok(self.kept(key)?.map(Cow::Owned)),
        }
    }

    /// The value of a key, to be changed; the default if there is none.
    ///
    /// # Errors
    /// As of [`get`](Self::get).
    pub fn get_mut(&mut self, key: &K) -> Result<&mut V, StateError> {
        Ok(self.get_or_insert(key)?.0)
    }

    /// As [`get_mut`](Self::get_mut); says, too, whether the key is new.
    pub(super) fn get_or_insert(&mut self, key: &K) -> Result<(&mut V, bool), StateError> {
        let (number, is_new) = if let Some(number) = self.number(key) {
            (number, false)
        } else {
            let kept = self.kept(key)?;
            let is_new = kept.is_none();
            (self.insert(key.clone(), kept.unwrap_or_default())?, is_new)
        };
        if self.pages.is_some() {
            self.changed.insert(number);
        }
        let entry = self.entries.get_mut(number);
        entry.map(|(_, value)| (value, is_new)).ok_or_else(|| StateError::Corrupt {
            cause: "the index of a table knows an entry that is not there".into(),
        })
    }

    /// Looks for the entries of keys in memory, so that they are near when they are asked for. In two steps without a
    /// choice between them: the processor waits for all of them at once, in each.
    pub(super) fn look_ahead<'k>(&self, keys: impl Iterator<Item = &'k K>)
    where
        K: 'k,
    {
        let likely = keys.filter_map(|key| self.index.find(hash(key), |_| true));
        let likely: SmallVec<[u32; 64]> = likely.copied().collect();
        for number in likely {
            black_box(self.entries.get(number).map(|(key, _)| key.clone()));
        }
    }

    /// How many entries are in memory.
    pub fn in_memory(&self) -> usize {
        self.entries.len()
    }

    /// Visits every value, in no order; with pages, every value as it was saved last.
    ///
    /// # Errors
    /// [`StateError`], or the first error of `visit`.
    pub fn each<E: From<StateError>>(
        &self,
        mut visit: impl FnMut(Cow<'_, V>) -> Result<(), E>,
    ) -> Result<(), E> {
        match &self.pages {
            None => self.entries.iter().try_for_each(|(_, value)| visit(Cow::Borrowed(value))),
            Some(pages) => {
                pages.each(&[self.tag], |entry| visit(Cow::Owned(V::decode(&entry.value)?)))
            }
        }
    }

    /// Visits every key, as bytes, and value: in order of the keys, as they were saved last, if there are pages.
    pub(super) fn each_key<E: From<StateError>>(
        &self,
        mut visit: impl FnMut(&[u8], Cow<'_, V>) -> Result<(), E>,
    ) -> Result<(), E> {
        let Some(pages) = &self.pages else {
            return self.entries.iter().try_for_each(|(key, value)| {
                let key = self.key_bytes(key);
                visit(key.get(1..).unwrap_or_default(), Cow::Borrowed(value))
            });
        };
        pages.each(&[self.tag], |entry| {
            let value = V::decode(&entry.value)?;
            visit(entry.key.get(1..).unwrap_or_default(), Cow::Owned(value))
        })
    }

    /// Reads values by keys that are asked for in their order.
    pub(super) fn ahead(&self) -> Ahead<'_, K, V> {
        Ahead { table: self, read: Vec::new().into_iter().peekable(), last: None, has_ended: false }
    }

    /// Visits every key and value that is in memory.
    pub fn each_in_memory(&self) -> impl Iterator<Item = (&K, &V)> {
        self.entries.iter().map(|(key, value)| (key, value))
    }

    /// Visits every key and value that [`take_changes`](Self::take_changes) would give.
    ///
    /// # Errors
    /// The first error of `visit`.
    pub fn each_changed(
        &self,
        mut visit: impl FnMut(&K, &V) -> Result<(), StateError>,
    ) -> Result<(), StateError> {
        let mut give = |(key, value): &(K, V)| visit(key, value);
        if self.pages.is_none() {
            return self.entries.iter().try_for_each(&mut give);
        }
        let mut changed = self.changed.iter().filter_map(|number| self.entries.get(*number));
        changed.try_for_each(&mut give)
    }

    /// Gives what has changed since the last call, in order of the keys, and keeps no more in memory than a cache of
    /// a few entries: everything, of a table without pages.
    ///
    /// # Errors
    /// [`StateError::Unwritable`], or the first error of `emit`.
    pub fn take_changes(&mut self, emit: Emit<'_>) -> Result<(), StateError> {
        // In order, as stores write neighbours many times faster than what lies anywhere.
        let mut keys = Vec::new();
        self.each_changed(|key, _| {
            keys.push((self.key_bytes(key), self.number(key)));
            Ok(())
        })?;
        keys.sort_unstable();
        for (key, number) in keys {
            if let Some((_, value)) = number.and_then(|number| self.entries.get(number)) {
                emit(Entry { key, value: value.encode()?.into() })?;
            }
        }
        self.changed.clear();
        if self.pages.is_none() || self.entries.len() > CACHED {
            self.entries = Entries(Vec::new());
            self.index = HashTable::new();
        }
        Ok(())
    }

    fn held(&self, key: &K) -> Option<&(K, V)> {
        self.entries.get(self.number(key)?)
    }

    fn kept(&self, key: &K) -> Result<Option<V>, StateError> {
        let Some(pages) = &self.pages else { return Ok(None) };
        pages.get(&self.key_bytes(key))?.map(|bytes| V::decode(&bytes)).transpose()
    }

    fn key_bytes(&self, key: &K) -> Bytes {
        let mut bytes = vec![self.tag];
        key.write(&mut bytes);
        bytes.into()
    }

    fn number(&self, key: &K) -> Option<u32> {
        let is = |number: &u32| self.entries.get(*number).is_some_and(|(held, _)| held == key);
        self.index.find(hash(key), is).copied()
    }

    fn insert(&mut self, key: K, value: V) -> Result<u32, StateError> {
        let (hashed, entries) = (hash(&key), &mut self.entries);
        let number = entries.push((key, value)).ok_or_else(|| StateError::Unwritable {
            cause: "a table holds at most 4,294,967,295 entries in memory".into(),
        })?;
        let rehash = |number: &u32| entries.get(*number).map_or(0, |(key, _)| hash(key));
        self.index.insert_unique(hashed, number, rehash);
        Ok(number)
    }
}

/// A reader of a table by keys that are asked for in their order: neighbours are read many at once.
pub(super) struct Ahead<'a, K, V> {
    table: &'a Table<K, V>,
    read: Peekable<IntoIter<Entry>>,
    /// The last key that was read.
    last: Option<Bytes>,
    has_ended: bool,
}

impl<K: TableKey + Clone, V: TableValue> Ahead<'_, K, V> {
    /// The value of a key, which is greater than the one before.
    pub(super) fn get(&mut self, key: &K) -> Result<Option<Cow<'_, V>>, StateError> {
        let Some(pages) = self.table.pages.as_ref().filter(|_| self.table.held(key).is_none())
        else {
            return self.table.get(key);
        };
        let bytes = self.table.key_bytes(key);
        loop {
            while self.read.next_if(|entry| entry.key < bytes).is_some() {}
            if let Some(entry) = self.read.peek() {
                let found = entry.key == bytes;
                return found.then(|| V::decode(&entry.value).map(Cow::Owned)).transpose();
            }
            if self.has_ended {
                return Ok(None);
            }
            let page = pages.page(&[self.table.tag], self.last.as_deref())?;
            self.has_ended = page.is_empty();
            self.last = page.last().map(|entry| entry.key.clone()).or(self.last.take());
            self.read = page.into_iter().peekable();
        }
    }
}

impl<K: TableKey + Clone, V: TableValue + Join> Table<K, V> {
    /// Joins the entries that another table has in memory.
    ///
    /// # Errors
    /// As of [`get`](Self::get).
    pub fn join(&mut self, other: Self) -> Result<bool, StateError> {
        if self.entries.len() == 0 && self.pages.is_none() && other.pages.is_none() {
            let grew = other.entries.len() > 0;
            *self = Self { tag: self.tag, ..other };
            return Ok(grew);
        }
        let mut grew = false;
        for (key, value) in other.entries.into_iter() {
            grew |= self.get_mut(&key)?.join(value);
        }
        Ok(grew)
    }
}

impl<K: Clone, V: Clone> Clone for Table<K, V> {
    fn clone(&self) -> Self {
        let (index, pages, changed) =
            (self.index.clone(), self.pages.clone(), self.changed.clone());
        Self { tag: self.tag, entries: self.entries.clone(), index, pages, changed }
    }
}

/// By what is in memory.
impl<K: TableKey + Clone, V: TableValue + PartialEq> PartialEq for Table<K, V> {
    fn eq(&self, other: &Self) -> bool {
        let same = |(key, value): &(K, V)| other.held(key).is_some_and(|(_, v)| v == value);
        self.entries.len() == other.entries.len() && self.entries.iter().all(same)
    }
}

impl<K: TableKey + Clone, V: TableValue + Eq> Eq for Table<K, V> {}

impl<K, V> fmt::Debug for Table<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kept = self.pages.is_some();
        f.debug_struct("Table")
            .field("in_memory", &self.entries.len())
            .field("kept", &kept)
            .finish_non_exhaustive()
    }
}

impl TableValue for u64 {
    fn encode(&self) -> Result<Vec<u8>, StateError> {
        Ok(self.to_be_bytes().to_vec())
    }

    fn decode(bytes: &[u8]) -> Result<Self, StateError> {
        let bytes = bytes.try_into();
        let corrupt = |_| StateError::Corrupt { cause: "these bytes are no number".into() };
        bytes.map(Self::from_be_bytes).map_err(corrupt)
    }
}

/// A vector in chunks, so that growing copies nothing and leaves little unused.
#[derive(Clone)]
struct Entries<T>(Vec<Vec<T>>);

impl<T> Entries<T> {
    fn len(&self) -> usize {
        let last = self.0.last().map_or(0, Vec::len);
        self.0.len().saturating_sub(1).saturating_mul(CHUNK).saturating_add(last)
    }

    /// Adds an entry, and says its number; `None` if there are no more numbers.
    fn push(&mut self, entry: T) -> Option<u32> {
        let number = u32::try_from(self.len()).ok()?;
        match self.0.last_mut() {
            Some(chunk) if chunk.len() < CHUNK => chunk.push(entry),
            None => self.0.push(vec![entry]),
            Some(_) => {
                let mut chunk = Vec::with_capacity(CHUNK);
                chunk.push(entry);
                self.0.push(chunk);
            }
        }
        Some(number)
    }

    fn get(&self, number: u32) -> Option<&T> {
        let (chunk, at) = place(number);
        self.0.get(chunk)?.get(at)
    }

    fn get_mut(&mut self, number: u32) -> Option<&mut T> {
        let (chunk, at) = place(number);
        self.0.get_mut(chunk)?.get_mut(at)
    }

    fn iter(&self) -> impl Iterator<Item = &T> {
        self.0.iter().flatten()
    }

    /// Frees each chunk when it is through.
    fn into_iter(self) -> impl Iterator<Item = T> {
        self.0.into_iter().flatten()
    }
}

fn place(number: u32) -> (usize, usize) {
    let number = usize::try_from(number).unwrap_or(usize::MAX);
    (number >> CHUNK_BITS, number & (CHUNK - 1))
}

fn hash<K: Hash>(key: &K) -> u64 {
    ById::default().hash_one(key)
}

const CHUNK_BITS: u32 = 12;
const CHUNK: usize = 1 << CHUNK_BITS;
/// Entries that stay in memory after they were saved.
const CACHED: usize = 1 << 16;
