//! An export taken in: into a new store as it was, or into another as further events.

use std::io::{self, BufRead};

use mailtrail_core::audit::{Altered, ChainCheck, ExportHeader, ExportLine, ExportLineError};
use mailtrail_core::event::Origin;
use mailtrail_core::store::writer::{Restore, RestoreError};
use mailtrail_core::store::{ImportError, Known, ReadError, StoredAt};
use mailtrail_core::{AppendBatch, Envelope, EventId, EventStore, Expected, Namespace, Position};

/// What an import came to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ImportReport {
    /// Events that were new.
    pub new: u64,
    /// Events that were known, and are the same.
    pub known: u64,
    /// Events that were known with other content: ours stay as they are.
    pub differs: Vec<Differs>,
}

/// An event that both logs have, and not alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Differs {
    /// The event.
    pub event_id: EventId,
    /// Where ours is.
    pub position: Position,
}

/// Takes an export into a store that has events of its own. Positions and versions are new; `origin` keeps
/// the old ones. Importing it again changes nothing.
///
/// Each record is checked against the one before it is stored.
///
/// # Errors
/// [`ImportLinesError`]: what came before is stored; import it again to go on.
pub async fn import(
    store: &dyn EventStore,
    lines: impl BufRead,
    mut progress: impl FnMut(Position),
) -> Result<ImportReport, ImportLinesError> {
    let mut records = Records::open(lines)?;
    if records.header.namespace() != Some(store.namespace()) {
        return Err(match records.header.namespace() {
            Some(_) => ImportLinesError::AnotherNamespace,
            None => ImportLinesError::NoNamespace,
        });
    }
    let mut report = ImportReport::default();
    loop {
        let page = records.page()?;
        let Some(last) = page.last() else { return Ok(report) };
        let last = last.position;
        take(store, &records.header.store, page, &mut report).await?;
        progress(last);
    }
}

async fn take(
    store: &dyn EventStore,
    from: &str,
    page: Vec<Envelope>,
    report: &mut ImportReport,
) -> Result<(), ImportLinesError> {
    let add = |batch: AppendBatch, envelope: &Envelope| {
        let mut event = envelope.event.clone();
        let here = || Origin::new(from, envelope.position, envelope.recorded_at, envelope.hash);
        event.origin = Some(event.origin.unwrap_or_else(here));
        batch.write(envelope.stream, Expected::Any, vec![event])
    };
    let batch = page.iter().fold(AppendBatch::new(), add).skip_known();
    let places = store.import(batch).await?.events;
    for (envelope, place) in page.iter().zip(places) {
        match place.known {
            Known::No => report.new += 1,
            Known::Here if same_data(store, envelope, &place).await? => report.known += 1,
            Known::Here | Known::Elsewhere => {
                let (event_id, position) = (place.event_id, place.position);
                report.differs.push(Differs { event_id, position });
            }
        }
    }
    Ok(())
}

async fn same_data(
    store: &dyn EventStore,
    envelope: &Envelope,
    place: &StoredAt,
) -> Result<bool, ReadError> {
    let page = store.read_stream(place.stream, place.version, 1).await?;
    Ok(page.events.first().is_some_and(|ours| ours.event.data == envelope.event.data))
}

/// Makes a new store that is the exported one: the same namespace, positions, versions, times and chain. A
/// restore that was cut off goes on. Says how many records were added. `begin` gets the namespace, and is a store's own
/// `restore`: `|namespace| SledStore::restore(folder, namespace)`.
///
/// # Errors
/// [`ImportLinesError`]: what came before is stored; restore it again to go on.
pub fn restore(
    lines: impl BufRead,
    begin: impl FnOnce(Namespace) -> Result<Restore, RestoreError>,
    mut progress: impl FnMut(Position),
) -> Result<u64, ImportLinesError> {
    let mut records = Records::open(lines)?;
    let namespace = records.header.namespace().ok_or(ImportLinesError::NoNamespace)?;
    let mut restore = begin(namespace)?;
    let begun = restore.head().position;
    let mut added = 0;
    loop {
        let mut page = records.page()?;
        let Some(last) = page.last() else { return Ok(added) };
        let last = last.position;
        page.retain(|record| record.position > begun);
        restore.append(&page)?;
        added += u64::try_from(page.len()).unwrap_or(u64::MAX);
        progress(last);
    }
}

/// The records of an export, each checked against the one before.
struct Records<R> {
    header: ExportHeader,
    lines: io::Lines<R>,
    check: ChainCheck,
}

impl<R: BufRead> Records<R> {
    fn open(lines: R) -> Result<Self, ImportLinesError> {
        let mut lines = lines.lines();
        let first = lines.next().ok_or(ImportLinesError::NoExport)??;
        match ExportLine::parse(&first) {
            Ok(ExportLine::Header(header)) => {
                let check = ChainCheck::after(header.after());
                Ok(Self { header, lines, check })
            }
            Err(error @ ExportLineError::NewerFormat { .. }) => Err(error.into()),
            Ok(_) | Err(_) => Err(ImportLinesError::NoExport),
        }
    }

    /// The next records; none at the end.
    fn page(&mut self) -> Result<Vec<Envelope>, ImportLinesError> {
        let mut page = Vec::new();
        while page.len() < PAGE {
            let Some(line) = self.lines.next() else {
                if self.check.head().position < self.header.head().position && page.is_empty() {
                    let found = self.check.head().position;
                    return Err(ImportLinesError::Cut {
                        found,
                        expected: self.header.head().position,
                    });
                }
                break;
            };
            match ExportLine::parse(&line?)? {
                ExportLine::Record(record) => {
                    self.check.record(&record)?;
                    page.push(*record);
                }
                ExportLine::Omitted(record) => self.check.omitted(record.head())?,
                ExportLine::Header(_) => return Err(ImportLinesError::NoExport),
            }
        }
        Ok(page)
    }
}

/// Why an import stopped. What came before is stored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportLinesError {
    /// The export can't be read.
    #[error("the export can't be read")]
    Io(#[from] io::Error),
    /// Its first line is not the header of an export.
    #[error("this is no export of mailtrail: its first line is not a header")]
    NoExport,
    /// A line is none of an export.
    #[error("the export is damaged")]
    Line(#[from] ExportLineError),
    /// A record is not what was exported.
    #[error("the export is not what was written")]
    Altered(#[from] Altered),
    /// The end is missing. All that is there was imported.
    #[error("the end of the export is missing: it ends at position {found}, not {expected}")]
    Cut {
        /// Where it ends.
        found: Position,
        /// Where it should.
        expected: Position,
    },
    /// It was exported without its namespace: it can be verified, not imported.
    #[error("the export has no namespace: it can be verified, not imported")]
    NoNamespace,
    /// It is of another namespace, in which the same facts have other ids.
    #[error("the export is of another namespace: import it into a new store")]
    AnotherNamespace,
    /// The store refused.
    #[error("the events could not be imported")]
    Import(#[from] ImportError),
    /// The store can't be read.
    #[error("the store can't be read")]
    Read(#[from] ReadError),
    /// The new store can't be written.
    #[error("the events could not be written to the new store")]
    Restore(#[from] RestoreError),
}

/// Records taken at once.
const PAGE: usize = 1_000;
