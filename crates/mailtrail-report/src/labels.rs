//! The labels of rows: of one, and as the last columns of a sheet.

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

/// The labels of one row, in order of their names. A map of as few would be many times as large.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct LabelSet(Box<[(Box<str>, Box<str>)]>);

impl LabelSet {
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.binary_search_by_key(&name, |(name, _)| name).ok()?;
        self.0.get(found).map(|(_, value)| &**value)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }

    pub(crate) fn to_map(&self) -> BTreeMap<String, String> {
        self.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }
}

/// In order of their names: as a map gives them, or such a set.
impl<T: Into<Box<str>>> FromIterator<(T, T)> for LabelSet {
    fn from_iter<I: IntoIterator<Item = (T, T)>>(labels: I) -> Self {
        Self(labels.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}
