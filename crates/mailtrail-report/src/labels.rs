//! The labels of rows as the last columns of a sheet.

use std::collections::{BTreeMap, BTreeSet};

use crate::sheet::{Cell, Column, Kind, Shown};

/// The names of the labels that some rows have, in order.
pub(crate) struct Labels(Vec<Box<str>>);

impl Labels {
    pub(crate) fn of<'a>(rows: impl Iterator<Item = &'a BTreeMap<String, String>>) -> Self {
        let names: BTreeSet<&str> = rows.flat_map(|row| row.keys().map(String::as_str)).collect();
        Self(names.into_iter().map(Into::into).collect())
    }

    /// A column for each.
    pub(crate) fn columns(&self, shown: Shown) -> impl Iterator<Item = Column> {
        let names = self.0.iter().map(|name| &**name);
        names.map(move |name| Column::new(name, name, Kind::Text).shown(shown).of_group("labels"))
    }

    /// The cells of a row; empty where it has not such a label.
    pub(crate) fn cells(&self, row: &BTreeMap<String, String>) -> impl Iterator<Item = Cell> {
        self.0.iter().map(|name| row.get(&**name).cloned().into())
    }
}
