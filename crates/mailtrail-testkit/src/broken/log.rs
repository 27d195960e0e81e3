//! A store in one file that is written to at its end, with one thing wrong.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use async_trait::async_trait;
use bytes::Bytes;
use chrono::Utc;
use mailtrail_core::event::Salt;
use mailtrail_core::store::writer::{Engine, Found, Writer, WriterOptions};
use mailtrail_core::store::{
    AppendError, Appended, BoxError, Capabilities, Durability, Filter, Head, ImportError,
    OpenError, Page, ReadError, RedactError, StreamPage, record,
};
use mailtrail_core::{
    AppendBatch, Envelope, EventId, EventStore, Namespace, Position, StreamId, Version,
};

/// What a [`LogStore`] does wrong with its disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LogFault {
    /// An append is acknowledged when it is in memory: it is written with the next one.
    AcknowledgedBeforeWritten,
    /// An append is acknowledged when it is written, not when it is synced.
    AcknowledgedBeforeSync,
    /// The name of a new file is never synced.
    FolderNotSynced,
    /// A group of which a part is on the disk is taken for one that is whole.
    TornGroupRead,
}

/// A store in a folder, small enough to be believed by reading it; with a fault or none.
///
/// Its log is a file of groups: how long the group is, u32, then of each record how long it is, u32, and the record.
///
/// ```
/// use mailtrail_testkit::broken::LogStore;
/// use mailtrail_testkit::{EventStore, crash};
/// use mailtrail_core::store::{EventStoreExt, Outcome};
/// # futures_executor::block_on(async {
/// let folder = tempfile::tempdir()?;
/// LogStore::open(folder.path(), None)?.record(vec![crash::event(7)]).await?;
/// let again = LogStore::open(folder.path(), None)?.record(vec![crash::event(7)]).await?;
/// assert_eq!(again.outcome, Outcome::AlreadyStored);
/// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
/// ```
#[derive(Debug)]
pub struct LogStore {
    writer: Writer,
    log: Log,
}

type Log = Arc<RwLock<Vec<Envelope>>>;

impl LogStore {
    /// Opens the store in a folder, which is made if it isn't there.
    ///
    /// # Errors
    /// [`OpenError::Io`].
    pub fn open(folder: &Path, fault: Option<LogFault>) -> Result<Self, OpenError> {
        let (file, events) = recovered(folder, fault).map_err(OpenError::Io)?;
        let last = events.last().map(|last| Head::new(last.position, last.hash));
        let last_recorded_at = events.last().map(|last| last.recorded_at);
        let log: Log = Arc::new(RwLock::new(events));
        let engine = LogEngine { file, log: Arc::clone(&log), fault, unwritten: Vec::new() };
        #[expect(clippy::disallowed_methods, reason = "a store for tests")]
        let clock = Arc::new(Utc::now);
        let salt = || Salt::from_bytes([7; 16]);
        let mut options = WriterOptions::new(last.unwrap_or_default(), clock, Box::new(salt));
        options.last_recorded_at = last_recorded_at;
        let writer = Writer::start(engine, options).map_err(OpenError::Io)?;
        Ok(Self { writer, log })
    }

    fn visible(&self) -> Vec<Envelope> {
        let head = self.writer.watch().head().position;
        let log = self.log.read().unwrap_or_else(PoisonError::into_inner);
        log.iter().take_while(|envelope| envelope.position <= head).cloned().collect()
    }
}

/// The file, and the events that are in it; what a cut left half written is cut off.
fn recovered(folder: &Path, fault: Option<LogFault>) -> io::Result<(File, Vec<Envelope>)> {
    let syncs_names = fault != Some(LogFault::FolderNotSynced);
    fs::create_dir_all(folder)?;
    if let Some(parent) = folder.canonicalize()?.parent() {
        File::open(parent)?.sync_all()?;
    }
    let path = folder.join("log");
    let file = File::options().append(true).create(true).open(&path)?;
    let bytes = Bytes::from(fs::read(&path)?);
    let (mut events, mut end) = (Vec::new(), 0);
    while let Some((group, length)) = group(&bytes.slice(end..), fault) {
        events.extend(group);
        end += length;
    }
    file.set_len(end as u64)?;
    file.sync_all()?;
    if syncs_names {
        File::open(folder)?.sync_all()?;
    }
    Ok((file, events))
}

/// The group that bytes begin with, and how long it is; none where none is whole.
fn group(bytes: &Bytes, fault: Option<LogFault>) -> Option<(Vec<Envelope>, usize)> {
    let length = length(bytes).filter(|length| *length > 0)?;
    let trusts = fault == Some(LogFault::TornGroupRead);
    let end = if trusts { bytes.len().min(4 + length) } else { 4 + length };
    let mut rest = bytes.get(4..end).map(|rest| bytes.slice_ref(rest))?;
    let mut events = Vec::new();
    while !rest.is_empty() {
        let envelope = one(&mut rest);
        if trusts && envelope.is_none() {
            break;
        }
        events.push(envelope?);
    }
    Some((events, end))
}

