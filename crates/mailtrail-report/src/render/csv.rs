//! CSV that a spreadsheet can open without running anything.

use std::collections::BTreeSet;

use crate::row::EmailLogRow;

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

/// The rows as CSV (RFC 4180): the stable columns, then one for each label that any row has.
///
/// ```
/// use mailtrail_report::render::{Cells, email_log_csv};
/// let csv = email_log_csv(&[], Cells::Safe)?;
/// assert!(csv.starts_with(b"Broadcast,Broadcast Type,Subject,From,Contact ID,"));
/// # Ok::<(), mailtrail_report::render::CsvError>(())
/// ```
///
/// # Errors
/// [`CsvError`]: the writer's own.
pub fn email_log_csv(rows: &[EmailLogRow], cells: Cells) -> Result<Vec<u8>, CsvError> {
    let labels: BTreeSet<&str> =
        rows.iter().flat_map(|row| row.labels.keys().map(String::as_str)).collect();
    let mut writer =
        ::csv::WriterBuilder::new().terminator(::csv::Terminator::CRLF).from_writer(Vec::new());
    let titles = EmailLogRow::COLUMNS.into_iter().chain(labels.iter().copied());
    writer.write_record(titles.map(|title| guarded(title, cells))).map_err(CsvError::Write)?;
    for row in rows {
        let of_label = |label: &&str| row.labels.get(*label).cloned().unwrap_or_default();
        let record = row.cells().into_iter().chain(labels.iter().map(of_label));
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
