//! Reading old events again, into a state.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};

use super::{ApplyError, Projection};
use crate::event::Envelope;
use crate::id::EventId;
use crate::store::{EventStore, Position, ReadError};

/// How far a projection got: everything up to here is in its state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Checkpoint {
    /// The last position that was looked at.
    pub position: Position,
}

impl Checkpoint {
    /// At this position.
    pub fn at(position: Position) -> Self {
        Self { position }
    }
}

/// The bound of a replay: what was known, or had happened, by then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum AsOf {
    /// Everything.
    #[default]
    Now,
    /// Up to and with this position.
    Position(Position),
    /// What this store knew then.
    RecordedAt(DateTime<Utc>),
    /// What had happened by then; an event without a time counts from when it was first recorded.
    OccurredAt(DateTime<Utc>),
}

impl FromStr for AsOf {
    type Err = AsOfError;

    /// `now`, a position, a time (RFC 3339: what this store knew then), or `occurred:` and a time (what had
    /// happened by then).
    ///
    /// ```
    /// use mailtrail_core::projection::AsOf;
    /// assert_eq!("now".parse(), Ok(AsOf::Now));
    /// for text in ["17", "2026-11-24T10:00:00Z", "occurred:2026-11-24T10:00:00Z"] {
    ///     assert_eq!(text.parse::<AsOf>()?.to_string(), text);
    /// }
    /// # Ok::<(), mailtrail_core::projection::AsOfError>(())
    /// ```
    fn from_str(text: &str) -> Result<Self, AsOfError> {
        let time = |text: &str| {
            DateTime::parse_from_rfc3339(text).map(|at| at.to_utc()).map_err(|_| AsOfError)
        };
        if text == "now" {
            return Ok(Self::Now);
        }
        if let Ok(position) = text.parse() {
            return Ok(Self::Position(Position::new(position)));
        }
        match text.strip_prefix("occurred:") {
            Some(text) => time(text).map(Self::OccurredAt),
            None => time(text).map(Self::RecordedAt),
        }
    }
}

impl fmt::Display for AsOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = |at: &DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::AutoSi, true);
        match self {
            Self::Now => f.write_str("now"),
            Self::Position(position) => position.fmt(f),
            Self::RecordedAt(at) => f.write_str(&time(at)),
            Self::OccurredAt(at) => write!(f, "occurred:{}", time(at)),
        }
    }
}

/// A text that is no bound of a replay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("write a position, a time as 2026-11-24T10:00:00Z, or occurred: and a time")]
#[non_exhaustive]
pub struct AsOfError;

impl AsOf {
    /// Whether an event lies within the bound.
    pub fn admits(&self, envelope: &Envelope) -> bool {
        match self {
            Self::Now => true,
            Self::Position(bound) => envelope.position <= *bound,
            Self::RecordedAt(bound) => envelope.recorded_at <= *bound,
            Self::OccurredAt(bound) => {
                let origin = envelope.event.origin.as_ref();
                let recorded = origin.map_or(envelope.recorded_at, |origin| origin.recorded_at);
                envelope.event.occurred_at.unwrap_or(recorded) <= *bound
            }
        }
    }
}

/// Applies everything after a checkpoint up to the head as it is when the end is reached.
///
/// Memory is bounded by one page beside the state. Cancelled, it leaves the state somewhere between
/// the old and the new checkpoint: throw it away, or keep state and checkpoint together only after
/// this returns.
///
/// # Errors
/// [`ReplayError`] says where it stopped: all before that event is in the state.
pub async fn replay<P: Projection, S: EventStore + ?Sized>(
    store: &S,
    projection: &P,
    state: &mut P::State,
    from: Checkpoint,
    as_of: &AsOf,
) -> Result<Checkpoint, ReplayError> {
    let filter = projection.filter();
    let mut next = Some(from.position);
    let mut reached = from.position;
    while let Some(after) = next {
        let page = store.read_all(&filter, after, PAGE).await?;
        for envelope in page.events.iter().filter(|envelope| as_of.admits(envelope)) {
            projection.apply(envelope, state).map_err(|cause| ReplayError::Apply {
                position: envelope.position,
                event: envelope.event.event_id,
                cause,
            })?;
        }
        reached = page.scanned_to;
        next = page.next;
    }
    Ok(Checkpoint::at(reached))
}

/// Why a replay stopped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReplayError {
    /// The store could not be read.
    #[error("the events could not be read")]
    Read(#[from] ReadError),
    /// An event could not be applied.
    #[error("the projection stops at position {position} (event {event})")]
    Apply {
        /// Where.
        position: Position,
        /// Which.
        event: EventId,
        /// Why.
        #[source]
        cause: ApplyError,
    },
}

/// Events read at once.
const PAGE: usize = 4_096;
