//! The store: a folder, sled in it, and the writer that all callers share.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use chrono::Utc;
use mailtrail_core::clock::Clock;
use mailtrail_core::store::writer::{Writer, WriterOptions};
use mailtrail_core::store::{
    AppendError, Appended, Capabilities, Durability, Filter, Head, ImportError, OpenError, Page,
    ReadError, RedactError, StreamPage,
};
use mailtrail_core::{AppendBatch, EventId, EventStore, Namespace, Position, StreamId, Version};
use mailtrail_folder::{Lock, Witness};

use crate::commit::SledEngine;
use crate::folder;
use crate::layout;
use crate::read::{Reads, guarded_open, not_opened};

/// An event store in a folder.
///
/// # Guarantees
/// - [`Durability::PowerLoss`]: after `Ok`, and before any reader sees an event, the database file
///   is synced (`fdatasync`).
/// - Appends of concurrent callers are written as one group with one sync.
/// - One process at a time: another gets [`OpenError::InUse`] with the owner's process id.
///
/// # Limits
/// `redact` writes the whole log anew, as sled keeps old pages until it rewrites them: it takes the disk
/// space of the log once more, appends wait meanwhile. What the disk itself keeps of deleted files is not
/// overwritten. After a failed write (a full disk) nothing more is written until the
/// store is opened anew; reads go on.
pub struct SledStore {
    // Dropped first: the writer's thread ends before the folder is let go.
    writer: Writer,
    reads: Reads,
    namespace: Namespace,
    path: PathBuf,
    _lock: Lock,
    /// Keeps a temporary folder for as long as the store.
    _folder: Option<tempfile::TempDir>,
}

/// How a store is opened.
pub struct Options {
    clock: Arc<dyn Clock>,
    cache_bytes: u64,
}

impl Options {
    /// With another clock than the system's.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// With this much memory for sled's cache (64 MiB if not said).
    pub fn cache_bytes(mut self, bytes: u64) -> Self {
        self.cache_bytes = bytes;
        self
    }

    /// Opens the store in a folder, which is made if it isn't there.
    ///
    /// # Errors
    /// [`OpenError`] says whether the folder is in use, not ours, of a newer format, damaged or cut.
    pub fn open(self, path: impl AsRef<Path>) -> Result<SledStore, OpenError> {
        let path = path.as_ref();
        let opened = Opened::open(path, self.cache_bytes, None)?;
        let mut options =
            WriterOptions::new(opened.head, self.clock, Box::new(mailtrail_folder::salts()));
        options.last_recorded_at = opened.last_recorded_at;
        let writer = Writer::start(opened.engine, options).map_err(OpenError::Io)?;
        let (reads, namespace, path) = (opened.reads, opened.namespace, path.to_owned());
        Ok(SledStore { writer, reads, namespace, path, _lock: opened.lock, _folder: None })
    }
}

/// A folder that is open: taken, checked, its end found.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) reads: Reads,
    pub(crate) namespace: Namespace,
    pub(crate) head: Head,
    last_recorded_at: Option<chrono::DateTime<Utc>>,
    pub(crate) engine: SledEngine,
    /// Dropped last: the folder is let go when sled has closed its files.
    pub(crate) lock: Lock,
}

impl Opened {
    /// Opens a folder; a new one gets this namespace, or a random one.
    pub(crate) fn open(
        path: &Path,
        cache_bytes: u64,
        namespace: Option<Namespace>,
    ) -> Result<Self, OpenError> {
        let lock = folder::take(path)?;
        folder::settle(path).map_err(OpenError::Io)?;
        let witnessed = Witness::read(path).map_err(OpenError::Io)?;
        let log = path.join(folder::LOG);
        if witnessed.is_some() && !log.join("db").exists() {
            return Err(OpenError::Corrupt { cause: "the database file is missing".into() });
        }
        let config =
            sled::Config::new().path(&log).cache_capacity(cache_bytes).flush_every_ms(None);
        let db = guarded_open(&config)?;
        let was_there = db.was_recovered();
        let reads = Reads::new(db);
        let (head, last_recorded_at) = end(&reads)?;
        if let Some((_, witnessed)) = witnessed {
            Witness::check(witnessed, head, |position| Ok(reads.at(position)?.hash))?;
        }
        let namespace = identify(&reads, was_there, namespace)?;
        if witnessed.is_some_and(|(witnessed, _)| witnessed != namespace) {
            let cause = "the files of two stores are mixed".into();
            return Err(OpenError::Corrupt { cause });
        }
        let engine =
            SledEngine::new(reads.clone(), path, namespace, head).map_err(OpenError::Io)?;
        Ok(Self { reads, namespace, head, last_recorded_at, engine, lock })
    }
}

