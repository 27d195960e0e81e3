//! The contacts CSV: `contact_id,name,address,kinds,time_zone`, every further column is a label.

mod regroup;

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use csv::StringRecord;
use mailtrail::core::id::{IdError, Kind};
use mailtrail::core::plan::{Contact, ContactAddress};

/// A line that could not be taken: the rest goes on.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub(crate) struct BadLine {
    /// Its number in the file, the header being 1.
    pub(crate) line: u64,
    /// What is wrong with it.
    pub(crate) problem: String,
}

/// Why a file can't be read as contacts at all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum ContactsError {
    /// It can't be opened or read.
    #[error("{} can't be read", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        #[source]
        cause: io::Error,
    },
    /// It is empty.
    #[error("{} is empty: the first line names the columns (contact_id,name,address,kinds,time_zone)", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// A column that must be there is not.
    #[error("{} has no column {column}: the first line names the columns (contact_id,name,address,kinds,time_zone)", path.display())]
    MissingColumn {
        /// The file.
        path: PathBuf,
        /// The column.
        column: &'static str,
    },
}

/// Contacts of a file, whole ones, and the lines that could not be taken.
pub(crate) struct Contacts {
    lines: Box<dyn Iterator<Item = Result<Line, BadLine>>>,
    held: Option<Line>,
    pub(crate) bad: Vec<BadLine>,
    /// Keeps the sorted copy while it is read.
    _regrouped: Option<tempfile::TempDir>,
}

/// One line of the file.
pub(super) struct Line {
    contact: Contact,
}

impl Contacts {
    /// Opens a file. If the lines of a contact are not adjacent, they are brought together in a
    /// copy on disk first: memory stays bounded.
    pub(crate) fn open(path: &Path) -> Result<Self, ContactsError> {
        let regrouped = regroup::if_needed(path)?;
        let lines: Box<dyn Iterator<Item = _>> = match &regrouped {
            None => Box::new(lines(path)?),
            Some(copy) => Box::new(regroup::lines(copy.path())),
        };
        Ok(Self { lines, held: None, bad: Vec::new(), _regrouped: regrouped })
    }
}

impl Iterator for Contacts {
    type Item = Contact;

    fn next(&mut self) -> Option<Contact> {
        let mut contact = self.held.take().map(|line| line.contact);
        for line in self.lines.by_ref() {
            match (line, &mut contact) {
                (Err(bad), _) => self.bad.push(bad),
                (Ok(line), None) => contact = Some(line.contact),
                (Ok(line), Some(held)) if held.id == line.contact.id => {
                    held.addresses.extend(line.contact.addresses);
                    held.labels.extend(line.contact.labels);
                }
                (Ok(line), Some(_)) => {
                    self.held = Some(line);
                    break;
                }
            }
        }
        contact
    }
}

/// Reads the lines of a file in order.
fn lines(
    path: &Path,
) -> Result<impl Iterator<Item = Result<Line, BadLine>> + use<>, ContactsError> {
    let (columns, reader) = open(path)?;
    Ok(reader.into_byte_records().map(move |record| columns.line(record)))
}

/// Opens a file and reads its header.
fn open(path: &Path) -> Result<(Columns, csv::Reader<Box<dyn Read>>), ContactsError> {
    let io = |cause| ContactsError::Io { path: path.into(), cause };
    let mut file = BufReader::new(File::open(path).map_err(io)?);
    let mut start = Vec::new();
    file.by_ref().take(3).read_to_end(&mut start).map_err(io)?;
    let start = if start == b"\xEF\xBB\xBF" { Vec::new() } else { start };
    let whole: Box<dyn Read> = Box::new(io::Cursor::new(start).chain(file));
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(whole);
    let header = reader.byte_headers().map_err(|error| io(error.into()))?.clone();
    if header.is_empty() || header.iter().all(<[u8]>::is_empty) {
        return Err(ContactsError::Empty { path: path.into() });
    }
    let names = StringRecord::from_byte_record_lossy(header);
    let columns = Columns::of(&names);
    for (column, at) in [("contact_id", columns.contact_id), ("address", columns.address)] {
        if at.is_none() {
            return Err(ContactsError::MissingColumn { path: path.into(), column });
        }
    }
    Ok((columns, reader))
}

/// Where each column is.
struct Columns {
    contact_id: Option<usize>,
    name: Option<usize>,
    address: Option<usize>,
    kinds: Option<usize>,
    time_zone: Option<usize>,
    labels: Vec<(usize, String)>,
}

impl Columns {
    fn of(names: &StringRecord) -> Self {
        let find =
            |wanted: &str| names.iter().position(|name| name.trim().eq_ignore_ascii_case(wanted));
        let known = ["contact_id", "name", "address", "kinds", "time_zone"].map(find);
        let labels = names
            .iter()
            .enumerate()
            .filter(|(at, name)| !known.contains(&Some(*at)) && !name.trim().is_empty())
            .map(|(at, name)| (at, name.trim().to_owned()))
            .collect();
        let [contact_id, name, address, kinds, time_zone] = known;
        Self { contact_id, name, address, kinds, time_zone, labels }
    }

