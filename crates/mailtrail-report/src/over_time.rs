//! The ten counts as they were.

use chrono::{DateTime, TimeDelta, Utc};
use mailtrail_core::projection::StateError;
use mailtrail_core::{BroadcastId, Status};

use crate::course::Course;
use crate::email_log::EmailLogState;
use crate::query::Query;
use crate::sheet::{Cell, Chart, Column, Kind, Sheet};
use crate::trails::TrailsState;

/// How many rows had each status at the end of each hour, or another span, in which something changed, by when things happened.
///
/// A row counts from when it was planned. What has no time counts from the last hour on, so that the last counts are those of
/// the [`Summary`](crate::Summary).
///
/// ```
/// use mailtrail_report::{EmailLogState, OverTime, Query, TrailsState};
/// let (log, trails) = (EmailLogState::default(), TrailsState::default());
/// assert!(OverTime::of(&log, &trails, &Query::default())?.counts.is_empty());
/// # Ok::<(), mailtrail_core::projection::StateError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct OverTime {
    /// How long each span is.
    pub span: TimeDelta,
    /// The beginning of each span in which something changed, and the rows by status at its end, in the order of
    /// [`Status::ALL`]. Without a beginning if nothing has a time.
    pub counts: Vec<(Option<DateTime<Utc>>, [u64; 10])>,
}

impl OverTime {
    /// By the hour, of the rows that a query asks for by what they are now. The trails are of the same log as the Email Log.
    ///
    /// # Errors
    /// [`StateError`] if a state can't be read.
    pub fn of(
        log: &EmailLogState,
        trails: &TrailsState,
        query: &Query,
    ) -> Result<Self, StateError> {
        let mut course = Course::default();
        log.each_row(query, |planned, _| {
            course.add(&trails.life(planned.row.delivery)?);
            Ok(())
        })?;
        Ok(Self::by(&course, HOUR, i64::MAX))
    }

    /// Of all rows of a broadcast, in at most so many spans, as short as they can be for that: minutes at first, weeks at last.
    /// It is kept ready, and read without the rows. What claims to be later than now counts from the last span on.
    ///
    /// ```
    /// use mailtrail_report::{OverTime, TrailsState};
    /// let trails = TrailsState::default();              // filled by `mailtrail_core::projection::replay`
    /// let over_time = OverTime::of_broadcast(&trails, &"snow-day".parse()?, 48, chrono::DateTime::UNIX_EPOCH)?;
    /// assert!(over_time.counts.is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`StateError`] if a state can't be read.
    pub fn of_broadcast(
        trails: &TrailsState,
        broadcast: &BroadcastId,
        most: usize,
        now: DateTime<Utc>,
    ) -> Result<Self, StateError> {
        let (course, until) = (trails.course(broadcast)?, now.timestamp().div_euclid(60));
        let mut longer = SPANS.into_iter();
        let mut span = 1;
        loop {
            let over_time = Self::by(&course, span, until);
            if over_time.counts.len() <= most.max(1) {
                return Ok(over_time);
            }
            // A clock that lies makes for spans of years.
            span = longer.next().unwrap_or_else(|| span.saturating_mul(2));
        }
    }

    fn by(course: &Course, span: i64, until: i64) -> Self {
        let begins = |minute: i64| DateTime::from_timestamp(minute.saturating_mul(60), 0);
        let counts = course.by(span, until).into_iter();
        let mut counts: Vec<_> = counts.map(|(minute, counts)| (begins(minute), counts)).collect();
        let present = course.present();
        match counts.last_mut() {
            Some((_, last)) => *last = present,
            None if present != [0; 10] => counts.push((None, present)),
            None => {}
        }
        Self { span: TimeDelta::minutes(span), counts }
    }

    /// As a report.
    pub fn sheet(&self) -> Sheet {
        let time = Column::new("time", "Time", Kind::Time);
        let of_statuses = Status::ALL.map(|status| {
            Column::new(status.code(), status.label(), Kind::Count).of_group("statuses")
        });
        let columns = [time].into_iter().chain(of_statuses);
        let mut sheet = Sheet::new("over_time", "Broadcast summary over time", columns);
        for (time, counts) in &self.counts {
            let counts = counts.iter().map(|count| Cell::Count(*count));
            sheet.push([Cell::from(*time)].into_iter().chain(counts));
        }
        let span = words(self.span);
        sheet.note(format!(
            "The rows by status at the end of each {span} (UTC) in which something changed, by when it began."
        ));
        let moments: Vec<_> = self.counts.iter().filter_map(|(time, _)| *time).collect();
        let line = |place: usize| -> Vec<u64> {
            self.counts.iter().filter_map(|(_, counts)| counts.get(place).copied()).collect()
        };
        let lines =
            Status::ALL.iter().enumerate().map(|(place, status)| (status.label(), line(place)));
        let lines = lines.filter(|(_, counts)| counts.iter().any(|count| *count > 0));
        sheet.charts.push(Chart::lines("Delivery Results over time", moments, lines));
        sheet
    }
}

/// A span, as one says it.
fn words(span: TimeDelta) -> String {
    for (unit, name) in [
        (TimeDelta::weeks(1), "week"),
        (TimeDelta::days(1), "day"),
        (TimeDelta::hours(1), "hour"),
        (TimeDelta::minutes(1), "minute"),
    ] {
        let (count, rest) =
            (span.num_minutes() / unit.num_minutes(), span.num_minutes() % unit.num_minutes());
        match (count, rest) {
            (1, 0) => return name.to_owned(),
            (count, 0) if count > 0 => return format!("{count} {name}s"),
            _ => {}
        }
    }
    String::new()
}

/// In minutes.
const HOUR: i64 = 60;
/// The spans after a minute.
const SPANS: [i64; 6] = [5, 15, HOUR, 4 * HOUR, 24 * HOUR, 7 * 24 * HOUR];
