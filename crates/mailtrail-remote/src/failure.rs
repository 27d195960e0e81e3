//! Errors on their way: what the owner's store says is what the user's store says.

use std::error::Error;

use mailtrail_core::store::{AppendError, ImportError, Mismatch, ReadError, RedactError};
use mailtrail_core::{EventId, Expected, Position, StreamId, Version};
use serde::{Deserialize, Serialize};

use crate::message::{Answer, Place, places, stored};

/// [`AppendError`] on its way.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Refusal {
    Conflict { streams: Vec<(StreamId, Expected, Option<Version>)> },
    IdReused { events: Vec<Place> },
    PartialDuplicate { events: Vec<Place> },
    RepeatedId { ids: Vec<EventId> },
    TooLarge { limit: usize, events: bool },
    Unsupported { capability: String },
    Unavailable { cause: String },
    Corrupt { position: Option<Position> },
    OutcomeUnknown { cause: String },
}

impl From<AppendError> for Refusal {
    fn from(error: AppendError) -> Self {
        match error {
            AppendError::Conflict { streams } => {
                let parts = |m: Mismatch| (m.stream, m.expected, m.actual);
                Self::Conflict { streams: streams.into_iter().map(parts).collect() }
            }
            AppendError::IdReused { events } => Self::IdReused { events: places(events) },
            AppendError::PartialDuplicate { events } => {
                Self::PartialDuplicate { events: places(events) }
            }
            AppendError::RepeatedId { ids } => Self::RepeatedId { ids },
            AppendError::TooLarge { limit, unit } => {
                Self::TooLarge { limit, events: unit == EVENTS }
            }
            AppendError::Unsupported { capability } => {
                Self::Unsupported { capability: capability.to_owned() }
            }
            AppendError::Unavailable { cause } => Self::Unavailable { cause: text(&*cause) },
            AppendError::Corrupt { position } => Self::Corrupt { position },
            AppendError::OutcomeUnknown { cause } => Self::OutcomeUnknown { cause: text(&*cause) },
            // A variant of a newer core: nobody can say what it means for the batch.
            other => Self::OutcomeUnknown { cause: text(&other) },
        }
    }
}

impl From<Refusal> for AppendError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Conflict { streams } => {
                let mismatch = |(stream, expected, actual)| Mismatch::new(stream, expected, actual);
                Self::Conflict { streams: streams.into_iter().map(mismatch).collect() }
            }
            Refusal::IdReused { events } => Self::IdReused { events: stored(events) },
            Refusal::PartialDuplicate { events } => {
                Self::PartialDuplicate { events: stored(events) }
            }
            Refusal::RepeatedId { ids } => Self::RepeatedId { ids },
            Refusal::TooLarge { limit, events } => {
                Self::TooLarge { limit, unit: if events { EVENTS } else { "bytes" } }
            }
            Refusal::Unsupported { capability } => {
                Self::Unsupported { capability: known_capability(&capability) }
            }
            Refusal::Unavailable { cause } => Self::Unavailable { cause: cause.into() },
            Refusal::Corrupt { position } => Self::Corrupt { position },
            Refusal::OutcomeUnknown { cause } => Self::OutcomeUnknown { cause: cause.into() },
        }
    }
}

/// [`ReadError`] on its way.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Unreadable {
    Unavailable { cause: String },
    Corrupt { position: Option<Position> },
}

impl From<ReadError> for Unreadable {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Corrupt { position } => Self::Corrupt { position },
            ReadError::Unavailable { cause } => Self::Unavailable { cause: text(&*cause) },
            other => Self::Unavailable { cause: text(&other) },
        }
    }
}

impl From<Unreadable> for ReadError {
    fn from(error: Unreadable) -> Self {
        match error {
            Unreadable::Corrupt { position } => Self::Corrupt { position },
            Unreadable::Unavailable { cause } => Self::Unavailable { cause: cause.into() },
        }
    }
}

impl From<ReadError> for Answer {
    fn from(error: ReadError) -> Self {
        Self::NotRead(error.into())
    }
}

impl From<ImportError> for Answer {
    fn from(error: ImportError) -> Self {
        match error {
            ImportError::Append(refused) => Self::NotImported { refusal: Some(refused.into()) },
            _ => Self::NotImported { refusal: None },
        }
    }
}

impl From<RedactError> for Answer {
    fn from(error: RedactError) -> Self {
        let (mut not_stored, mut supported, mut unreadable) = (Vec::new(), true, None);
        match error {
            RedactError::Unsupported => supported = false,
            RedactError::NotStored { ids } => not_stored = ids,
            RedactError::Corrupt { position } => {
                unreadable = Some(Unreadable::Corrupt { position });
            }
            RedactError::Unavailable { cause } => {
                unreadable = Some(Unreadable::Unavailable { cause: text(&*cause) });
            }
            other => unreadable = Some(Unreadable::Unavailable { cause: text(&other) }),
        }
        Self::NotRedacted { not_stored, supported, unreadable }
    }
}

/// [`RedactError`] as it arrives.
pub(crate) fn not_redacted(
    not_stored: Vec<EventId>,
    supported: bool,
    unreadable: Option<Unreadable>,
) -> RedactError {
    match unreadable {
        Some(Unreadable::Corrupt { position }) => RedactError::Corrupt { position },
        Some(Unreadable::Unavailable { cause }) => RedactError::Unavailable { cause: cause.into() },
        None if supported => RedactError::NotStored { ids: not_stored },
        None => RedactError::Unsupported,
    }
}

/// What an error says, each cause behind a colon: only the text goes over the socket.
pub(crate) fn text(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// An error's capability is a word of the program, which only this one's own can be.
fn known_capability(name: &str) -> &'static str {
    const KNOWN: [&str; 1] = ["origin outside of import"];
    KNOWN.into_iter().find(|known| *known == name).unwrap_or("what the owner can't do")
}

const EVENTS: &str = "events";