    fn line(&self, record: csv::Result<csv::ByteRecord>) -> Result<Line, BadLine> {
        let record = record.map_err(|error| BadLine {
            line: error.position().map_or(0, csv::Position::line),
            problem: "the line can't be read as CSV".into(),
        })?;
        let line = record.position().map_or(0, csv::Position::line);
        let bad = |problem: String| BadLine { line, problem };
        let record = StringRecord::from_byte_record(record)
            .map_err(|_| bad("the line is not UTF-8: save the file as UTF-8".into()))?;
        let cell = |at: Option<usize>| at.and_then(|at| record.get(at)).map_or("", unguarded);
        let invalid = |error: IdError| bad(error.to_string());
        let id = cell(self.contact_id);
        let mut contact = Contact::new(id.parse().map_err(invalid)?);
        contact.name = some(cell(self.name)).map(Into::into);
        contact.time_zone = some(cell(self.time_zone)).map(Into::into);
        if let Some(text) = some(cell(self.address)) {
            let mut address = ContactAddress::new(text);
            address.kinds = match self.kinds {
                None => None,
                Some(_) => kinds(cell(self.kinds)).map_err(invalid)?,
            };
            contact = contact.address(address);
        }
        for (at, name) in &self.labels {
            if let Some(value) = some(cell(Some(*at))) {
                contact = contact.label(name, value);
            }
        }
        Ok(Line { contact })
    }
}

/// `*` is all kinds; an empty cell is none.
fn kinds(cell: &str) -> Result<Option<Vec<Kind>>, IdError> {
    if cell == "*" {
        return Ok(None);
    }
    cell.split(';').filter_map(some).map(str::parse).collect::<Result<_, _>>().map(Some)
}

fn some(text: &str) -> Option<&str> {
    let text = text.trim();
    (!text.is_empty()).then_some(text)
}

/// A report guards cells from spreadsheets by a `'`; taken back, it is none of the contact's.
fn unguarded(cell: &str) -> &str {
    match cell.strip_prefix('\'') {
        Some(rest) if rest.starts_with(['=', '+', '-', '@', '\t', '\r']) => rest,
        Some(_) | None => cell,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &[u8]) -> (Vec<Contact>, Vec<BadLine>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("contacts.csv");
        std::fs::write(&path, text).unwrap();
        let mut contacts = Contacts::open(&path).unwrap();
        let all = contacts.by_ref().collect();
        (all, contacts.bad)
    }

    #[test]
    fn several_lines_make_one_contact_and_further_columns_are_labels() {
        let text = "\u{feff}contact_id,name,address,kinds,school\n\
                    c1,Ann,ann@a.example,*,North\n\
                    c1,Ann,ann@b.example,emergency;general,North\n\
                    c2,Bob,bob@a.example,,South\n";
        let (contacts, bad) = read(text.as_bytes());
        assert_eq!(bad, []);
        assert_eq!(contacts.len(), 2);
        assert_eq!(contacts[0].addresses.len(), 2);
        assert_eq!(contacts[0].addresses[0].kinds, None);
        assert_eq!(contacts[1].addresses[0].kinds, Some(vec![]));
        assert_eq!(contacts[1].labels["school"], "South");
    }

    #[test]
    fn a_bad_line_is_told_by_its_number_and_the_rest_goes_on() {
        let text =
            b"contact_id,address\nc1,a@a.example\n,b@a.example\nc3,\xff\xfe\nc4,d@a.example\n";
        let (contacts, bad) = read(text);
        assert_eq!(contacts.len(), 2);
        assert_eq!(bad.iter().map(|bad| bad.line).collect::<Vec<_>>(), [3, 4]);
    }

    #[test]
    fn lines_that_lie_apart_are_brought_together() {
        let text = "contact_id,address\nc1,a@a.example\nc2,b@a.example\nc1,c@a.example\n,x\nc2,d@a.example\n";
        let (contacts, bad) = read(text.as_bytes());
        assert_eq!(contacts.len(), 2);
        assert!(contacts.iter().all(|contact| contact.addresses.len() == 2));
        assert_eq!(bad.iter().map(|bad| bad.line).collect::<Vec<_>>(), [5]);
    }

    #[test]
    fn what_a_report_guarded_is_read_back() {
        let (contacts, _) = read(b"contact_id,name,address\nc1,'=SUM(A1),a@a.example\n");
        assert_eq!(contacts[0].name.as_deref(), Some("=SUM(A1)"));
    }

    #[test]
    fn an_empty_file_says_what_is_missing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("contacts.csv");
        std::fs::write(&path, "").unwrap();
        assert!(matches!(Contacts::open(&path), Err(ContactsError::Empty { .. })));
        std::fs::write(&path, "id,mail\n").unwrap();
        assert!(matches!(Contacts::open(&path), Err(ContactsError::MissingColumn { .. })));
    }
}