impl SledStore {
    /// Opens the store in a folder, which is made if it isn't there.
    ///
    /// # Errors
    /// As of [`Options::open`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        Self::options().open(path)
    }

    /// How to open it otherwise.
    #[expect(clippy::disallowed_methods, reason = "the default clock is the system's")]
    pub fn options() -> Options {
        Options { clock: Arc::new(Utc::now), cache_bytes: 64 << 20 }
    }

    /// A store in a folder that goes away with it.
    ///
    /// # Errors
    /// As of [`Options::open`].
    pub fn temporary() -> Result<Self, OpenError> {
        let folder = tempfile::tempdir().map_err(OpenError::Io)?;
        let store = Self::open(folder.path().join("trail"))?;
        Ok(Self { _folder: Some(folder), ..store })
    }

    /// Whether the folder holds a store of this engine.
    pub fn is_in(path: impl AsRef<Path>) -> bool {
        folder::is_ours(path.as_ref())
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn visible(&self) -> Position {
        self.writer.watch().head().position
    }
}

impl fmt::Debug for SledStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SledStore").field("path", &self.path).finish_non_exhaustive()
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options").field("cache_bytes", &self.cache_bytes).finish_non_exhaustive()
    }
}

#[async_trait]
impl EventStore for SledStore {
    fn capabilities(&self) -> Capabilities {
        Capabilities::new(Durability::PowerLoss).redacts().imports()
    }

    fn namespace(&self) -> Namespace {
        self.namespace
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
        self.reads.stream(stream, from, limit, self.visible())
    }

    async fn read_all(
        &self,
        filter: &Filter,
        after: Position,
        limit: usize,
    ) -> Result<Page, ReadError> {
        self.reads.all(filter, after, limit, self.visible())
    }

    async fn changed(&self, past: Position) -> Result<Position, ReadError> {
        Ok(self.writer.watch().changed(past).await)
    }

    async fn head(&self) -> Result<Head, ReadError> {
        Ok(self.writer.watch().head())
    }

    async fn redact(&self, ids: &[EventId]) -> Result<(), RedactError> {
        self.writer.redact(ids).await
    }

    async fn import(&self, batch: AppendBatch) -> Result<Appended, ImportError> {
        self.writer.import(batch).await.map_err(ImportError::Append)
    }
}

/// Reads the store's format and namespace; writes them if it is new.
fn identify(
    reads: &Reads,
    was_there: bool,
    wanted: Option<Namespace>,
) -> Result<Namespace, OpenError> {
    let corrupt = |what: &'static str| OpenError::Corrupt { cause: what.into() };
    let read = |key| reads.value(key).map_err(not_opened);
    let Some(format) = read(layout::FORMAT_KEY)? else {
        if was_there && read(layout::HEAD_KEY)?.is_some() {
            return Err(corrupt("the format is missing"));
        }
        return create(reads, wanted);
    };
    let format: [u8; 4] = (*format).try_into().map_err(|_| corrupt("the format is unreadable"))?;
    let format = u32::from_be_bytes(format);
    if format > layout::FORMAT {
        return Err(OpenError::NewerFormat { format, newest: layout::FORMAT });
    }
    let namespace = read(layout::NAMESPACE_KEY)?.and_then(|value| (*value).try_into().ok());
    namespace.map(Namespace::from_bytes).ok_or_else(|| corrupt("the namespace is missing"))
}

fn create(reads: &Reads, wanted: Option<Namespace>) -> Result<Namespace, OpenError> {
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(|error| OpenError::Io(error.into()))?;
    let namespace = wanted.unwrap_or_else(|| Namespace::from_random(random));
    let mut batch = sled::Batch::default();
    batch.insert(layout::FORMAT_KEY, &layout::FORMAT.to_be_bytes());
    batch.insert(layout::NAMESPACE_KEY, namespace.as_bytes().as_slice());
    reads.apply(batch, 2).map_err(not_opened)?;
    Ok(namespace)
}

/// The end of the log as it is stored, checked against the record there.
fn end(reads: &Reads) -> Result<(Head, Option<chrono::DateTime<Utc>>), OpenError> {
    let corrupt = |cause| OpenError::Corrupt { cause };
    let Some(value) = reads.value(layout::HEAD_KEY).map_err(not_opened)? else {
        return Ok((Head::default(), None));
    };
    let head = layout::head_of(&value).ok_or_else(|| corrupt("the head is unreadable".into()))?;
    let last = reads.at(head.position).map_err(not_opened)?;
    if last.hash != head.hash {
        return Err(corrupt("the head is not that of the last record".into()));
    }
    Ok((head, Some(last.recorded_at)))
}
