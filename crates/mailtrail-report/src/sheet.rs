//! A report as every rendering shows it: columns, rows, and what to draw.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use mailtrail_core::Status;

use crate::summary::Rate;

/// A report, ready to be shown: the same values in a terminal, a spreadsheet, a program and a page.
///
/// A report of your own is a [`Projection`](mailtrail_core::projection::Projection), and a function from its state to a
/// sheet: it gets all renderings.
///
/// ```
/// use mailtrail_report::render::{self, Cells};
/// use mailtrail_report::sheet::{Column, Kind, Sheet};
/// let columns = [Column::new("school", "School", Kind::Text), Column::new("late", "Opened Late", Kind::Count)];
/// let mut sheet = Sheet::new("late_opens", "Emergency messages opened late", columns);
/// sheet.push(["North".into(), 3_u64.into()]);
/// assert_eq!(render::csv(&sheet, Cells::Safe)?, b"School,Opened Late\r\nNorth,3\r\n");
/// assert_eq!(render::json(&sheet)?, "{\"school\":\"North\",\"late\":3}\n");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Sheet {
    /// What programs call it, in snake case.
    pub name: Box<str>,
    /// What people call it.
    pub title: Box<str>,
    /// The columns, in order.
    pub columns: Vec<Column>,
    /// The rows: a cell for each column.
    pub rows: Vec<Vec<Cell>>,
    /// What has to be known to read it, a sentence each.
    pub notes: Vec<String>,
    /// What is drawn of it.
    pub charts: Vec<Chart>,
    /// Whether people read it better with a column for each row: few rows of many values.
    pub is_tall: bool,
}

/// A column.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Column {
    /// What programs call it, in snake case; a label's is its name.
    pub name: Box<str>,
    /// What people call it.
    pub title: Box<str>,
    /// What its cells hold.
    pub kind: Kind,
    /// Where it is shown.
    pub shown: Shown,
    /// The object that it is a member of in JSON.
    pub group: Option<&'static str>,
}

/// What the cells of a column hold, if they are not empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// A text, which may be anybody's.
    Text,
    /// A number of things.
    Count,
    /// Yes or no.
    Flag,
    /// A moment, in UTC, to the second.
    Time,
    /// So many of so many.
    Rate,
    /// So many of so many, from which something is concluded: with its interval.
    Estimate,
    /// A time that something takes, in seconds.
    Seconds,
    /// A status.
    Status,
}

/// Where a column is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
#[non_exhaustive]
pub enum Shown {
    /// To programs only: JSON and Parquet.
    Data,
    /// Not in a terminal.
    Full,
    /// In a terminal with room.
    Roomy,
    /// Everywhere.
    #[default]
    Always,
}

/// The value of a column in a row.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Cell {
    /// Nothing is known, or there is nothing.
    Empty,
    /// A text.
    Text(Box<str>),
    /// A number of things.
    Count(u64),
    /// Yes or no.
    Flag(bool),
    /// A moment.
    Time(DateTime<Utc>),
    /// So many of so many.
    Rate(Rate),
    /// Seconds.
    Seconds(u64),
    /// A status.
    Status(Status),
}

/// What is drawn.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Chart {
    /// What it shows.
    pub title: Box<str>,
    /// How.
    pub drawn: Drawn,
}

/// How a chart shows what it does.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Drawn {
    /// Bars, in order: what each is of, and how long it is.
    Bars(Vec<(Box<str>, u64)>),
    /// Lines over the same time, each in a place of its own: so nobody has to tell their colours apart.
    #[non_exhaustive]
    Lines {
        /// The moments, in order.
        moments: Vec<DateTime<Utc>>,
        /// What each line is of, and its value from each moment on.
        lines: Vec<(Box<str>, Vec<u64>)>,
    },
}

impl Sheet {
    /// A sheet without rows.
    pub fn new(name: &str, title: &str, columns: impl IntoIterator<Item = Column>) -> Self {
        Self {
            name: name.into(),
            title: title.into(),
            columns: columns.into_iter().collect(),
            rows: Vec::new(),
            notes: Vec::new(),
            charts: Vec::new(),
            is_tall: false,
        }
    }

    /// Adds a row. Cells that are missing are empty, those too many are dropped.
    pub fn push(&mut self, cells: impl IntoIterator<Item = Cell>) {
        let mut row: Vec<Cell> = cells.into_iter().take(self.columns.len()).collect();
        row.resize(self.columns.len(), Cell::Empty);
        self.rows.push(row);
    }

