//! Where the states of projections are kept.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::checkpoint::Checkpoint;
use super::state::Entry;
use crate::store::{BoxError, ReadError};

/// Which state: of a projection, at a revision of it. A raised revision is another state.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub struct StateId {
    /// The projection's name: at most 200 bytes, no control characters.
    pub name: Box<str>,
    /// Its revision.
    pub revision: u32,
}

impl StateId {
    /// The state of this projection at this revision.
    pub fn new(name: impl Into<Box<str>>, revision: u32) -> Self {
        Self { name: name.into(), revision }
    }
}

impl fmt::Display for StateId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (revision {})", self.name, self.revision)
    }
}

/// Keeps the states of projections, each with its checkpoint.
///
/// # For users
/// What is kept can always be built anew from the events: losing it costs time, nothing else. So a damaged
/// state is no error of a report; it is discarded and rebuilt.
///
/// # For implementors
/// - [`save`](Self::save) is one step: after a crash the state is as it was before or after, entries and
///   checkpoint alike. It needn't be durable at once: an older state catches up.
/// - `save` compares: whoever builds upon a state that was discarded or moved on meanwhile gets
///   [`StateError::Moved`], so that two runners never mix their entries.
/// - Never give back other bytes than were saved: [`StateError::Corrupt`] instead.
/// - The calls are synchronous, as projections are: a store over a network blocks the projection's own thread.
#[expect(clippy::missing_errors_doc, reason = "every call has the same")]
pub trait StateStore: Send + Sync + fmt::Debug {
    /// The states that are kept, in order.
    fn states(&self) -> Result<Vec<(StateId, Checkpoint)>, StateError>;

    /// How far a state got; `None` if nothing of it is kept.
    fn checkpoint(&self, state: &StateId) -> Result<Option<Checkpoint>, StateError>;

    /// The value of a key.
    fn get(&self, state: &StateId, key: &[u8]) -> Result<Option<Bytes>, StateError>;

    /// Entries whose keys begin so and come after a key, in order: at most as many as asked for, and none only
    /// at the end.
    fn scan(
        &self,
        state: &StateId,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Entry>, StateError>;

    /// The state as it is now, for as long as the answer is held, whatever is saved meanwhile; `None` if nothing of it
    /// is kept.
    fn snapshot(&self, state: &StateId) -> Result<Option<Arc<dyn StateSnapshot>>, StateError>;

    /// Keeps entries that were made upon the state as it was at `from`, and how far it got with them.
    fn save(
        &self,
        state: &StateId,
        from: Option<&Checkpoint>,
        entries: Vec<Entry>,
        to: &Checkpoint,
    ) -> Result<(), StateError>;

    /// Forgets a state. One that isn't kept is no error.
    fn discard(&self, state: &StateId) -> Result<(), StateError>;

    /// Forgets all states, so that no file holds anything of them any more: for an erasure.
    fn discard_all(&self) -> Result<(), StateError>;
}

/// A kept state as it was at one moment: no reader ever sees half of a save.
///
/// # For implementors
/// Every call answers as the store would have when the snapshot was taken, or fails. One that can't be told any more,
/// because the state was discarded or too much of it was overwritten, is [`StateError::Moved`].
#[expect(clippy::missing_errors_doc, reason = "every call has the same")]
pub trait StateSnapshot: Send + Sync + fmt::Debug {
    /// How far it got.
    fn checkpoint(&self) -> &Checkpoint;

    /// As of [`StateStore::get`].
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, StateError>;

    /// As of [`StateStore::scan`].
    fn scan(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Entry>, StateError>;
}

/// A reference to a store of states is one.
#[deny(clippy::missing_trait_methods)]
impl<S: StateStore + ?Sized> StateStore for &S {
    fn states(&self) -> Result<Vec<(StateId, Checkpoint)>, StateError> {
        (**self).states()
    }

    fn checkpoint(&self, state: &StateId) -> Result<Option<Checkpoint>, StateError> {
        (**self).checkpoint(state)
    }

    fn get(&self, state: &StateId, key: &[u8]) -> Result<Option<Bytes>, StateError> {
        (**self).get(state, key)
    }

    fn scan(
        &self,
        state: &StateId,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Entry>, StateError> {
        (**self).scan(state, prefix, after, limit)
    }

    fn snapshot(&self, state: &StateId) -> Result<Option<Arc<dyn StateSnapshot>>, StateError> {
        (**self).snapshot(state)
    }

    fn save(
        &self,
        state: &StateId,
        from: Option<&Checkpoint>,
        entries: Vec<Entry>,
        to: &Checkpoint,
    ) -> Result<(), StateError> {
        (**self).save(state, from, entries, to)
    }

    fn discard(&self, state: &StateId) -> Result<(), StateError> {
        (**self).discard(state)
    }

    fn discard_all(&self) -> Result<(), StateError> {
        (**self).discard_all()
    }
}

/// Why a kept state can't be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// It is not to be had now.
    #[error("the kept state of the projection is not available")]
    Unavailable {
        /// Why.
        #[source]
        cause: BoxError,
    },
    /// It is not what was kept: discard it, and build it anew.
    #[error("the kept state of the projection is damaged: it has to be built anew")]
    Corrupt {
        /// What is wrong.
        #[source]
        cause: BoxError,
    },
    /// Another one has saved or discarded it meanwhile: read it again.
    #[error("the kept state of the projection was changed by another one meanwhile")]
    Moved,
    /// The state can't be written as bytes: its type is at fault.
    #[error("the state of the projection can't be written")]
    Unwritable {
        /// Why.
        #[source]
        cause: BoxError,
    },
    /// It is kept by someone who only lets it be read.
    #[error("the kept state of the projection can only be read here")]
    ReadOnly,
}

impl From<ReadError> for StateError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Unavailable { cause } => Self::Unavailable { cause },
            error @ ReadError::Corrupt { .. } => Self::Corrupt { cause: error.into() },
        }
    }
}
