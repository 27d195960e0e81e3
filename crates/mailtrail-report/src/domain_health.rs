//! Domain health: what the servers of each domain did with our mail, over time.

use std::collections::BTreeMap;

use chrono::{DateTime, Datelike, Days, NaiveDate, NaiveTime, Utc};
use mailtrail_core::event::SuppressedBy;
use mailtrail_core::evidence::Planned;
use mailtrail_core::projection::StateError;
use mailtrail_core::reason::{Group, Reason};
use mailtrail_core::{Evidence, Status};

use crate::email_log::EmailLogState;
use crate::query::Query;
use crate::sheet::{Cell, Chart, Column, Kind, Sheet, Shown};
use crate::spread::Spread;
use crate::summary::Rate;

/// What became of the rows of each recipient domain, by the day or week on which they were sent.
///
/// # What is counted?
/// Rows that were handed over or tried: what we kept back, and what is no address, says nothing of a domain. Days and weeks
/// are those of UTC; a week is named by its Monday. A row that was never taken counts on the day on which that was decided.
///
/// # What is a sudden change?
/// Of each day, the share of rows in trouble (deferred, blocked or given up) is compared with that of the domain's rows of
/// the fourteen days before (of the eight weeks, by week). Both have to be of twenty rows or more, and their intervals must not meet.
///
/// ```
/// use mailtrail_report::{DomainHealth, EmailLogState, Period, Query};
/// let state = EmailLogState::default();             // filled by `mailtrail_core::projection::replay`
/// let health = DomainHealth::of(&state, &Query::default(), Period::Day)?;
/// assert!(health.domains.is_empty());
/// # Ok::<(), mailtrail_core::projection::StateError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DomainHealth {
    /// By what time.
    pub period: Period,
    /// By domain and the first day of the period; rows of which no time is known are under `None`.
    pub domains: BTreeMap<(Box<str>, Option<NaiveDate>), Health>,
}

/// A day, or a week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Period {
    /// By the day.
    #[default]
    Day,
    /// By the week.
    Week,
}

/// What became of some rows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Health {
    /// Handed over or tried.
    pub rows: u64,
    /// Taken by someone.
    pub sent: u64,
    /// At least Delivered.
    pub delivered: u64,
    /// Deferred once or more, whatever came of it.
    pub deferred: u64,
    /// Refused as the provider has the address on a list of its own.
    pub blocked: u64,
    /// Given up, by what it is about, by current readings.
    pub given_up: [u64; 6],
    /// Deferred, blocked or given up, each row once.
    pub in_trouble: u64,
    delay: Spread,
}

/// How a day differs from those before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// More is in trouble.
    Worse,
    /// Less is.
    Better,
}

impl Period {
    fn first_day(self, at: DateTime<Utc>) -> NaiveDate {
        let day = at.date_naive();
        match self {
            Self::Day => day,
            Self::Week => {
                let since_monday = Days::new(day.weekday().num_days_from_monday().into());
                day.checked_sub_days(since_monday).unwrap_or(day)
            }
        }
    }

    /// How far back is compared.
    fn before(self) -> Days {
        match self {
            Self::Day => Days::new(14),
            Self::Week => Days::new(56),
        }
    }
}

impl Health {
    /// How many are in trouble, of those that were tried.
    pub fn trouble(&self) -> Rate {
        Rate::new(self.in_trouble, self.rows)
    }

    fn count(&mut self, evidence: &Evidence) {
        let one = |count: &mut u64, more: bool| *count = count.saturating_add(u64::from(more));
        let status = evidence.status();
        let is_deferred = evidence.deferrals() > 0;
        let is_given_up = matches!(status, Status::Bounced | Status::Failed);
        one(&mut self.rows, true);
        one(&mut self.sent, evidence.is_sent());
        one(&mut self.delivered, status >= Status::Delivered);
        one(&mut self.deferred, is_deferred);
        one(&mut self.blocked, status == Status::Blocked);
        let group = evidence.current_reason().map_or(Group::Unknown, Reason::group);
        let place = GROUPS.iter().position(|(of, ..)| *of == group);
        if let Some(count) = place.and_then(|place| self.given_up.get_mut(place)) {
            one(count, is_given_up);
        }
        let is_in_trouble = is_deferred || is_given_up || status == Status::Blocked;
        one(&mut self.in_trouble, is_in_trouble);
        self.delay.add(evidence.sent_at(), evidence.delivered_at());
    }
}

impl DomainHealth {
    /// Of the rows that a query asks for.
    ///
    /// # Errors
    /// [`StateError`] if the state can't be read.
    pub fn of(state: &EmailLogState, query: &Query, period: Period) -> Result<Self, StateError> {
        let whole = Self::by(state, query, period, None)?.into_values().next();
        Ok(whole.unwrap_or_else(|| Self::of_nothing(period)))
    }

    /// The same by the values of a label as [`summary_by`](EmailLogState::summary_by); without one all are under the empty
    /// value.
    ///
    /// # Errors
    /// As of [`of`](Self::of).
    pub fn by(
        state: &EmailLogState,
        query: &Query,
        period: Period,
        label: Option<&str>,
    ) -> Result<BTreeMap<String, Self>, StateError> {
        let mut groups: BTreeMap<String, Self> = BTreeMap::new();
        state.each_row(query, |planned, evidence| {
            if let Some(domain) = planned.domain().filter(|_| was_tried(evidence)) {
                let day = tried_at(evidence).map(|at| period.first_day(at));
                let group = groups.entry(planned.value(label));
                let group = group.or_insert_with(|| Self::of_nothing(period));
                group.domains.entry((domain, day)).or_default().count(evidence);
            }
            Ok(())
        })?;
        Ok(groups)
    }