    /// Says something that has to be known to read it.
    pub fn note(&mut self, sentence: impl Into<String>) {
        self.notes.push(sentence.into());
    }

    /// With a first column: the value of a label, of each row in order.
    ///
    /// ```
    /// use mailtrail_report::{EmailLogRow, render};
    /// let by_school = EmailLogRow::sheet(&[]).led_by("school", []);
    /// assert!(render::table(&by_school, None).contains("school"));
    /// ```
    pub fn led_by(mut self, label: &str, values: impl IntoIterator<Item = String>) -> Self {
        self.columns.insert(0, Column::new(label, label, Kind::Text));
        let mut values = values.into_iter();
        for row in &mut self.rows {
            row.insert(0, values.next().into());
        }
        self
    }

    /// A report that was made of the rows of each value of a label, as one. `nothing` is that of no rows. What is drawn is left
    /// out; a note that not all of them have names the value.
    pub fn of_groups(label: &str, nothing: Self, groups: &BTreeMap<String, Self>) -> Self {
        let mut whole = Self { charts: Vec::new(), ..nothing };
        let has_all = |note: &String| groups.values().all(|sheet| sheet.notes.contains(note));
        if let Some(first) = groups.values().next() {
            whole.notes = first.notes.iter().filter(|note| has_all(note)).cloned().collect();
        }
        let mut values = Vec::new();
        for (value, sheet) in groups {
            let own = sheet.notes.iter().filter(|note| !has_all(note));
            whole.notes.extend(own.map(|note| format!("{label}={value}: {note}")));
            values.extend(sheet.rows.iter().map(|_| value.clone()));
            whole.rows.extend(sheet.rows.iter().cloned());
        }
        whole.led_by(label, values)
    }

    /// Which columns are shown where so much is.
    pub fn shown(&self, least: Shown) -> impl Iterator<Item = (usize, &Column)> {
        self.columns.iter().enumerate().filter(move |(_, column)| column.shown >= least)
    }
}

impl Column {
    /// A column that is shown everywhere.
    pub fn new(name: &str, title: &str, kind: Kind) -> Self {
        Self { name: name.into(), title: title.into(), kind, shown: Shown::default(), group: None }
    }

    /// Shown there only.
    pub fn shown(mut self, shown: Shown) -> Self {
        self.shown = shown;
        self
    }

    /// In JSON a member of this object.
    pub fn of_group(mut self, group: &'static str) -> Self {
        self.group = Some(group);
        self
    }
}

impl Cell {
    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Text(text) => text.is_empty(),
            _ => false,
        }
    }
}

impl Chart {
    /// A chart of these bars.
    pub fn bars<T: Into<Box<str>>>(title: &str, bars: impl IntoIterator<Item = (T, u64)>) -> Self {
        let bars = bars.into_iter().map(|(of, length)| (of.into(), length)).collect();
        Self { title: title.into(), drawn: Drawn::Bars(bars) }
    }

    /// A chart of these lines: of each, a value from each moment on.
    pub fn lines<T: Into<Box<str>>>(
        title: &str,
        moments: Vec<DateTime<Utc>>,
        lines: impl IntoIterator<Item = (T, Vec<u64>)>,
    ) -> Self {
        let lines = lines.into_iter().map(|(of, values)| (of.into(), values)).collect();
        Self { title: title.into(), drawn: Drawn::Lines { moments, lines } }
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}

impl From<Box<str>> for Cell {
    fn from(text: Box<str>) -> Self {
        Self::Text(text)
    }
}

impl From<u64> for Cell {
    fn from(count: u64) -> Self {
        Self::Count(count)
    }
}

impl From<usize> for Cell {
    fn from(count: usize) -> Self {
        Self::Count(u64::try_from(count).unwrap_or(u64::MAX))
    }
}

impl From<bool> for Cell {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

impl From<DateTime<Utc>> for Cell {
    fn from(at: DateTime<Utc>) -> Self {
        Self::Time(at)
    }
}

impl From<Rate> for Cell {
    fn from(rate: Rate) -> Self {
        Self::Rate(rate)
    }
}

impl From<Status> for Cell {
    fn from(status: Status) -> Self {
        Self::Status(status)
    }
}

impl<T: Into<Self>> From<Option<T>> for Cell {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Empty, Into::into)
    }
}
