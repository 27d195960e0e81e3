//! How far a projection got.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::event::ChainHash;
use crate::id::EventId;
use crate::store::{BoxError, Position};

/// How far a projection got: everything up to here is in its state, but for what was skipped.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Checkpoint {
    /// The last position that was looked at.
    pub position: Position,
    /// The chain hash there, if known: the state belongs to the log that has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash: Option<ChainHash>,
    /// A number that was drawn when the state was begun: one that is built anew has another. States of earlier versions have
    /// none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub begun: Option<u64>,
    /// Set while the state is built in one go, by a number that the builder drew: its entries are no whole yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub building: Option<u64>,
    /// Whether the state has never caught up with the log since it was begun.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub behind: bool,
    /// The event that the projection can't apply, which comes next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused: Option<Pause>,
    /// The events that someone chose to leave out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skipped: Vec<EventId>,
}

impl Checkpoint {
    /// At this position.
    pub fn at(position: Position) -> Self {
        Self { position, ..Self::default() }
    }
}

/// Where a projection stands still, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Pause {
    /// The event's place.
    pub position: Position,
    /// The event.
    pub event: EventId,
    /// Why it can't be applied, in the projection's own words.
    pub why: Box<str>,
}

impl Pause {
    /// At this event.
    pub fn new(position: Position, event: EventId, why: impl Into<Box<str>>) -> Self {
        Self { position, event, why: why.into() }
    }
}

/// Keeps places in the log by name, for readers that keep their own state: subscriptions.
///
/// # For implementors
/// What `save` has acknowledged is as durable as the store's events. A name has 1 to 64 of the letters a-z and
/// 0-9, `_`, `-` and `.`, and begins with a letter or digit: [`checked_name`] says so.
#[expect(clippy::missing_errors_doc, reason = "every call has the same")]
pub trait CheckpointStore: Send + Sync + fmt::Debug {
    /// The place of this name; `None` if there is none yet.
    fn load(&self, name: &str) -> Result<Option<Checkpoint>, CheckpointError>;

    /// Keeps a place.
    fn save(&self, name: &str, checkpoint: &Checkpoint) -> Result<(), CheckpointError>;
}

/// The name, if it may be one of a checkpoint.
///
/// # Errors
/// [`CheckpointError::Name`].
///
/// ```
/// use mailtrail_core::projection::checked_name;
/// assert!(checked_name("crm-export").is_ok());
/// assert!(checked_name("../trail").is_err());
/// ```
pub fn checked_name(name: &str) -> Result<&str, CheckpointError> {
    let alphanumeric = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let letter = |byte: u8| alphanumeric(byte) || matches!(byte, b'_' | b'-' | b'.');
    let begins = name.bytes().next().is_some_and(alphanumeric);
    let valid = begins && name.len() <= 64 && name.bytes().all(letter);
    if valid { Ok(name) } else { Err(CheckpointError::Name) }
}

/// Why a place can't be read or kept.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// The name can't be one.
    #[error("a name has 1 to 64 of a-z 0-9 _ - . and begins with a letter or digit")]
    Name,
    /// It is not to be had now; the place is as it was.
    #[error("the place in the log can't be read or kept now")]
    Unavailable {
        /// Why.
        #[source]
        cause: BoxError,
    },
    /// It is not what was kept: set it anew, or begin at the beginning.
    #[error("the kept place in the log is damaged")]
    Corrupt {
        /// What is wrong.
        #[source]
        cause: BoxError,
    },
}
