//! Brings the lines of each contact together, on disk: a file is split by contact into parts that
//! fit into memory, and each part is grouped there.

use std::collections::HashMap;
use std::collections::hash_map::DefaultHasher;
use std::fs::File;
use std::hash::{Hash, Hasher};
use std::io;
use std::path::Path;

use tempfile::TempDir;

use super::{BadLine, Columns, ContactsError, Line, open};

/// Whether any contact's lines lie apart; if so, a folder with the parts.
pub(super) fn if_needed(path: &Path) -> Result<Option<TempDir>, ContactsError> {
    if are_adjacent(path)? {
        return Ok(None);
    }
    let io = |cause: io::Error| ContactsError::Io { path: path.into(), cause };
    let folder = tempfile::tempdir().map_err(io)?;
    split(path, folder.path())?;
    Ok(Some(folder))
}

/// Eight bytes a contact: two contacts that share them only cost a needless regrouping.
fn are_adjacent(path: &Path) -> Result<bool, ContactsError> {
    let (columns, reader) = open(path)?;
    let mut ended = std::collections::HashSet::new();
    let mut last = None;
    for record in reader.into_byte_records().flatten() {
        let contact = hash(&columns, &record);
        if last != Some(contact) {
            if !ended.insert(contact) {
                return Ok(false);
            }
            last = Some(contact);
        }
    }
    Ok(true)
}

/// Each part has the header, then lines with their number in the file before them.
fn split(path: &Path, folder: &Path) -> Result<(), ContactsError> {
    let io = |cause: io::Error| ContactsError::Io { path: path.into(), cause };
    let (columns, mut reader) = open(path)?;
    let header = reader.byte_headers().map_err(|error| io(error.into()))?.clone();
    let mut parts = Vec::new();
    for number in 0..PARTS {
        let file = File::create(folder.join(format!("{number}.csv"))).map_err(io)?;
        let mut part = csv::WriterBuilder::new().flexible(true).from_writer(file);
        write(&mut part, b"line", &header).map_err(io)?;
        parts.push(part);
    }
    for record in reader.into_byte_records() {
        // A line that is no CSV has no contact: the first part reports it.
        let record = record.unwrap_or_default();
        let line = record.position().map_or(0, csv::Position::line).to_string();
        let part = hash(&columns, &record).checked_rem(PARTS).unwrap_or(0);
        if let Some(part) = usize::try_from(part).ok().and_then(|at| parts.get_mut(at)) {
            write(part, line.as_bytes(), &record).map_err(io)?;
        }
    }
    parts.iter_mut().try_for_each(csv::Writer::flush).map_err(io)
}

fn write(part: &mut csv::Writer<File>, first: &[u8], rest: &csv::ByteRecord) -> io::Result<()> {
    part.write_record(std::iter::once(first).chain(rest)).map_err(io::Error::from)
}

/// The lines of all parts, those of a contact adjacent.
pub(super) fn lines(folder: &Path) -> impl Iterator<Item = Result<Line, BadLine>> + use<> {
    let folder = folder.to_owned();
    let parts = (0..PARTS).map(move |number| folder.join(format!("{number}.csv")));
    parts.flat_map(|part| {
        grouped(&part).unwrap_or_else(|error| {
            vec![Err(BadLine { line: 0, problem: format!("the sorted copy was lost: {error}") })]
        })
    })
}

fn grouped(part: &Path) -> Result<Vec<Result<Line, BadLine>>, ContactsError> {
    let (mut columns, reader) = open(part)?;
    // The line's number is ours, not a label of the contact.
    columns.labels.retain(|(at, _)| *at != 0);
    let mut order = HashMap::new();
    let mut lines = Vec::new();
    for record in reader.into_byte_records() {
        let number = record.as_ref().ok().and_then(|record| record.get(0)).map(<[u8]>::to_vec);
        let number =
            number.and_then(|text| String::from_utf8(text).ok()).and_then(|t| t.parse().ok());
        let line =
            columns.line(record).map_err(|bad| BadLine { line: number.unwrap_or(bad.line), ..bad });
        let first = lines.len();
        let place = match &line {
            Ok(line) => *order.entry(line.contact.id.clone()).or_insert(first),
            Err(_) => first,
        };
        lines.push((place, line));
    }
    lines.sort_by_key(|(place, _)| *place);
    Ok(lines.into_iter().map(|(_, line)| line).collect())
}

fn hash(columns: &Columns, record: &csv::ByteRecord) -> u64 {
    let mut hasher = DefaultHasher::new();
    columns
        .contact_id
        .and_then(|at| record.get(at))
        .unwrap_or_default()
        .trim_ascii()
        .hash(&mut hasher);
    hasher.finish()
}

/// So many parts of a file of 10 GB are small enough to be grouped in memory.
const PARTS: u64 = 64;
