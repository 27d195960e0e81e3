//! What can go wrong with a store: one enum per operation.

use super::append::{Expected, StoredAt};
use super::position::{Position, Version};
use crate::id::{EventId, StreamId};

/// A cause of another layer.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// What a caller should do about an error. Branch on this, never on the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Advice {
    /// Read the streams again, decide again, append again.
    ReadAgain,
    /// Append the same batch again, with the same ids.
    SameBatchAgain,
    /// Append it in smaller batches.
    Smaller,
    /// Try again later; nothing was stored.
    Later,
    /// Trying again won't help.
    Never,
}

/// A stream that is not as a batch expects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Mismatch {
    /// The stream.
    pub stream: StreamId,
    /// What the batch expects.
    pub expected: Expected,
    /// The version of its last event, if it has any.
    pub actual: Option<Version>,
}

impl Mismatch {
    /// This stream is not as expected.
    pub fn new(stream: StreamId, expected: Expected, actual: Option<Version>) -> Self {
        Self { stream, expected, actual }
    }
}

/// An id of a batch that the store knows, and where.
pub type Clash = StoredAt;

/// Why a batch was not stored. Nothing of it is, except perhaps with `OutcomeUnknown`.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AppendError {
    /// Other writers were faster. Read these streams, decide again, append again.
    #[error("{} streams are not as the batch expects: read them again", streams.len())]
    Conflict {
        /// Every stream that differs.
        streams: Vec<Mismatch>,
    },
    /// Ids are known on another stream or with another type: they don't name these facts.
    #[error("{} event ids are known on another stream or with another type", events.len())]
    IdReused {
        /// All ids of the batch that are known, with their places.
        events: Vec<Clash>,
    },
    /// Some ids are known, some new. Drop the known ones, or use `skip_known`.
    #[error("{} of the batch's events are stored already", events.len())]
    PartialDuplicate {
        /// All ids of the batch that are known, with their places.
        events: Vec<Clash>,
    },
    /// One id stands twice in the batch. Bring each fact once, or use `skip_known`.
    #[error("{} event ids stand twice in the batch", ids.len())]
    RepeatedId {
        /// These ids.
        ids: Vec<EventId>,
    },
    /// The batch is over a limit of the store. Append it in smaller batches.
    #[error("the batch is too large: the limit is {limit} {unit}")]
    TooLarge {
        /// The limit.
        limit: usize,
        /// What it counts: `events` or `bytes`.
        unit: &'static str,
    },
    /// The store can't do this.
    #[error("the store does not support {capability}")]
    Unsupported {
        /// What it can't.
        capability: &'static str,
    },
    /// The store is not to be had now; nothing was stored.
    #[error("the store is not available; nothing was stored")]
    Unavailable {
        /// Why.
        #[source]
        cause: BoxError,
    },
    /// The store is damaged. Run `verify`.
    #[error("the store is damaged: run verify")]
    Corrupt {
        /// Where, if known.
        position: Option<Position>,
    },
    /// Stored or not: append the same batch again, its ids make that safe.
    #[error("no answer from the store: the batch may or may not be stored")]
    OutcomeUnknown {
        /// Why.
        #[source]
        cause: BoxError,
    },
}

impl AppendError {
    /// What a caller should do.
    pub fn advice(&self) -> Advice {
        match self {
            Self::Conflict { .. } | Self::PartialDuplicate { .. } => Advice::ReadAgain,
            Self::TooLarge { .. } => Advice::Smaller,
            Self::Unavailable { .. } => Advice::Later,
            Self::OutcomeUnknown { .. } => Advice::SameBatchAgain,
            Self::IdReused { .. }
            | Self::RepeatedId { .. }
            | Self::Unsupported { .. }
            | Self::Corrupt { .. } => Advice::Never,
        }
    }
}

/// Why nothing could be read. Never confused with the end of a stream.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The store is not to be had now.
    #[error("the store is not available")]
    Unavailable {
        /// Why.
        #[source]
        cause: BoxError,
    },
    /// What is stored is not what was stored. Run `verify`.
    #[error("the store is damaged: run verify")]
    Corrupt {
        /// Where, if known.
        position: Option<Position>,
    },
}

/// Why personal data was not erased.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RedactError {
    /// The store can't erase.
    #[error("the store does not support redact")]
    Unsupported,
    /// These ids are not stored; nothing was erased.
    #[error("{} event ids are not stored; nothing was erased", ids.len())]
    NotStored {
        /// The ids.
        ids: Vec<EventId>,
    },
    /// The store is not to be had now.
    #[error("the store is not available")]
    Unavailable {
        /// Why.
        #[source]
        cause: BoxError,
    },
    /// The store is damaged. Run `verify`.
    #[error("the store is damaged: run verify")]
    Corrupt {
        /// Where, if known.
        position: Option<Position>,
    },
}

/// Why events of another store were not taken in.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// The store can't import.
    #[error("the store does not support import")]
    Unsupported,
    /// The batch was refused.
    #[error("the imported batch was refused")]
    Append(#[source] AppendError),
}

/// Why a store can't be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Another process has it.
    #[error("the store is in use{}: stop that process, or work through it", owner.map_or(String::new(), |pid| format!(" by process {pid}")))]
    InUse {
        /// Its process id, if known.
        owner: Option<u32>,
    },
    /// The folder is not one of this store's.
    #[error("this is not a {expected} store: {found}")]
    Foreign {
        /// What should be there.
        expected: &'static str,
        /// What is.
        found: Box<str>,
    },
    /// A newer version wrote it.
    #[error(
        "the store has format {format}; this version reads up to {newest}: use a newer mailtrail"
    )]
    NewerFormat {
        /// Its format.
        format: u32,
        /// The newest that this version reads.
        newest: u32,
    },
    /// It is damaged.
    #[error("the store is damaged: restore it from a copy, or run verify on it")]
    Corrupt {
        /// What the engine says.
        #[source]
        cause: BoxError,
    },
    /// Its end is missing: it held more, which was acknowledged.
    #[error(
        "the end of the store is missing: it went to position {witnessed}, and now ends at {found}: restore it from a copy"
    )]
    Cut {
        /// How far it went.
        witnessed: Position,
        /// Where it ends now.
        found: Position,
    },
    /// The operating system refuses.
    #[error("the store can't be opened")]
    Io(#[source] std::io::Error),
}
