//! JSON Lines: one row a line, in snake case, with the label and the code of a status.

use serde::ser::{Serialize, SerializeMap, Serializer};

use super::steers;
use super::text::time;
use crate::sheet::{Cell, Column, Kind, Sheet};

/// A sheet as JSON Lines: exact values. Of the texts of others, C1 and bidirectional controls are
/// written as JSON escapes like C0, so that a terminal is not steered and a program reads the same.
///
/// A rate has its `count` and what it is `of`; an estimate also the ends of its interval, `low` and `high`, in tenths of a
/// percent.
///
/// ```
/// use mailtrail_report::{EmailLogRow, render};
/// assert_eq!(render::json(&EmailLogRow::sheet(&[]))?, "");
/// # Ok::<(), serde_json::Error>(())
/// ```
///
/// # Errors
/// None of a sheet's values can fail; the signature is serde's.
pub fn json(sheet: &Sheet) -> serde_json::Result<String> {
    let mut out = String::new();
    for cells in &sheet.rows {
        escape(&serde_json::to_string(&Object { columns: &sheet.columns, cells })?, &mut out);
        out.push('\n');
    }
    Ok(out)
}

/// A row as a JSON object. Columns of one group stand beside each other, and are one member.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Object<'a> {
    columns: &'a [Column],
    cells: &'a [Cell],
}

impl<'a> Object<'a> {
    /// The row of this number; one without members, if there is none.
    pub fn of(sheet: &'a Sheet, row: usize) -> Self {
        let cells = sheet.rows.get(row).map_or(&[][..], Vec::as_slice);
        Self { columns: &sheet.columns, cells }
    }
}

impl Serialize for Object<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut members = serializer.serialize_map(None)?;
        let (mut columns, mut cells) = (self.columns, self.cells);
        while let Some(first) = columns.first() {
            let alike = columns.iter().take_while(|column| column.group == first.group).count();
            let (these, other_columns) = columns.split_at_checked(alike).unwrap_or((columns, &[]));
            let (own, other_cells) = cells.split_at_checked(alike).unwrap_or((cells, &[]));
            (columns, cells) = (other_columns, other_cells);
            match first.group {
                Some(group) => {
                    members.serialize_entry(group, &Group { columns: these, cells: own })?;
                }
                None => each(these, own, |name, member| members.serialize_entry(name, &member))?,
            }
        }
        members.end()
    }
}

/// The columns of a group. What is empty is no member: of the labels of all rows a row has its own.
struct Group<'a> {
    columns: &'a [Column],
    cells: &'a [Cell],
}

impl Serialize for Group<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut members = serializer.serialize_map(None)?;
        each(self.columns, self.cells, |name, member| match member {
            Member::Cell(Cell::Empty, _) => Ok(()),
            member => members.serialize_entry(name, &member),
        })?;
        members.end()
    }
}

/// The members that these cells are.
fn each<E>(
    columns: &[Column],
    cells: &[Cell],
    mut member: impl FnMut(&str, Member<'_>) -> Result<(), E>,
) -> Result<(), E> {
    for (column, cell) in columns.iter().zip(cells) {
        member(&column.name, Member::Cell(cell, column.kind))?;
        if let Cell::Status(status) = cell {
            member("status", Member::Code(status.code()))?;
        }
    }
    Ok(())
}

enum Member<'a> {
    Cell(&'a Cell, Kind),
    Code(&'a str),
}

impl Serialize for Member<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Code(text) => serializer.serialize_str(text),
            Self::Cell(cell, kind) => match cell {
                Cell::Empty => serializer.serialize_none(),
                Cell::Text(text) => serializer.serialize_str(text),
                Cell::Count(count) | Cell::Seconds(count) => serializer.serialize_u64(*count),
                Cell::Flag(flag) => serializer.serialize_bool(*flag),
                Cell::Time(at) => serializer.serialize_str(&time(*at)),
                Cell::Status(status) => serializer.serialize_str(status.label()),
                Cell::Rate(rate) => {
                    let interval = rate.interval().filter(|_| *kind == Kind::Estimate);
                    let mut members = serializer.serialize_map(None)?;
                    members.serialize_entry("count", &rate.count)?;
                    members.serialize_entry("of", &rate.of)?;
                    if let Some((low, high)) = interval {
                        members.serialize_entry("low", &low)?;
                        members.serialize_entry("high", &high)?;
                    }
                    members.end()
                }
            },
        }
    }
}

/// Such characters stand in strings only, so an escape is the same JSON value. All of them lie in the
/// basic plane: one escape each.
fn escape(json: &str, out: &mut String) {
    for part in json.split_inclusive(steers) {
        match part.char_indices().next_back() {
            Some((at, last)) if steers(last) => {
                out.push_str(part.get(..at).unwrap_or_default());
                out.push_str("\\u");
                let digits = [12, 8, 4, 0].map(|shift| u32::from(last) >> shift & 0xf);
                out.extend(digits.into_iter().filter_map(|digit| char::from_digit(digit, 16)));
            }
            _ => out.push_str(part),
        }
    }
}