fn one(rest: &mut Bytes) -> Option<Envelope> {
    let length = length(rest)?;
    let bytes = rest.get(4..4 + length).map(|bytes| rest.slice_ref(bytes))?;
    *rest = rest.slice(4 + length..);
    record::decode(&bytes).ok()
}

fn length(bytes: &[u8]) -> Option<usize> {
    let (length, _) = bytes.split_first_chunk::<4>()?;
    usize::try_from(u32::from_be_bytes(*length)).ok()
}

/// The writer's side.
#[derive(Debug)]
struct LogEngine {
    file: File,
    log: Log,
    fault: Option<LogFault>,
    unwritten: Vec<u8>,
}

impl LogEngine {
    fn find_last(&self, is_it: impl Fn(&Envelope) -> bool) -> Option<Envelope> {
        let log = self.log.read().unwrap_or_else(PoisonError::into_inner);
        log.iter().rev().find(|envelope| is_it(envelope)).cloned()
    }
}

impl Engine for LogEngine {
    fn find(&self, id: EventId) -> Result<Option<Found>, ReadError> {
        Ok(self.find_last(|envelope| envelope.event.event_id == id).as_ref().map(Found::from))
    }

    fn last_version(&self, stream: StreamId) -> Result<Option<Version>, ReadError> {
        Ok(self.find_last(|envelope| envelope.stream == stream).map(|envelope| envelope.version))
    }

    fn commit(&mut self, group: &[Envelope]) -> Result<(), BoxError> {
        let mut bytes = Vec::new();
        for envelope in group {
            let record = record::encode(envelope);
            bytes.extend(u32::try_from(record.len())?.to_be_bytes());
            bytes.extend(record);
        }
        let length = u32::try_from(bytes.len())?.to_be_bytes();
        let bytes = [&length[..], &bytes].concat();
        if self.fault == Some(LogFault::AcknowledgedBeforeWritten) {
            self.file.write_all(&std::mem::replace(&mut self.unwritten, bytes))?;
        } else {
            self.file.write_all(&bytes)?;
        }
        if self.fault != Some(LogFault::AcknowledgedBeforeSync) {
            self.file.sync_data()?;
        }
        self.log.write().unwrap_or_else(PoisonError::into_inner).extend_from_slice(group);
        Ok(())
    }

    fn redact(&mut self, _: &[EventId]) -> Result<(), RedactError> {
        Err(RedactError::Unsupported)
    }
}

#[async_trait]
impl EventStore for LogStore {
    fn capabilities(&self) -> Capabilities {
        Capabilities::new(Durability::PowerLoss)
    }

    fn namespace(&self) -> Namespace {
        Namespace::from_bytes([7; 16])
    }

    async fn append(&self, batch: AppendBatch) -> Result<Appended, AppendError> {
        self.writer.append(batch).await
    }

    async fn read_stream(
        &self,
        stream: StreamId,
        from: Version,
        limit: usize,
    ) -> Result<StreamPage, ReadError> {
        let mut events = self.visible();
        events.retain(|envelope| envelope.stream == stream);
        let last = events.last().map(|last| last.version);
        events.retain(|envelope| envelope.version >= from);
        events.truncate(limit.max(1));
        Ok(StreamPage::new(events, from, last))
    }

    async fn read_all(
        &self,
        filter: &Filter,
        after: Position,
        limit: usize,
    ) -> Result<Page, ReadError> {
        let head = self.writer.watch().head().position;
        let mut events = self.visible();
        events.retain(|envelope| {
            envelope.position > after && filter.matches(envelope.stream, &envelope.event.event_type)
        });
        let all = events.len() <= limit.max(1);
        events.truncate(limit.max(1));
        let last = events.last().map(|last| last.position).filter(|_| !all);
        Ok(Page::new(events, last.unwrap_or(head.max(after)), head))
    }

    async fn changed(&self, past: Position) -> Result<Position, ReadError> {
        Ok(self.writer.watch().changed(past).await)
    }

    async fn head(&self) -> Result<Head, ReadError> {
        Ok(self.writer.watch().head())
    }

    async fn redact(&self, _: &[EventId]) -> Result<(), RedactError> {
        Err(RedactError::Unsupported)
    }

    async fn import(&self, _: AppendBatch) -> Result<Appended, ImportError> {
        Err(ImportError::Unsupported)
    }
}
