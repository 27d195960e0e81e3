//! The ten counts as they were, hour by hour.

use std::collections::BTreeMap;

use chrono::{DateTime, DurationRound, TimeDelta, Utc};
use mailtrail_core::Status;
use mailtrail_core::projection::StateError;

use crate::email_log::EmailLogState;
use crate::query::Query;
use crate::sheet::{Cell, Column, Kind, Sheet};
use crate::trails::TrailsState;

/// How many rows had each status at the end of each hour in which something changed, by when things happened.
///
/// A row counts from when it was planned. What has no time counts from the last hour on, so that the last counts are those of
/// the [`Summary`](crate::Summary).
///
/// ```
/// use mailtrail_report::{EmailLogState, OverTime, Query, TrailsState};
/// let (log, trails) = (EmailLogState::default(), TrailsState::default());
/// assert!(OverTime::of(&log, &trails, &Query::default())?.hours.is_empty());
/// # Ok::<(), mailtrail_core::projection::StateError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct OverTime {
    /// The beginning of the hour, and the rows by status at its end, in the order of [`Status::ALL`]. Without an hour if
    /// nothing has a time.
    pub hours: Vec<(Option<DateTime<Utc>>, [u64; 10])>,
}

impl OverTime {
    /// Of the rows that a query asks for by what they are now. The trails are of the same log as the Email Log.
    ///
    /// # Errors
    /// [`StateError`] if a state can't be read.
    pub fn of(
        log: &EmailLogState,
        trails: &TrailsState,
        query: &Query,
    ) -> Result<Self, StateError> {
        let mut changes: BTreeMap<DateTime<Utc>, [i64; 10]> = BTreeMap::new();
        let (mut present, mut rows) = ([0_u64; 10], 0_u64);
        log.each_row(query, |planned, evidence| {
            rows = rows.saturating_add(1);
            if let Some(count) = present.get_mut(place(evidence.status())) {
                *count = count.saturating_add(1);
            }
            let Some(since) = evidence.planned_at() else { return Ok(()) };
            let reached = trails.reached(planned.row.delivery)?;
            let timed =
                reached.into_iter().filter_map(|(status, at)| Some((at?.max(since), status)));
            let mut timed: Vec<_> = timed.collect();
            timed.sort_unstable();
            let mut held = None;
            for (at, status) in timed {
                if held.is_none_or(|held| status > held) {
                    change(&mut changes, at, held, -1);
                    change(&mut changes, at, Some(status), 1);
                    held = Some(status);
                }
            }
            Ok(())
        })?;
        let mut hours: Vec<(Option<DateTime<Utc>>, [u64; 10])> = Vec::new();
        let mut counts = [0_u64; 10];
        for (hour, changed) in changes {
            for (count, change) in counts.iter_mut().zip(changed) {
                *count = count.saturating_add_signed(change);
            }
            hours.push((Some(hour), counts));
        }
        match hours.last_mut() {
            Some((_, last)) => *last = present,
            None if rows > 0 => hours.push((None, present)),
            None => {}
        }
        Ok(Self { hours })
    }

    /// As a report.
    pub fn sheet(&self) -> Sheet {
        let hour = Column::new("hour", "Hour", Kind::Time);
        let counts = Status::ALL.map(|status| {
            Column::new(status.code(), status.label(), Kind::Count).of_group("statuses")
        });
        let mut sheet = Sheet::new(
            "over_time",
            "Broadcast summary over time",
            [hour].into_iter().chain(counts),
        );
        for (hour, counts) in &self.hours {
            let counts = counts.iter().map(|count| Cell::Count(*count));
            sheet.push([Cell::from(*hour)].into_iter().chain(counts));
        }
        sheet.note("The rows by status at the end of each hour (UTC) in which something changed.");
        sheet
    }
}

fn place(status: Status) -> usize {
    Status::ALL.iter().position(|other| *other == status).unwrap_or(0)
}

fn change(
    changes: &mut BTreeMap<DateTime<Utc>, [i64; 10]>,
    at: DateTime<Utc>,
    status: Option<Status>,
    by: i64,
) {
    let Some(status) = status else { return };
    let hour = at.duration_trunc(TimeDelta::hours(1)).unwrap_or(at);
    if let Some(count) = changes.entry(hour).or_default().get_mut(place(status)) {
        *count = count.saturating_add(by);
    }
}
