//! A query, as it is asked of columns.

use std::ops::RangeInclusive;

use chrono::DateTime;
use mailtrail_core::{DeliveryId, Status};

use super::EmailLogIndex;
use super::columns::{Cells, NO_TIME, RowNumber, at};
use super::labels::value;
use super::texts::{Code, Texts};
use crate::course::place;
use crate::query::{Query, is};
use crate::render;
use crate::row::EmailLogRow;
use crate::sheet::Cell;

/// What rows have to have, all of it. It is made once for a query; then a row costs a few comparisons of numbers.
pub(super) struct Matching<'a>(Vec<Condition<'a>>);

enum Condition<'a> {
    Never,
    Delivery(&'a [DeliveryId], DeliveryId),
    Text(&'a [Code], Code),
    Time(&'a [i64], RangeInclusive<i64>),
    Count(&'a [u32], u32),
    Status(&'a [u8], u16),
    Flag(&'a [bool], bool),
    /// For each set of labels, whether it is one.
    Labels(&'a [u32], Vec<bool>),
    Says(Says<'a>),
}

/// The rows that say something.
struct Says<'a> {
    index: &'a EmailLogIndex,
    texts: Vec<bool>,
    labels: Vec<bool>,
    statuses: u16,
    delivery: Option<DeliveryId>,
}

impl<'a> Matching<'a> {
    /// All that a query asks for but the broadcast.
    pub(super) fn of(index: &'a EmailLogIndex, query: &Query) -> Self {
        let mut conditions = Vec::new();
        if !query.statuses.is_empty() {
            let statuses = query.statuses.iter().fold(0, |set, status| set | bit(*status));
            conditions.push(of_statuses(index, statuses));
        }
        let labels = query.labels.iter().map(|(name, value)| of_label(index, name, value));
        let columns = query.columns.iter().map(|(name, value)| of_column(index, name, value));
        conditions.extend(labels.chain(columns));
        if let Some(text) = &query.search {
            conditions.push(Condition::Says(Says::of(index, &text.to_lowercase())));
        }
        Self(conditions)
    }

    /// Leaves those that match, each with its place.
    pub(super) fn retain(&self, rows: &mut Vec<(u32, RowNumber)>) {
        for condition in &self.0 {
            condition.retain(rows);
        }
    }
}

impl Condition<'_> {
    fn retain(&self, rows: &mut Vec<(u32, RowNumber)>) {
        match self {
            Self::Never => rows.clear(),
            Self::Delivery(deliveries, delivery) => {
                rows.retain(|(_, row)| deliveries.get(*row as usize) == Some(delivery));
            }
            Self::Text(codes, code) => rows.retain(|(_, row)| at(codes, *row) == *code),
            Self::Time(times, range) => rows.retain(|(_, row)| range.contains(&at(times, *row))),
            Self::Count(counts, count) => rows.retain(|(_, row)| at(counts, *row) == *count),
            Self::Status(statuses, set) => {
                rows.retain(|(_, row)| has(*set, at(statuses, *row)));
            }
            Self::Flag(flags, flag) => rows.retain(|(_, row)| at(flags, *row) == *flag),
            Self::Labels(sets, admitted) => rows.retain(|(_, row)| at(admitted, at(sets, *row))),
            Self::Says(says) => rows.retain(|(_, row)| says.admits(*row)),
        }
    }
}

impl<'a> Says<'a> {
    fn of(index: &'a EmailLogIndex, text: &str) -> Self {
        let texts = index.texts.saying(text);
        let labels = index.labels.map(|set| set.iter().any(|(_, value)| at(&texts, *value)));
        let says = |status: &Status| status.label().to_lowercase().contains(text);
        let statuses = Status::ALL.iter().filter(|status| says(status));
        let statuses = statuses.fold(0, |set, status| set | bit(*status));
        let delivery = text.parse().ok().filter(|id: &DeliveryId| id.to_string() == text);
        Self { index, texts, labels, statuses, delivery }
    }

    fn admits(&self, row: RowNumber) -> bool {
        let columns = &self.index.columns;
        columns.says(row, &self.texts)
            || at(&self.labels, at(&columns.labels, row))
            || self.delivery.is_some_and(|delivery| columns.delivery(row) == delivery)
            || matches!(columns.cells(EmailLogRow::STATUS), Cells::Statuses(statuses) if has(self.statuses, at(statuses, row)))
    }
}

fn of_statuses(index: &EmailLogIndex, set: u16) -> Condition<'_> {
    match index.columns.cells(EmailLogRow::STATUS) {
        Cells::Statuses(statuses) => Condition::Status(statuses, set),
        _ => Condition::Never,
    }
}

/// Rows without the label have the empty value.
fn of_label<'a>(index: &'a EmailLogIndex, name: &str, wanted: &str) -> Condition<'a> {
    let (name, wanted) = (index.texts.find(name), index.texts.find(wanted));
    let admitted = index.labels.map(|set| {
        let own = name.and_then(|name| value(set, name)).unwrap_or(Texts::EMPTY);
        Some(own) == wanted
    });
    Condition::Labels(&index.columns.labels, admitted)
}

fn of_column<'a>(index: &'a EmailLogIndex, name: &str, value: &str) -> Condition<'a> {
    let Some(column) = EmailLogRow::column(name) else { return Condition::Never };
    let condition = match index.columns.cells(column) {
        Cells::Deliveries => {
            let delivery = value.parse().ok();
            let as_written = delivery.filter(|delivery: &DeliveryId| delivery.to_string() == value);
            as_written.map(|delivery| Condition::Delivery(&index.columns.deliveries, delivery))
        }
        Cells::Texts(codes) => index.texts.find(value).map(|code| Condition::Text(codes, code)),
        Cells::Times(times) => Some(Condition::Time(times, beginning(value))),
        Cells::Counts(counts) => {
            let count = value.parse().ok().filter(|count: &u32| count.to_string() == value);
            count.map(|count| Condition::Count(counts, count))
        }
        Cells::Statuses(statuses) => {
            let is_it = |status: &&Status| is(&Cell::Status(**status), value);
            let set = Status::ALL.iter().filter(is_it).fold(0, |set, status| set | bit(*status));
            Some(Condition::Status(statuses, set))
        }
        Cells::Flags(flags) => {
            let flag = [true, false].into_iter().find(|flag| is(&Cell::Flag(*flag), value));
            flag.map(|flag| Condition::Flag(flags, flag))
        }
    };
    condition.unwrap_or(Condition::Never)
}

