//! The state of a projection as it is kept: entries by key, in pages.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use super::state_store::{StateError, StateId, StateSnapshot, StateStore};

/// One entry of a state.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[expect(clippy::exhaustive_structs, reason = "a pair by definition")]
pub struct Entry {
    /// Its key, unique in the state.
    pub key: Bytes,
    /// Its value. The same state always has the same bytes.
    pub value: Bytes,
}

/// A state that can be kept in a [`StateStore`], and read from there entry by entry.
///
/// # For users
/// Every type that serde can write and read is one: it is kept whole, as one entry. A state that grows with
/// the log is made of [`Table`](super::Table)s instead, whose entries are read when they are asked for.
///
/// # For implementors
/// The same events give the same entries, to the byte, in whatever steps they come: so a state that was kept
/// live can be compared with one that was built anew.
///
/// # Example
/// ```
/// use std::collections::BTreeMap;
/// use mailtrail_core::projection::KeptState;
/// let mut failures = BTreeMap::from([("mailbox_full".to_owned(), 2)]);
/// let mut entries = Vec::new();
/// failures.take_changes(&mut |entry| { entries.push(entry); Ok(()) })?;
/// assert_eq!(entries.len(), 1);
/// # Ok::<(), mailtrail_core::projection::StateError>(())
/// ```
pub trait KeptState: Default + Send {
    /// The state that these pages hold.
    ///
    /// # Errors
    /// [`StateError`] if it can't be read.
    fn attach(pages: &Pages) -> Result<Self, StateError>;

    /// Gives every entry that has changed since the last call: all of them, of a state that was never
    /// attached.
    ///
    /// # Errors
    /// The first error of `emit`.
    fn take_changes(&mut self, emit: Emit<'_>) -> Result<(), StateError>;
}

/// A state that can be built in parts by several threads, each from some of the streams.
///
/// # For implementors
/// However the streams are divided, the parts together are the state of the whole log.
pub trait Parted: KeptState {
    /// The state that these parts are together.
    ///
    /// # Errors
    /// [`StateError`].
    fn of_parts(parts: Vec<Self>) -> Result<Self, StateError>;
}

/// Who takes the entries.
pub type Emit<'a> = &'a mut dyn FnMut(Entry) -> Result<(), StateError>;

impl<T: Serialize + DeserializeOwned + Default + Send> KeptState for T {
    fn attach(pages: &Pages) -> Result<Self, StateError> {
        match pages.get(WHOLE)? {
            None => Ok(Self::default()),
            Some(bytes) => serde_json::from_slice(&bytes)
                .map_err(|error| StateError::Corrupt { cause: error.into() }),
        }
    }

    fn take_changes(&mut self, emit: Emit<'_>) -> Result<(), StateError> {
        let value = serde_json::to_vec(self);
        let value = value.map_err(|error| StateError::Unwritable { cause: error.into() })?;
        emit(Entry { key: Bytes::from_static(WHOLE), value: value.into() })
    }
}

/// The key of a state that is kept whole.
const WHOLE: &[u8] = b"whole";

/// The entries of one state, where they are kept. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Pages(Source);

#[derive(Debug, Clone)]
enum Source {
    /// As it is whenever it is read: for whoever saves it.
    Present(Arc<dyn StateStore>, StateId),
    /// As it was.
    Snapshot(Arc<dyn StateSnapshot>),
}

impl Pages {
    /// Those of a state in a store, as they are whenever they are read: for the one that saves it. All others take a
    /// [snapshot](Self::of), or they see halves of what it saves meanwhile.
    pub fn new(store: Arc<dyn StateStore>, state: StateId) -> Self {
        Self(Source::Present(store, state))
    }

    /// Those of a state as it was.
    pub fn of(snapshot: Arc<dyn StateSnapshot>) -> Self {
        Self(Source::Snapshot(snapshot))
    }

