//! A log as lines.

use std::io::{self, BufRead, Write};

use mailtrail_core::audit::{ExportHeader, ExportLine, OmittedLine, as_cloud_event};
use mailtrail_core::event::EnvelopeLine;
use mailtrail_core::store::{Filter, Head, ReadError};
use mailtrail_core::{Envelope, EventStore, Position};

/// What is exported, and how.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ExportOptions {
    /// What the store calls itself: `origin` names it where its events are imported.
    pub store: Box<str>,
    /// Of records that don't match, the hash alone.
    pub filter: Filter,
    /// Only what comes after this position.
    pub after: Position,
    /// Without the namespace: it can be verified, not imported.
    pub without_namespace: bool,
    /// The form of a line.
    pub form: ExportForm,
}

/// The form of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum ExportForm {
    /// Mailtrail's own.
    #[default]
    Lines,
    /// `CloudEvents` 1.0, in JSON: `data` is Mailtrail's own line.
    CloudEvents,
}

impl ExportOptions {
    /// All of a store that calls itself so.
    pub fn new(store: impl Into<Box<str>>) -> Self {
        let (filter, after, form) = (Filter::all(), Position::START, ExportForm::Lines);
        Self { store: store.into(), filter, after, without_namespace: false, form }
    }

    /// In this form.
    pub fn form(mut self, form: ExportForm) -> Self {
        self.form = form;
        self
    }

    /// Of records that don't match, the hash alone.
    pub fn filter(mut self, filter: Filter) -> Self {
        self.filter = filter;
        self
    }

    /// Only what comes after this position.
    pub fn after(mut self, position: Position) -> Self {
        self.after = position;
        self
    }

    /// Without the namespace.
    pub fn without_namespace(mut self) -> Self {
        self.without_namespace = true;
        self
    }
}

/// What was exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Exported {
    /// The last record: keep it elsewhere, it proves that nothing was cut off.
    pub head: Head,
    /// How many records are in it.
    pub records: u64,
    /// How many are in it by their hash alone.
    pub omitted: u64,
}

/// Writes a store's log as lines, up to its head as it is now: a header, then one line a record.
///
/// Memory is bounded by one page. `progress` hears each position that was written.
///
/// # Errors
/// [`ExportError`]; what was written is an export that is cut off.
pub async fn export(
    store: &dyn EventStore,
    options: &ExportOptions,
    out: &mut dyn Write,
    mut progress: impl FnMut(Position),
) -> Result<Exported, ExportError> {
    let head = store.head().await?;
    let after = record_at(store, options.after).await?;
    let mut header = ExportHeader::new(options.store.clone(), after, head);
    if !options.without_namespace {
        header = header.with_namespace(store.namespace());
    }
    write_line(out, options.form, &serde_json::to_string(&header)?)?;
    records(store, options, (after, head), out, &mut progress).await
}

/// Goes on with an export that was cut off: writes what is missing up to the head that its header names.
/// Truncate the file to [`Begun::bytes`] first.
///
/// # Errors
/// As of [`export`], and [`ExportError::AnotherLog`] if the store doesn't hold the export's last record.
pub async fn export_rest(
    store: &dyn EventStore,
    options: &ExportOptions,
    begun: &Begun,
    out: &mut dyn Write,
    mut progress: impl FnMut(Position),
) -> Result<Exported, ExportError> {
    if record_at(store, begun.last.position).await? != begun.last {
        return Err(ExportError::AnotherLog);
    }
    records(store, options, (begun.last, begun.header.head()), out, &mut progress).await
}

/// An export that was begun.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Begun {
    /// Its header.
    pub header: ExportHeader,
    /// Its last whole record.
    pub last: Head,
    /// How many bytes of it are whole lines.
    pub bytes: u64,
}

