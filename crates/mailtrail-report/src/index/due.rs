//! When words change by themselves.

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, Utc};

use super::columns::RowNumber;

/// The rows whose words change by themselves, and when.
#[derive(Debug, Clone, Default)]
pub(super) struct Due {
    by_row: HashMap<RowNumber, DateTime<Utc>>,
    by_time: BTreeSet<(DateTime<Utc>, RowNumber)>,
}

impl Due {
    pub(super) fn set(&mut self, row: RowNumber, at: Option<DateTime<Utc>>) {
        let before = match at {
            Some(at) => self.by_row.insert(row, at),
            None => self.by_row.remove(&row),
        };
        if let Some(before) = before {
            self.by_time.remove(&(before, row));
        }
        self.by_time.extend(at.map(|at| (at, row)));
    }

    /// The rows whose time has come.
    pub(super) fn at(&self, now: DateTime<Utc>) -> impl Iterator<Item = RowNumber> {
        self.by_time.range(..=(now, RowNumber::MAX)).map(|(_, row)| *row)
    }
}
