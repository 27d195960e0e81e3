//! Which rows a report shows.

use std::str::FromStr;

use mailtrail_core::{BroadcastId, Status};

use crate::planned_row::PlannedRow;

/// Which rows a report shows: all that match every part that is given.
///
/// ```
/// use mailtrail_report::Query;
/// let north = Query::of("snow-day".parse()?).label("school", "North");
/// # let _ = north;
/// # Ok::<(), mailtrail_core::id::IdError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Query {
    /// Of this broadcast; of all if absent.
    pub broadcast: Option<BroadcastId>,
    /// With one of these statuses; any if empty.
    pub statuses: Vec<Status>,
    /// With all of these labels.
    pub labels: Vec<(String, String)>,
}

impl Query {
    /// The rows of a broadcast.
    pub fn of(broadcast: BroadcastId) -> Self {
        Self { broadcast: Some(broadcast), ..Self::default() }
    }

    /// With this status too.
    pub fn status(mut self, status: Status) -> Self {
        self.statuses.push(status);
        self
    }

    /// With this label. Rows without it have the empty value, as in
    /// [`summary_by`](crate::EmailLogState::summary_by).
    pub fn label(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.labels.push((name.into(), value.into()));
        self
    }

    pub(crate) fn admits(&self, planned: &PlannedRow) -> bool {
        self.broadcast.as_ref().is_none_or(|broadcast| *broadcast == planned.row.broadcast)
            && self
                .labels
                .iter()
                .all(|(name, value)| planned.labels.get(name).map_or("", String::as_str) == value)
    }

    pub(crate) fn has_status(&self, status: Status) -> bool {
        self.statuses.is_empty() || self.statuses.contains(&status)
    }
}

/// A label condition is not `name=value`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a condition is written name=value, such as school=North")]
#[non_exhaustive]
pub struct ParseQueryError;

impl FromStr for Query {
    type Err = ParseQueryError;

    /// Reads one label condition, `name=value`.
    fn from_str(text: &str) -> Result<Self, ParseQueryError> {
        let (name, value) = text.split_once('=').ok_or(ParseQueryError)?;
        Ok(Self::default().label(name.trim(), value.trim()))
    }
}
