//! The order of rows: their own, and that of a column.

use std::cmp::Ordering;

use mailtrail_core::BroadcastId;

use super::EmailLogIndex;
use super::columns::{Cells, NO_TIME, RowNumber, at};
use super::labels::value;
use super::leading::leading;
use super::matching::Matching;
use super::texts::{Code, Texts};
use crate::page::{Cursor, Sort, Value};
use crate::row::EmailLogRow;

/// The place of a row where they are sorted: by a key, and among equals their own order decides.
type Place = (u128, u32);

impl EmailLogIndex {
    /// The rows of a broadcast, or of all, in order, each with its place in it.
    pub(super) fn in_order(&self, broadcast: Option<&BroadcastId>) -> InOrder<'_> {
        let of = |row: &RowNumber| self.texts.given(self.place(*row).0);
        let (from, to) = broadcast.map_or((0, self.order.len()), |broadcast| {
            let text = broadcast.as_str().as_bytes();
            let from = self.order.partition_point(|row| of(row) < text);
            (from, self.order.partition_point(|row| of(row) <= text))
        });
        InOrder { from, rows: self.order.get(from..to).unwrap_or_default() }
    }

    pub(super) fn place(&self, row: RowNumber) -> (Code, Code, Code) {
        (
            self.text(EmailLogRow::BROADCAST, row),
            self.text(EmailLogRow::CONTACT, row),
            at(&self.columns.addresses, row),
        )
    }

    /// Puts rows that are new, or whose place has changed, into the order of all.
    pub(super) fn put_in_order(&mut self, mut moved: Vec<RowNumber>) {
        if moved.is_empty() {
            return;
        }
        moved.sort_unstable();
        moved.dedup();
        let is_new = moved.first().is_none_or(|first| *first as usize >= self.order.len());
        let mut order = std::mem::take(&mut self.order);
        if !is_new {
            order.retain(|row| moved.binary_search(row).is_err());
        }
        moved.sort_unstable_by(|one, other| self.compare(*one, *other));
        let mut merged = Vec::with_capacity(order.len().saturating_add(moved.len()));
        let mut old = order.as_slice();
        for row in moved {
            let before = leading(old, |other| self.compare(*other, row).is_lt());
            let (earlier, later) = old.split_at_checked(before).unwrap_or((old, &[]));
            merged.extend_from_slice(earlier);
            merged.push(row);
            old = later;
        }
        merged.extend_from_slice(old);
        self.order = merged;
    }

    /// The order that is asked for.
    pub(super) fn sorted(&self, sort: Option<&Sort>) -> Sorted<'_> {
        let by = sort.map_or(By::Own, |sort| {
            EmailLogRow::column(&sort.column).map_or_else(
                || By::Label(&self.columns.labels, self.of_label(&sort.column)),
                |column| By::Cells(self.columns.cells(column)),
            )
        });
        Sorted { index: self, by, is_descending: sort.is_some_and(|sort| sort.is_descending) }
    }

    /// Where rows have their own order.
    fn compare(&self, one: RowNumber, other: RowNumber) -> Ordering {
        let by = |one: Code, other: Code| {
            if one == other {
                return Ordering::Equal;
            }
            self.texts.given(one).cmp(self.texts.given(other))
        };
        let (own, others) = (self.place(one), self.place(other));
        by(own.0, others.0)
            .then_with(|| by(own.1, others.1))
            .then_with(|| by(own.2, others.2))
            .then_with(|| self.columns.delivery(one).cmp(&self.columns.delivery(other)))
    }

    fn text(&self, column: usize, row: RowNumber) -> Code {
        match self.columns.cells(column) {
            Cells::Texts(codes) => at(codes, row),
            _ => Texts::EMPTY,
        }
    }

    /// The value of a label in each set.
    fn of_label(&self, name: &str) -> Vec<Code> {
        let name = self.texts.find(name);
        self.labels.map(|set| name.and_then(|name| value(set, name)).unwrap_or(Texts::EMPTY))
    }
}

/// Rows in order.
#[derive(Clone, Copy)]
pub(super) struct InOrder<'a> {
    from: usize,
    rows: &'a [RowNumber],
}

impl<'a> InOrder<'a> {
    pub(super) fn iter(self) -> impl Iterator<Item = RowNumber> + use<'a> {
        self.rows.iter().copied()
    }

    /// Some at a time: then what is asked of each is asked of all of them, one after the other, which is what processors do
    /// fast.
    fn chunks(self) -> impl Iterator<Item = impl Iterator<Item = (u32, RowNumber)> + use<'a>> {
        let from = u32::try_from(self.from).unwrap_or(u32::MAX);
        let starts = (from..).step_by(AT_ONCE);
        starts
            .zip(self.rows.chunks(AT_ONCE))
            .map(|(start, rows)| (start..).zip(rows.iter().copied()))
    }
}

