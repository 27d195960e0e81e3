//! Unmatched feedback: what came back, and no delivery of ours is named.

use chrono::{DateTime, Utc};
use mailtrail_core::projection::StateError;
use mailtrail_core::{EventId, StreamId};

use crate::sheet::{Column, Kind, Sheet, Shown};
use crate::trails::TrailsState;

/// The streams of feedback that no planned delivery names: as many as the summary says.
///
/// What is listed here is kept, and counts as soon as a delivery names it. Mostly it is of mail that another system sent.
///
/// ```
/// use mailtrail_report::{TrailsState, UnmatchedFeedback};
/// let unmatched = UnmatchedFeedback::of(&TrailsState::default())?;
/// assert!(unmatched.sheet().rows.is_empty());
/// # Ok::<(), mailtrail_core::projection::StateError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnmatchedFeedback {
    /// In order of time.
    pub feedback: Vec<Unmatched>,
}

/// Feedback about one message to one recipient, that names no delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unmatched {
    /// Its stream: a key's, a message's, or of a delivery that was never planned.
    pub stream: StreamId,
    /// When its first event claims to have happened.
    pub first: Option<DateTime<Utc>>,
    /// And its last.
    pub last: Option<DateTime<Utc>>,
    /// The first event.
    pub event: EventId,
    /// Its type.
    pub event_type: Box<str>,
    /// What brought it.
    pub source: Box<str>,
}

impl UnmatchedFeedback {
    /// All of it.
    ///
    /// # Errors
    /// [`StateError`] if the state can't be read.
    pub fn of(state: &TrailsState) -> Result<Self, StateError> {
        let unmatched = state.unmatched()?.into_iter().map(|(moment, brought, last)| Unmatched {
            stream: brought.stream,
            first: moment.at,
            last,
            event: moment.event,
            event_type: brought.event_type,
            source: brought.source,
        });
        Ok(Self { feedback: unmatched.collect() })
    }

    /// As a report.
    pub fn sheet(&self) -> Sheet {
        let columns = [
            ("first", "First", Kind::Time, Shown::Always),
            ("last", "Last", Kind::Time, Shown::Roomy),
            ("type", "First Event", Kind::Text, Shown::Always),
            ("source", "Source", Kind::Text, Shown::Always),
            ("stream", "Stream", Kind::Text, Shown::Always),
            ("event_id", "Event ID", Kind::Text, Shown::Roomy),
        ];
        let columns =
            columns.map(|(name, title, kind, shown)| Column::new(name, title, kind).shown(shown));
        let mut sheet = Sheet::new("unmatched_feedback", "Unmatched feedback", columns);
        for one in &self.feedback {
            sheet.push([
                one.first.into(),
                one.last.into(),
                one.event_type.clone().into(),
                one.source.clone().into(),
                one.stream.to_string().into(),
                one.event.to_string().into(),
            ]);
        }
        sheet.note("It counts as soon as a delivery names it.");
        sheet
    }
}