impl Begun {
    /// Reads what there is of an export.
    ///
    /// # Errors
    /// [`ExportError::AnotherLog`] if it is none, or a line other than the last is spoilt.
    pub fn read(mut lines: impl BufRead) -> Result<Self, ExportError> {
        let (mut line, mut begun): (String, Option<Self>) = (String::new(), None);
        while lines.read_line(&mut line)? > 0 && line.ends_with('\n') {
            let length = u64::try_from(line.len()).unwrap_or(u64::MAX);
            let parsed = ExportLine::parse(&line).map_err(|_| ExportError::AnotherLog)?;
            let last = match (parsed, &begun) {
                (ExportLine::Header(header), None) => {
                    begun = Some(Self { last: header.after(), header, bytes: length });
                    line.clear();
                    continue;
                }
                (ExportLine::Record(record), Some(_)) => Head::new(record.position, record.hash),
                (ExportLine::Omitted(record), Some(_)) => record.head(),
                (_, _) => return Err(ExportError::AnotherLog),
            };
            if let Some(begun) = &mut begun {
                begun.last = last;
                begun.bytes = begun.bytes.saturating_add(length);
            }
            line.clear();
        }
        begun.ok_or(ExportError::AnotherLog)
    }
}

async fn records(
    store: &dyn EventStore,
    options: &ExportOptions,
    (after, head): (Head, Head),
    out: &mut dyn Write,
    progress: &mut impl FnMut(Position),
) -> Result<Exported, ExportError> {
    let mut exported = Exported { head: after, records: 0, omitted: 0 };
    while exported.head.position < head.position {
        let page = store.read_all(&Filter::all(), exported.head.position, PAGE).await?;
        if page.events.is_empty() {
            break;
        }
        for envelope in page.events.iter().take_while(|record| record.position <= head.position) {
            let matches = options.filter.matches(envelope.stream, &envelope.event.event_type);
            write_line(out, options.form, &line(envelope, matches)?)?;
            let counter = if matches { &mut exported.records } else { &mut exported.omitted };
            *counter += 1;
            exported.head = Head::new(envelope.position, envelope.hash);
        }
        progress(exported.head.position);
    }
    out.flush()?;
    Ok(exported)
}

fn line(envelope: &Envelope, whole: bool) -> serde_json::Result<String> {
    if whole {
        serde_json::to_string(&EnvelopeLine::from(envelope))
    } else {
        let record = Head::new(envelope.position, envelope.hash);
        serde_json::to_string(&OmittedLine::from(record))
    }
}

fn write_line(out: &mut dyn Write, form: ExportForm, line: &str) -> Result<(), ExportError> {
    match form {
        ExportForm::Lines => writeln!(out, "{line}")?,
        ExportForm::CloudEvents => writeln!(out, "{}", as_cloud_event(line)?)?,
    }
    Ok(())
}

/// The last record that is not behind a position.
async fn record_at(store: &dyn EventStore, position: Position) -> Result<Head, ExportError> {
    if position == Position::START {
        return Ok(Head::default());
    }
    let before = Position::new(position.get().saturating_sub(1));
    let page = store.read_all(&Filter::all(), before, 1).await?;
    let record = page.events.first().filter(|record| record.position == position);
    record
        .map(|record| Head::new(record.position, record.hash))
        .ok_or(ExportError::NoSuchPosition { position })
}

/// Why an export stopped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// The store can't be read.
    #[error("the store can't be read")]
    Read(#[from] ReadError),
    /// It can't be written.
    #[error("the export can't be written")]
    Write(#[from] io::Error),
    /// A record can't be a line.
    #[error("a record can't be written as JSON")]
    Json(#[from] serde_json::Error),
    /// What was begun is no export of this store.
    #[error("what is there is no export of this store: write to another file")]
    AnotherLog,
    /// No record has this position.
    #[error("there is no record at position {position}: name one that there is")]
    NoSuchPosition {
        /// The position.
        position: Position,
    },
}

/// Records read at once.
const PAGE: usize = 4_096;
