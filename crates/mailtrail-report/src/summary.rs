//! The counts of a broadcast: ten exclusive statuses that add up to its rows.

use std::collections::BTreeMap;

use mailtrail_core::{Evidence, Status};
use serde::Serialize;

use crate::sheet::{Cell, Chart, Column, Kind, Sheet};

/// The counts of some rows.
///
/// ```
/// use mailtrail_core::{Evidence, Status};
/// use mailtrail_report::Summary;
/// let mut summary = Summary::default();
/// summary.count(&Evidence::default());
/// assert_eq!(summary.of(Status::Unsent), 1);
/// assert_eq!(summary.rows(), 1);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Summary {
    /// Rows by status; a status without rows is absent.
    pub statuses: BTreeMap<Status, u64>,
    /// Rows of at least Delivered that a refusal speaks against.
    pub bounced_after_delivery: u64,
    /// Rows whose recipient complained.
    pub complained: u64,
    /// Rows whose recipient unsubscribed.
    pub unsubscribed: u64,
    /// Rows with an attempt in doubt.
    pub in_doubt: u64,
}

/// A count with its base.
///
/// ```
/// use mailtrail_core::Evidence;
/// use mailtrail_report::Summary;
/// let mut summary = Summary::default();
/// assert_eq!(summary.reached().per_mille(), None);        // of nothing
/// summary.count(&Evidence::default());
/// let reached = summary.reached();
/// assert_eq!((reached.count, reached.of, reached.per_mille()), (0, 1, Some(0)));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
pub struct Rate {
    /// How many.
    pub count: u64,
    /// Of how many.
    pub of: u64,
}

impl Rate {
    /// In tenths of a percent, rounded; `None` of nothing.
    pub fn per_mille(self) -> Option<u64> {
        let half = self.of.checked_div(2)?;
        self.count.checked_mul(1_000)?.checked_add(half)?.checked_div(self.of)
    }

    /// Between which tenths of a percent the rate lies that such a count speaks for, in 19 of 20 cases (Wilson's score
    /// interval). `None` where it is of so few that it says nothing.
    ///
    /// ```
    /// use mailtrail_report::Rate;
    /// assert_eq!(Rate::new(40, 100).interval(), Some((309, 498)));
    /// assert_eq!(Rate::new(4, 5).interval(), None);
    /// ```
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 0 and 1,000"
    )]
    pub fn interval(self) -> Option<(u64, u64)> {
        if self.of < FEW {
            return None;
        }
        let (count, of) = (self.count.min(self.of) as f64, self.of as f64);
        let (share, spread) = (count / of, Z * Z / of);
        let middle = (share + spread / 2.0) / (1.0 + spread);
        let half = Z / (1.0 + spread) * (share * (1.0 - share) / of + spread / of / 4.0).sqrt();
        let per_mille = |share: f64| (share.clamp(0.0, 1.0) * 1_000.0).round() as u64;
        Some((per_mille(middle - half), per_mille(middle + half)))
    }

    /// So many of so many.
    pub const fn new(count: u64, of: u64) -> Self {
        Self { count, of }
    }

    /// Of two groups together.
    pub(crate) fn and(self, other: Self) -> Self {
        let (count, of) =
            (self.count.saturating_add(other.count), self.of.saturating_add(other.of));
        Self { count, of }
    }

    /// With one more, which counts or does not.
    pub(crate) fn with(self, counts: bool) -> Self {
        self.and(Self::new(u64::from(counts), 1))
    }

    /// In percent, rounded up: for charts.
    pub(crate) fn percent(self) -> u64 {
        self.per_mille().unwrap_or(0).div_ceil(10)
    }
}

impl Summary {
    /// Counts one row.
    pub fn count(&mut self, evidence: &Evidence) {
        let one = |count: &mut u64, more: bool| *count = count.saturating_add(u64::from(more));
        one(self.statuses.entry(evidence.status()).or_default(), true);
        one(&mut self.bounced_after_delivery, !evidence.contradictions().is_empty());
        one(&mut self.complained, evidence.complained().is_some());
        one(&mut self.unsubscribed, evidence.unsubscribed().is_some());
        one(&mut self.in_doubt, evidence.in_doubt().next().is_some());
    }

    /// Adds the counts of other rows.
    pub fn add(&mut self, other: &Self) {
        let add = |count: &mut u64, more: u64| *count = count.saturating_add(more);
        for (status, more) in &other.statuses {
            add(self.statuses.entry(*status).or_default(), *more);
        }
        add(&mut self.bounced_after_delivery, other.bounced_after_delivery);
        add(&mut self.complained, other.complained);
        add(&mut self.unsubscribed, other.unsubscribed);
        add(&mut self.in_doubt, other.in_doubt);
    }

    /// The rows of a status.
    pub fn of(&self, status: Status) -> u64 {
        self.statuses.get(&status).copied().unwrap_or(0)
    }