/// An order of rows.
pub(super) struct Sorted<'a> {
    index: &'a EmailLogIndex,
    by: By<'a>,
    is_descending: bool,
}

enum By<'a> {
    Own,
    Cells(&'a Cells),
    Label(&'a [u32], Vec<Code>),
}

impl Sorted<'_> {
    /// The first rows that match, behind a row: one more than asked for if there are, and how many there are in all.
    pub(super) fn first(
        &self,
        rows: InOrder<'_>,
        matching: &Matching<'_>,
        after: Option<(&Cursor, RowNumber)>,
        limit: Option<usize>,
    ) -> (Vec<RowNumber>, u64) {
        let after = after.map(|(cursor, row)| self.place_of(cursor, row));
        let wanted = limit.map_or(usize::MAX, |limit| limit.saturating_add(1));
        // So many that it is seldom looked which of them are the first.
        let most = wanted.saturating_mul(8).max(MANY);
        let mut first: Vec<(Place, RowNumber)> = Vec::new();
        let (mut last, mut count, mut some) = (None, 0_usize, Vec::with_capacity(AT_ONCE));
        for rows in rows.chunks() {
            some.clear();
            some.extend(rows);
            matching.retain(&mut some);
            count = count.saturating_add(some.len());
            for (own, row) in some.iter().copied() {
                let place = self.place(own, row);
                let is_before = after.is_some_and(|after| place <= after);
                if is_before || last.is_some_and(|last| place > last) {
                    continue;
                }
                first.push((place, row));
                if first.len() >= most {
                    let (_, wanted_last, _) = first.select_nth_unstable(wanted.saturating_sub(1));
                    last = Some(wanted_last.0);
                    first.truncate(wanted);
                }
            }
        }
        first.sort_unstable();
        first.truncate(wanted);
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        (first.into_iter().map(|(_, row)| row).collect(), count)
    }

    /// Where the page begins that follows this row.
    pub(super) fn cursor(&self, row: RowNumber) -> Cursor {
        Cursor { delivery: self.index.columns.delivery(row), value: self.value(row) }
    }

    fn place(&self, own: u32, row: RowNumber) -> Place {
        let text = |code: Code| match code {
            Texts::EMPTY => LAST,
            code => self.directed(self.index.texts.place(code)),
        };
        let key = match &self.by {
            By::Own => 0,
            By::Label(sets, codes) => text(at(codes, at(sets, row))),
            By::Cells(Cells::Texts(codes)) => text(at(codes, row)),
            By::Cells(Cells::Deliveries) => {
                let key = u128::from_be_bytes(*self.index.columns.delivery(row).as_bytes());
                if self.is_descending { !key } else { key }
            }
            By::Cells(_) => self.key_of(self.value(row)),
        };
        (key, own)
    }

    /// The place of a cursor's row, as it was when its page was made.
    fn place_of(&self, cursor: &Cursor, row: RowNumber) -> Place {
        let is_before = |other: &RowNumber| self.index.compare(*other, row).is_lt();
        let at = self.index.order.partition_point(is_before);
        let at = u32::try_from(at).unwrap_or(u32::MAX);
        match cursor.value {
            Value::Unstated => self.place(at, row),
            value => (self.key_of(value), at),
        }
    }

    fn key_of(&self, value: Value) -> u128 {
        match value {
            // In the order of the numbers.
            Value::Number(number) => self.directed(number.abs_diff(i64::MIN)),
            Value::Empty | Value::Unstated => LAST,
        }
    }

    fn directed(&self, key: u64) -> u128 {
        u128::from(if self.is_descending { !key } else { key })
    }

    /// The value by which a row is sorted.
    fn value(&self, row: RowNumber) -> Value {
        let By::Cells(cells) = &self.by else { return Value::Unstated };
        match cells {
            Cells::Deliveries | Cells::Texts(_) => Value::Unstated,
            Cells::Times(times) => match at(times, row) {
                NO_TIME => Value::Empty,
                time => Value::Number(time),
            },
            Cells::Counts(counts) => Value::Number(at(counts, row).into()),
            Cells::Statuses(statuses) => Value::Number(at(statuses, row).into()),
            Cells::Flags(flags) => Value::Number(at(flags, row).into()),
        }
    }
}

/// What is empty comes last, whatever the direction: behind every key of 64 bits.
const LAST: u128 = 1 << 64;
const MANY: usize = 4_096;
const AT_ONCE: usize = 1_024;