    /// The value of a key.
    ///
    /// # Errors
    /// [`StateError`].
    pub fn get(&self, key: &[u8]) -> Result<Option<Bytes>, StateError> {
        match &self.0 {
            Source::Present(store, state) => store.get(state, key),
            Source::Snapshot(snapshot) => snapshot.get(key),
        }
    }

    /// Gives every entry whose key begins so, in order of the keys. Memory is bounded by one page.
    ///
    /// # Errors
    /// [`StateError`], or the first error of `visit`.
    pub fn each<E: From<StateError>>(
        &self,
        prefix: &[u8],
        visit: impl FnMut(Entry) -> Result<(), E>,
    ) -> Result<(), E> {
        self.each_after(prefix, None, visit)
    }

    /// The same, of the keys behind this one.
    ///
    /// # Errors
    /// As of [`each`](Self::each).
    pub fn each_after<E: From<StateError>>(
        &self,
        prefix: &[u8],
        mut after: Option<Bytes>,
        mut visit: impl FnMut(Entry) -> Result<(), E>,
    ) -> Result<(), E> {
        loop {
            let page = self.page(prefix, after.as_deref())?;
            let Some(last) = page.last() else { return Ok(()) };
            after = Some(last.key.clone());
            page.into_iter().try_for_each(&mut visit)?;
        }
    }

    pub(super) fn page(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
    ) -> Result<Vec<Entry>, StateError> {
        match &self.0 {
            Source::Present(store, state) => store.scan(state, prefix, after, PAGE),
            Source::Snapshot(snapshot) => snapshot.scan(prefix, after, PAGE),
        }
    }

    /// The digest of all entries.
    ///
    /// # Errors
    /// [`StateError`].
    pub fn digest(&self) -> Result<StateDigest, StateError> {
        let mut digest = StateDigest::default();
        self.each(&[], |entry| {
            digest.add(&entry);
            Ok::<(), StateError>(())
        })?;
        Ok(digest)
    }
}

/// Entries read at once.
const PAGE: usize = 1_000;

/// What two equal states have in common, whatever the order in which their entries are added.
///
/// The sum of SHA-256 over each entry. It finds every difference that a fault makes; it is no proof against a
/// forger, which is what the hash chain of the log is for.
///
/// ```
/// use mailtrail_core::projection::{Entry, StateDigest};
/// let entry = |key: &'static str, value: &'static str| Entry { key: key.into(), value: value.into() };
/// let (mut one, mut other) = (StateDigest::default(), StateDigest::default());
/// one.add(&entry("a", "1"));
/// one.add(&entry("b", "2"));
/// other.add(&entry("b", "2"));
/// assert_ne!(one, other);
/// other.add(&entry("a", "1"));
/// assert_eq!(one, other);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct StateDigest([u64; 4]);

impl StateDigest {
    /// Takes in an entry, which must not have been taken in before.
    pub fn add(&mut self, entry: &Entry) {
        let length = u64::try_from(entry.key.len()).unwrap_or(u64::MAX);
        let hash: [u8; 32] = Sha256::new()
            .chain_update(length.to_be_bytes())
            .chain_update(&entry.key)
            .chain_update(&entry.value)
            .finalize()
            .into();
        let mut carry = false;
        for (word, bytes) in self.0.iter_mut().zip(hash.as_chunks::<8>().0) {
            let (sum, over) = word.overflowing_add(u64::from_le_bytes(*bytes));
            let (sum, over_again) = sum.overflowing_add(u64::from(carry));
            (*word, carry) = (sum, over || over_again);
        }
    }

    /// That of a state: all that it has not given to a store yet.
    ///
    /// # Errors
    /// [`StateError::Unwritable`].
    pub fn of(state: &mut impl KeptState) -> Result<Self, StateError> {
        let mut digest = Self::default();
        state.take_changes(&mut |entry| {
            digest.add(&entry);
            Ok(())
        })?;
        Ok(digest)
    }
}

impl fmt::Display for StateDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|word| write!(f, "{word:016x}"))
    }
}

impl fmt::Debug for StateDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StateDigest({self})")
    }
}
