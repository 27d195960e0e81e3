//! CSV that a spreadsheet can open without running anything.

use super::text::plain;
use crate::sheet::{Sheet, Shown};

/// How cells are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Cells {
    /// A `'` before cells that a spreadsheet would take for a formula; controls escaped.
    #[default]
    Safe,
    /// Exact values.
    Raw,
}

/// A sheet as CSV (RFC 4180). Rates are percentages, times that something takes are seconds; what is unknown is empty.
///
/// ```
/// use mailtrail_report::EmailLogRow;
/// use mailtrail_report::render::{Cells, csv};
/// let csv = csv(&EmailLogRow::sheet(&[]), Cells::Safe)?;
/// assert!(csv.starts_with(b"Broadcast,Broadcast Type,Subject,From,Contact ID,"));
/// # Ok::<(), mailtrail_report::render::CsvError>(())
/// ```
///
/// # Errors
/// [`CsvError`]: the writer's own.
pub fn csv(sheet: &Sheet, cells: Cells) -> Result<Vec<u8>, CsvError> {
    let mut writer =
        ::csv::WriterBuilder::new().terminator(::csv::Terminator::CRLF).from_writer(Vec::new());
    let shown: Vec<usize> = sheet.shown(Shown::Full).map(|(index, _)| index).collect();
    let titles = sheet.shown(Shown::Full).map(|(_, column)| guarded(&column.title, cells));
    writer.write_record(titles).map_err(CsvError::Write)?;
    for row in &sheet.rows {
        let record = shown.iter().filter_map(|index| row.get(*index)).map(plain);
        writer.write_record(record.map(|cell| guarded(&cell, cells))).map_err(CsvError::Write)?;
    }
    writer.into_inner().map_err(|error| CsvError::Write(error.into_error().into()))
}

/// Why no CSV was written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CsvError {
    /// The writer failed.
    #[error("the CSV can't be written")]
    Write(#[source] ::csv::Error),
}

fn guarded(cell: &str, cells: Cells) -> String {
    match cells {
        Cells::Raw => cell.to_owned(),
        Cells::Safe if cell.starts_with(['=', '+', '-', '@', '\t', '\r']) => {
            format!("'{}", super::safe(cell))
        }
        Cells::Safe => super::safe(cell),
    }
}
