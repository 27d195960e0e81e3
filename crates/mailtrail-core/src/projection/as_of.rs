//! The bound of a replay: what was known, or had happened, by then.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, SecondsFormat, Utc};

use crate::event::Envelope;
use crate::store::Position;

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