/// The times whose text begins so; nothing else than no time for the empty text. Texts of times are as wide as each other,
/// so their order is that of the times.
fn beginning(text: &str) -> RangeInclusive<i64> {
    if text.is_empty() {
        return NO_TIME..=NO_TIME;
    }
    let written = |second: i64| {
        DateTime::from_timestamp(second, 0)
            .map_or_else(String::new, |at| render::plain(&Cell::Time(at)))
    };
    let first = first_where(|second| written(second).as_str() >= text);
    let past = first_where(|second| {
        let written = written(second);
        written.as_str() >= text && !written.starts_with(text)
    });
    let micros = |second: i64| second.saturating_mul(1_000_000);
    micros(first)..=micros(past).saturating_sub(1)
}

/// The first second of the years 0 to 9999, or the one behind them, where something has become true for good.
fn first_where(is_true: impl Fn(i64) -> bool) -> i64 {
    let (mut low, mut high) = (YEAR_0, YEAR_10_000);
    while low < high {
        // Downwards, also before 1970.
        let middle = low.saturating_add(high).div_euclid(2);
        if is_true(middle) { high = middle } else { low = middle.saturating_add(1) }
    }
    low
}

fn bit(status: Status) -> u16 {
    1 << place(status)
}

fn has(set: u16, place: u8) -> bool {
    set >> place & 1 == 1
}

const YEAR_0: i64 = -62_167_219_200;
const YEAR_10_000: i64 = 253_402_300_800;
