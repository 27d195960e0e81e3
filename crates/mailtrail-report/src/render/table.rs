//! Tables for a terminal, or for a plain text file when piped.

use comfy_table::{
    Cell as Shows, CellAlignment, ContentArrangement, Table, TableComponent, presets,
};

use super::{safe, text};
use crate::sheet::{Kind, Sheet, Shown};

/// A sheet as a table of the columns that matter most, and its notes; all columns are in CSV and JSON.
///
/// With a width it fits into so many columns, and a narrow one leaves some out; without, every line is as long as it is.
///
/// ```
/// use mailtrail_report::EmailLogRow;
/// use mailtrail_report::render::table;
/// let log = EmailLogRow::sheet(&[]);
/// assert!(table(&log, None).contains("Attempts"));
/// assert!(!table(&log, Some(80)).contains("Attempts"));
/// ```
pub fn table(sheet: &Sheet, width: Option<u16>) -> String {
    let is_narrow = width.is_some_and(|width| width < WIDE);
    let least = if is_narrow { Shown::Always } else { Shown::Roomy };
    let mut out =
        lines(&if sheet.is_tall { tall(sheet, least) } else { wide(sheet, least, width) });
    for note in &sheet.notes {
        out.push_str(&safe(note));
        out.push('\n');
    }
    out
}

fn wide(sheet: &Sheet, least: Shown, width: Option<u16>) -> Table {
    let mut table = empty(width);
    table.set_header(sheet.shown(least).map(|(_, column)| safe(&column.title)));
    for row in &sheet.rows {
        table.add_row(sheet.shown(least).filter_map(|(index, column)| {
            let words = Shows::new(safe(&text(row.get(index)?, column.kind)));
            Some(if is_number(column.kind) {
                words.set_alignment(CellAlignment::Right)
            } else {
                words
            })
        }));
    }
    table
}

/// A line for each column. A text in the first heads its row.
fn tall(sheet: &Sheet, least: Shown) -> Table {
    let mut table = empty(None);
    for (place, (index, column)) in sheet.shown(least).enumerate() {
        let heads = place == 0 && column.kind == Kind::Text;
        let of_row = |row: &Vec<_>| row.get(index).map(|cell| safe(&text(cell, column.kind)));
        let words = sheet.rows.iter().filter_map(of_row);
        if heads {
            table.set_header(std::iter::once(safe(&column.title)).chain(words));
        } else {
            let right = |words| Shows::new(words).set_alignment(CellAlignment::Right);
            table.add_row(std::iter::once(Shows::new(safe(&column.title))).chain(words.map(right)));
        }
    }
    table
}

fn is_number(kind: Kind) -> bool {
    matches!(kind, Kind::Count | Kind::Rate | Kind::Estimate | Kind::Seconds)
}

fn empty(width: Option<u16>) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::UTF8_HORIZONTAL_ONLY);
    for between_rows in [
        TableComponent::HorizontalLines,
        TableComponent::MiddleIntersections,
        TableComponent::LeftBorderIntersections,
        TableComponent::RightBorderIntersections,
    ] {
        table.remove_style(between_rows);
    }
    match width {
        Some(width) => {
            table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
        }
        None => {
            table.set_content_arrangement(ContentArrangement::Disabled);
        }
    }
    table
}

fn lines(table: &Table) -> String {
    let mut out = String::new();
    for line in table.to_string().lines() {
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

/// From this width on there is room for all.
const WIDE: u16 = 100;
