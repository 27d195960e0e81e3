//! Which rows a report shows.

use std::str::FromStr;

use chrono::{DateTime, Utc};
use mailtrail_core::projection::StateError;
use mailtrail_core::{BroadcastId, DeliveryId, Status};

use crate::index::IndexFull;
use crate::page::Sort;
use crate::planned_row::PlannedRow;
use crate::render;
use crate::row::EmailLogRow;
use crate::sheet::Cell;

/// Which rows a report shows: all that match every part that is given.
///
/// ```
/// use mailtrail_report::Query;
/// let north = Query::of("snow-day".parse()?).label("school", "North");
/// assert_eq!("school=North".parse::<Query>()?.labels, north.labels);
/// // What is a column's name is a column.
/// assert_eq!("complained=yes".parse::<Query>()?, Query::default().column("complained", "yes"));
/// assert_eq!("label.from=North".parse::<Query>()?, Query::default().label("from", "North"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
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
    /// With these values in columns of the Email Log, each by its name or title. A text is compared as it is, a status by
    /// its label or code, a time by how it begins: `sent=2026-11-24` is that day.
    pub columns: Vec<(String, String)>,
    /// In which this text stands somewhere, in upper or lower case; or whose delivery it is, as a whole.
    pub search: Option<String>,
    /// When it is looked at: decides how *Why* speaks of what is long ago, and nothing else.
    pub now: Option<DateTime<Utc>>,
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

    /// With this value in a column.
    pub fn column(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.columns.push((name.into(), value.into()));
        self
    }

    /// In which this text stands somewhere.
    pub fn search(mut self, text: impl Into<String>) -> Self {
        self.search = Some(text.into());
        self
    }

    /// Looked at now.
    pub fn now(mut self, now: DateTime<Utc>) -> Self {
        self.now = Some(now);
        self
    }

    /// What matches this query and the other.
    pub fn and(mut self, other: Self) -> Self {
        self.broadcast = self.broadcast.or(other.broadcast);
        self.statuses.extend(other.statuses);
        self.labels.extend(other.labels);
        self.columns.extend(other.columns);
        self.search = self.search.or(other.search);
        self.now = self.now.or(other.now);
        self
    }

    /// Whether it asks for all rows.
    pub(crate) fn is_of_all(&self) -> bool {
        self.broadcast.is_none()
            && self.statuses.is_empty()
            && self.labels.is_empty()
            && !self.looks_at_cells()
    }

    pub(crate) fn admits(&self, planned: &PlannedRow) -> bool {
        self.broadcast.as_ref().is_none_or(|broadcast| *broadcast == planned.row.broadcast)
            && self.labels.iter().all(|(name, value)| planned.label(name) == value)
    }

    pub(crate) fn has_status(&self, status: Status) -> bool {
        self.statuses.is_empty() || self.statuses.contains(&status)
    }

    /// The labels that have to be there, by what is asked for and by the order.
    pub(crate) fn labels_named<'a>(
        &'a self,
        sort: Option<&'a Sort>,
    ) -> impl Iterator<Item = &'a str> {
        let sorted = sort.map(|sort| &*sort.column);
        let of_columns = self.columns.iter().map(|(name, _)| name.as_str());
        let is_label = |name: &&str| EmailLogRow::column(name).is_none();
        let of_labels = self.labels.iter().map(|(name, _)| name.as_str());
        of_columns.chain(sorted).filter(is_label).chain(of_labels)
    }

    /// Whether a row has to be made to be looked at.
    pub(crate) fn looks_at_cells(&self) -> bool {
        !self.columns.is_empty() || self.search.is_some()
    }

    pub(crate) fn admits_row(&self, row: &EmailLogRow) -> bool {
        let has = |(name, value): &(String, String)| {
            EmailLogRow::column(name).is_some_and(|column| is(&row.cell(column), value))
        };
        let says = |text: &String| row.says(&text.to_lowercase());
        self.columns.iter().all(has) && self.search.as_ref().is_none_or(says)
    }
}

/// Whether a cell has this value, as it is written in a condition.
pub(crate) fn is(cell: &Cell, value: &str) -> bool {
    match cell {
        Cell::Status(status) => {
            status.code() == value || status.label().eq_ignore_ascii_case(value)
        }
        Cell::Flag(flag) => match value {
            "yes" | "true" => *flag,
            "" | "no" | "false" => !flag,
            _ => false,
        },
        Cell::Time(_) => !value.is_empty() && render::plain(cell).starts_with(value),
        cell => render::plain(cell) == value,
    }
}

/// A condition is not `name=value`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a condition is written name=value, such as school=North")]
#[non_exhaustive]
pub struct ParseQueryError;

impl FromStr for Query {
    type Err = ParseQueryError;

    /// Reads one condition, `name=value`, of a column, else of a label; `label.name=value` is always a label.
    fn from_str(text: &str) -> Result<Self, ParseQueryError> {
        let (name, value) = text.split_once('=').ok_or(ParseQueryError)?;
        let (name, value) = (name.trim(), value.trim());
        Ok(match name.strip_prefix("label.") {
            Some(label) => Self::default().label(label, value),
            None if EmailLogRow::column(name).is_some() => Self::default().column(name, value),
            None => Self::default().label(name, value),
        })
    }
}

/// Why a query has no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum QueryError {
    /// No column has this name, and no row this label: look at the columns of the Email Log.
    #[error("there is no column and no label {name:?}")]
    UnknownColumn {
        /// The name.
        name: Box<str>,
    },
    /// The cursor is of a row that is not there: begin again without it.
    #[error("there is no row {delivery} behind which to go on")]
    UnknownCursor {
        /// The row's delivery.
        delivery: DeliveryId,
    },
    /// There are more rows than can be sorted.
    #[error("there are more rows than can be sorted: ask for one broadcast")]
    TooMany(#[from] IndexFull),
    /// The state can't be read.
    #[error("the state of the report can't be read")]
    State(#[from] StateError),
}