    /// All rows: the sum over the ten statuses.
    pub fn rows(&self) -> u64 {
        self.statuses.values().copied().fold(0, u64::saturating_add)
    }

    /// Delivered + Opened, of the rows that could be sent.
    pub fn reached(&self) -> Rate {
        self.rate(&[Status::Delivered, Status::Opened])
    }

    /// Opened, of the rows that could be sent.
    pub fn read(&self) -> Rate {
        self.rate(&[Status::Opened])
    }

    /// Bounced + Failed, of the rows that could be sent.
    pub fn needs_attention(&self) -> Rate {
        self.rate(&[Status::Bounced, Status::Failed])
    }

    fn rate(&self, statuses: &[Status]) -> Rate {
        let count = statuses.iter().map(|status| self.of(*status)).fold(0, u64::saturating_add);
        let left_out = [Status::NoEmailSelected, Status::Duplicate];
        let of =
            left_out.iter().fold(self.rows(), |of, status| of.saturating_sub(self.of(*status)));
        Rate { count, of }
    }

    /// The counts as a report: one row of it for each group, by the values of a label; without a label one row.
    pub fn sheet(groups: &BTreeMap<String, Self>, label: Option<&str>) -> Sheet {
        let of_label = label.map(|label| Column::new(label, label, Kind::Text));
        let counts = Status::ALL.map(|status| {
            Column::new(status.code(), status.label(), Kind::Count).of_group("statuses")
        });
        let others = [
            ("rows", "Rows", Kind::Count),
            ("reached", "Reached", Kind::Rate),
            ("read", "Read", Kind::Rate),
            ("needs_attention", "Needs attention", Kind::Rate),
            ("bounced_after_delivery", "Bounced after delivery", Kind::Count),
            ("complained", "Complained", Kind::Count),
            ("unsubscribed", "Unsubscribed", Kind::Count),
            ("in_doubt", "In doubt", Kind::Count),
        ];
        let others = others.map(|(name, title, kind)| Column::new(name, title, kind));
        let columns = of_label.into_iter().chain(counts).chain(others);
        let mut sheet = Sheet::new("summary", "Broadcast summary", columns);
        let mut whole = Self::default();
        for (value, summary) in groups {
            let value = label.map(|_| Cell::from(value.as_str()));
            sheet.push(value.into_iter().chain(summary.cells()));
            whole.add(summary);
        }
        let bars = Status::ALL.map(|status| (status.label(), whole.of(status)));
        sheet.charts.push(Chart::bars("Delivery Results", bars));
        sheet.is_tall = true;
        sheet
    }

    /// How far rows came, from planned to read, as a report: each step with those of the one before.
    ///
    /// ```
    /// use mailtrail_core::Evidence;
    /// use mailtrail_report::{Summary, render};
    /// let mut summary = Summary::default();
    /// summary.count(&Evidence::default());
    /// assert!(render::json(&summary.funnel())?.ends_with("{\"step\":\"Read\",\"rows\":0,\"of_before\":{\"count\":0,\"of\":0}}\n"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn funnel(&self) -> Sheet {
        let waiting = self.of(Status::Unsent).saturating_add(self.of(Status::Blocked));
        let to_send = self.reached().of;
        let steps = [
            ("Planned", self.rows()),
            ("To be sent", to_send),
            ("Sent or tried", to_send.saturating_sub(waiting)),
            ("Reached", self.reached().count),
            ("Read", self.read().count),
        ];
        let columns = [
            Column::new("step", "Step", Kind::Text),
            Column::new("rows", "Rows", Kind::Count),
            Column::new("of_before", "Of the step before", Kind::Rate),
        ];
        let mut sheet = Sheet::new("funnel", "From planned to read", columns);
        let mut before = None;
        for (step, rows) in steps {
            sheet.push([step.into(), rows.into(), before.map(|of| Rate::new(rows, of)).into()]);
            before = Some(rows);
        }
        sheet.note("To be sent: without No Email Selected and Duplicate. Sent or tried: of these, without Unsent and Blocked.");
        sheet.charts.push(Chart::bars("From planned to read", steps));
        sheet
    }

    fn cells(&self) -> impl Iterator<Item = Cell> {
        let counts = Status::ALL.map(|status| Cell::Count(self.of(status)));
        let others = [
            self.rows().into(),
            self.reached().into(),
            self.read().into(),
            self.needs_attention().into(),
            self.bounced_after_delivery.into(),
            self.complained.into(),
            self.unsubscribed.into(),
            self.in_doubt.into(),
        ];
        counts.into_iter().chain(others)
    }
}

/// Nothing is claimed of fewer.
const FEW: u64 = 20;
/// Nineteen of twenty values of a normal distribution are no more standard deviations away.
const Z: f64 = 1.96;
