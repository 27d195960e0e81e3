//! A broadcast beside the last ones of its type.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use mailtrail_core::BroadcastId;
use mailtrail_core::id::Kind as BroadcastKind;
use mailtrail_core::projection::StateError;

use crate::email_log::EmailLogState;
use crate::query::Query;
use crate::sheet::{Cell, Chart, Column, Kind, Sheet};
use crate::summary::{Rate, Summary};
use crate::times::Times;

/// A broadcast, and the last ones of the same type before it.
///
/// ```
/// use mailtrail_report::{Comparison, EmailLogState, Query};
/// let state = EmailLogState::default();
/// let comparison = Comparison::of(&state, &Query::of("snow-day".parse()?), 3)?;
/// assert!(comparison.broadcasts.is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Comparison {
    /// The broadcast itself, then those before it, the latest first.
    pub broadcasts: Vec<Compared>,
}

/// The numbers of one broadcast.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Compared {
    /// The broadcast.
    pub broadcast: BroadcastId,
    /// When its first row was planned.
    pub planned: Option<DateTime<Utc>>,
    /// Its counts.
    pub summary: Summary,
    /// Its times.
    pub times: Times,
}

impl Comparison {
    /// The broadcast of a query with so many before it; the latest one, if the query names none. What else the query asks
    /// of rows is asked of all of them.
    ///
    /// # Errors
    /// [`StateError`] if the state can't be read.
    pub fn of(state: &EmailLogState, query: &Query, count: usize) -> Result<Self, StateError> {
        let mut all: BTreeMap<BroadcastId, (BroadcastKind, Compared)> = BTreeMap::new();
        let mut of_all = query.clone();
        of_all.broadcast = None;
        state.each_row(&of_all, |planned, evidence| {
            let row = &planned.row;
            let (_, compared) = all.entry(row.broadcast.clone()).or_insert_with(|| {
                let broadcast = row.broadcast.clone();
                let (summary, times) = (Summary::default(), Times::default());
                (row.kind.clone(), Compared { broadcast, planned: None, summary, times })
            });
            let planned = evidence.planned_at();
            compared.planned = compared.planned.into_iter().chain(planned).min();
            compared.summary.count(evidence);
            compared.times.add(evidence);
            Ok(())
        })?;
        let mut all: Vec<_> = all.into_values().collect();
        all.sort_by(|(_, one), (_, other)| {
            (other.planned, &other.broadcast).cmp(&(one.planned, &one.broadcast))
        });
        let is_it = |(_, compared): &(BroadcastKind, Compared)| {
            query.broadcast.as_ref().is_none_or(|broadcast| *broadcast == compared.broadcast)
        };
        let Some(place) = all.iter().position(is_it) else { return Ok(Self::default()) };
        let of_kind = all.get(place).map(|(kind, _)| kind.clone());
        let alike = all.into_iter().skip(place).filter(|(kind, _)| Some(kind) == of_kind.as_ref());
        let broadcasts = alike.map(|(_, compared)| compared).take(count.saturating_add(1));
        Ok(Self { broadcasts: broadcasts.collect() })
    }

    /// As a report.
    pub fn sheet(&self) -> Sheet {
        let columns = [
            ("broadcast", "Broadcast", Kind::Text),
            ("planned", "Planned", Kind::Time),
            ("rows", "Rows", Kind::Count),
            ("reached", "Reached", Kind::Rate),
            ("read", "Read", Kind::Estimate),
            ("needs_attention", "Needs attention", Kind::Rate),
        ];
        let columns = columns.map(|(name, title, kind)| Column::new(name, title, kind));
        let columns = columns.into_iter().chain(Times::columns());
        let mut sheet = Sheet::new("comparison", "Broadcasts of the same type", columns);
        for one in &self.broadcasts {
            let cells = [
                Cell::from(one.broadcast.as_str()),
                one.planned.into(),
                one.summary.rows().into(),
                one.summary.reached().into(),
                one.summary.read().into(),
                one.summary.needs_attention().into(),
            ];
            sheet.push(cells.into_iter().chain(one.times.cells()));
        }
        let said = [
            self.says("reached", Summary::reached),
            self.says("read", Summary::read),
            self.says("in need of attention", Summary::needs_attention),
        ];
        sheet.notes.extend(said.into_iter().flatten());
        let bars = self.broadcasts.iter().filter(|one| one.summary.read().interval().is_some());
        let bars = bars.map(|one| (one.broadcast.as_str(), one.summary.read().percent()));
        sheet.charts.push(Chart::bars("Read, in percent", bars));
        sheet
    }

    /// Whether a rate lies apart from that of those before, if it is sure.
    fn says(&self, what: &str, rate: fn(&Summary) -> Rate) -> Option<String> {
        let (this, before) = self.broadcasts.split_first()?;
        let sum = before.iter().fold(Rate::default(), |sum, one| sum.and(rate(&one.summary)));
        let ((low, high), (low_before, high_before)) =
            rate(&this.summary).interval().zip(sum.interval())?;
        let how = if low > high_before {
            "More"
        } else if high < low_before {
            "Fewer"
        } else {
            return None;
        };
        Some(format!("{how} {what} than of the {} before.", before.len()))
    }
}
