//! How long it took until things arrived, and until they were opened.

use std::collections::BTreeMap;

use mailtrail_core::Evidence;
use mailtrail_core::projection::StateError;

use crate::email_log::EmailLogState;
use crate::query::Query;
use crate::sheet::{Cell, Column, Sheet};
use crate::spread::Spread;

/// How long some rows took from being sent until they were delivered, and until they were first opened: median, and the time
/// within which nine of ten were. Of the rows of which both times are known.
///
/// ```
/// use mailtrail_report::{EmailLogState, Query, Times};
/// let times = Times::by(&EmailLogState::default(), &Query::default(), None)?;
/// assert!(times.is_empty());
/// # Ok::<(), mailtrail_core::projection::StateError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Times {
    deliver: Spread,
    open: Spread,
}

impl Times {
    /// Of the rows that a query asks for, by the values of a label as [`summary_by`](EmailLogState::summary_by); without
    /// one all are under the empty value.
    ///
    /// # Errors
    /// [`StateError`] if the state can't be read.
    pub fn by(
        state: &EmailLogState,
        query: &Query,
        label: Option<&str>,
    ) -> Result<BTreeMap<String, Self>, StateError> {
        let mut groups: BTreeMap<String, Self> = BTreeMap::new();
        state.each_row(query, |planned, evidence| {
            groups.entry(planned.value(label)).or_default().add(evidence);
            Ok(())
        })?;
        Ok(groups)
    }

    /// The last columns of a summary, of the same groups.
    pub fn add_to(sheet: &mut Sheet, groups: &BTreeMap<String, Self>) {
        sheet.columns.extend(Self::columns());
        let nothing = Self::default();
        let mut times = groups.values();
        for row in &mut sheet.rows {
            row.extend(times.next().unwrap_or(&nothing).cells());
        }
        sheet.note("Times are counted from when a row was sent.");
    }

    pub(crate) fn add(&mut self, evidence: &Evidence) {
        self.deliver.add(evidence.sent_at(), evidence.delivered_at());
        self.open.add(evidence.sent_at(), evidence.first_opened_at());
    }

    pub(crate) fn columns() -> impl Iterator<Item = Column> {
        let deliver = Spread::columns("time_to_deliver", "Time to deliver");
        deliver.into_iter().chain(Spread::columns("time_to_open", "Time to open"))
    }

    pub(crate) fn cells(&self) -> impl Iterator<Item = Cell> {
        self.deliver.cells().into_iter().chain(self.open.cells())
    }
}