    fn of_nothing(period: Period) -> Self {
        Self { period, domains: BTreeMap::new() }
    }

    /// How a day or week of a domain differs from those before it, if it is sure.
    pub fn change(&self, domain: &str, day: NaiveDate) -> Option<Change> {
        let key = |day: NaiveDate| (Box::from(domain), Some(day));
        let (low, high) = self.domains.get(&key(day))?.trouble().interval()?;
        let earliest = day.checked_sub_days(self.period.before())?;
        let before = self.domains.range(key(earliest)..key(day)).map(|(_, health)| health);
        let sum = before.fold(Rate::default(), |sum, health| sum.and(health.trouble()));
        let (low_before, high_before) = sum.interval()?;
        if low > high_before {
            Some(Change::Worse)
        } else {
            (high < low_before).then_some(Change::Better)
        }
    }

    /// As a report.
    pub fn sheet(&self) -> Sheet {
        let mut sheet = Sheet::new("domain_health", "Domain health", columns(self.period));
        let mut troubled: BTreeMap<&str, u64> = BTreeMap::new();
        for ((domain, day), health) in &self.domains {
            let change = day.and_then(|day| self.change(domain, day));
            let words = match change {
                Some(Change::Worse) => "more trouble than before",
                Some(Change::Better) => "less trouble than before",
                None => "",
            };
            let day = day.map(|day| day.and_time(NaiveTime::MIN).and_utc());
            let first = [domain.clone().into(), day.into()];
            let counts =
                [health.rows, health.sent, health.delivered, health.deferred, health.blocked];
            let counts = counts.into_iter().chain(health.given_up).map(Cell::Count);
            let last = [health.trouble().into(), words.into()];
            sheet.push(first.into_iter().chain(counts).chain(health.delay.cells()).chain(last));
            let sum = troubled.entry(domain).or_default();
            *sum = sum.saturating_add(health.in_trouble);
        }
        sheet.note("Trouble: deferred, blocked or given up, of all that was handed over or tried.");
        sheet.note("Days and weeks are those of UTC.");
        let mut bars: Vec<_> = troubled.into_iter().filter(|(_, count)| *count > 0).collect();
        bars.sort_by_key(|(domain, count)| (std::cmp::Reverse(*count), *domain));
        sheet.charts.push(Chart::bars("Rows in trouble", bars));
        sheet
    }
}

fn columns(period: Period) -> impl Iterator<Item = Column> {
    let (day, title) = match period {
        Period::Day => ("day", "Day"),
        Period::Week => ("week", "Week"),
    };
    let first = [
        Column::new("domain", "Domain", Kind::Text),
        Column::new(day, title, Kind::Time),
        Column::new("rows", "Tried", Kind::Count),
        Column::new("sent", "Sent", Kind::Count).shown(Shown::Roomy),
        Column::new("delivered", "Delivered", Kind::Count),
        Column::new("deferred", "Deferred", Kind::Count),
        Column::new("blocked", "Blocked", Kind::Count).shown(Shown::Full),
    ];
    let groups = GROUPS.map(|(_, name, title)| {
        Column::new(name, title, Kind::Count).shown(Shown::Full).of_group("given_up")
    });
    let delay = Spread::columns("delay", "Delay").map(|column| column.shown(Shown::Roomy));
    let last = [
        Column::new("trouble", "Trouble", Kind::Rate),
        Column::new("sudden_change", "Sudden change", Kind::Text),
    ];
    first.into_iter().chain(groups).chain(delay).chain(last)
}

/// Whether someone was asked to take it. What we kept back ourselves, or never could send, was not.
fn was_tried(evidence: &Evidence) -> bool {
    let by_us = evidence
        .why()
        .and_then(|why| why.blocked)
        .is_some_and(|(by, ..)| by != SuppressedBy::Provider);
    match evidence.status() {
        Status::Unsent | Status::NoEmailSelected | Status::Duplicate => false,
        Status::Blocked => !by_us,
        Status::Failed => evidence.planned() != Some(Planned::Malformed) || evidence.is_sent(),
        Status::Sent
        | Status::SoftBounced
        | Status::Bounced
        | Status::Delivered
        | Status::Opened => true,
    }
}

/// When it was handed over, or what became of it was decided.
fn tried_at(evidence: &Evidence) -> Option<DateTime<Utc>> {
    let decided = evidence.decided_by().and_then(|moment| moment.at);
    evidence.sent_at().or(evidence.delivered_at()).or(decided).or(evidence.planned_at())
}

const GROUPS: [(Group, &str, &str); 6] = [
    (Group::Address, "address", "Given up: address"),
    (Group::Mailbox, "mailbox", "Given up: mailbox"),
    (Group::Policy, "policy", "Given up: policy"),
    (Group::Content, "content", "Given up: content"),
    (Group::Network, "network", "Given up: network"),
    (Group::Unknown, "unknown", "Given up: unknown"),
];
