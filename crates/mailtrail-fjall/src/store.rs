//! The store: a folder with events and their index in it, and the writer that all callers share.

use std::fmt;
use std::io;
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

use crate::commit::{FjallEngine, finish_erasure};
use crate::events::{Cursor, MANY, Recovered, Tail, decode, recover};
use crate::index::{Index, Indexer};
use crate::layout;
use crate::read::Reads;

/// An event store in a folder.
///
/// # Guarantees
/// - [`Durability::PowerLoss`]: after `Ok`, and before any reader sees an event, its segment is synced (`fdatasync`).
/// - Appends of concurrent callers are written as one group with one sync. Reads never wait for the writer.
/// - Opening reads what was appended since the index was last written, no more.
/// - One process at a time: another gets [`OpenError::InUse`] with the owner's process id.
///
/// # Limits
/// An index that is lost or damaged is made anew at opening, which reads all events. `redact` writes each segment anew
/// that has one of the events (at most 256 MiB each, a mebibyte at a time); appends wait. What the disk itself keeps of
/// deleted files is not overwritten. After a failed write (a full disk) nothing more is written until the store is
/// opened anew; reads go on.
pub struct FjallStore {
    // Dropped first: the writer's thread ends before the folder is let go.
    writer: Writer,
    pub(crate) reads: Reads,
    namespace: Namespace,
    path: PathBuf,
    _lock: Lock,
    /// Keeps a temporary folder for as long as the store.
    _folder: Option<tempfile::TempDir>,
}

/// How a store is opened.
pub struct Options {
    clock: Arc<dyn Clock>,
    sizes: Sizes,
}

/// How much is kept in memory.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sizes {
    cache_bytes: u64,
    index_every: usize,
}

impl Default for Sizes {
    fn default() -> Self {
        Self { cache_bytes: 64 << 20, index_every: 1 << 18 }
    }
}

impl Options {
    /// With another clock than the system's.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// With this much memory for the index's cache (64 MiB if not said). Filters of the index take up to about 15 MiB more.
    pub fn cache_bytes(mut self, bytes: u64) -> Self {
        self.sizes.cache_bytes = bytes;
        self
    }

    /// Writes the index to disk after so many events (262,144 if not said). Until then they are in memory, about 150
    /// bytes each, and are read again at opening after a crash. While so many are written, up to twice as many more come in
    /// before an append waits.
    pub fn index_every(mut self, events: usize) -> Self {
        self.sizes.index_every = events;
        self
    }

    /// Opens the store in a folder, which is made if it isn't there.
    ///
    /// # Errors
    /// [`OpenError`] says whether the folder is in use, not ours, of a newer format, damaged or cut.
    pub fn open(self, path: impl AsRef<Path>) -> Result<FjallStore, OpenError> {
        let path = path.as_ref();
        let opened = Opened::open(path, &self.sizes, None)?;
        let mut options =
            WriterOptions::new(opened.head, self.clock, Box::new(mailtrail_folder::salts()));
        options.last_recorded_at = opened.last_recorded_at;
        let reads = opened.engine.reads.clone();
        let writer = Writer::start(opened.engine, options).map_err(OpenError::Io)?;
        let (namespace, path) = (opened.namespace, path.to_owned());
        Ok(FjallStore { writer, reads, namespace, path, _lock: opened.lock, _folder: None })
    }
}

/// A folder that is open: taken, checked, its end found.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) namespace: Namespace,
    pub(crate) head: Head,
    last_recorded_at: Option<chrono::DateTime<Utc>>,
    pub(crate) engine: FjallEngine,
    /// Dropped last: the folder is let go when all files are closed.
    pub(crate) lock: Lock,
}

impl Opened {
    /// Opens a folder; a new one gets this namespace, or a random one.
    pub(crate) fn open(
        path: &Path,
        sizes: &Sizes,
        namespace: Option<Namespace>,
    ) -> Result<Self, OpenError> {
        let lock = Lock::take(path, "fjall", &[layout::EVENTS])?;
        let witnessed = Witness::read(path).map_err(OpenError::Io)?;
        let events = path.join(layout::EVENTS);
        if witnessed.is_some() && !events.exists() {
            return Err(OpenError::Corrupt { cause: "the events are missing".into() });
        }
        let recovered = recover(&events, || namespace.map_or_else(random, Ok))?;
        // They have their name before there is a witness of them: without the events that would say that they are lost.
        mailtrail_folder::sync(path).map_err(OpenError::Io)?;
        let (log, head) = (recovered.log.clone(), recovered.head);
        let namespace = recovered.segment.namespace();
        if let Some((of, witnessed)) = witnessed {
            Witness::check(witnessed, head, |position| Ok(log.at(position)?.hash))?;
            if of != namespace {
                let cause = "the files of two stores are mixed".into();
                return Err(OpenError::Corrupt { cause });
            }
        }
        let mut tail = Tail::new(&events, &recovered).map_err(OpenError::Io)?;
        finish_erasure(path, &mut tail).map_err(OpenError::Io)?;
        let indexer = indexed(path, sizes, &recovered)?;
        let reads = Reads { log, index: indexer.index().clone() };
        let witness = Witness::open(path, namespace, head).map_err(OpenError::Io)?;
        mailtrail_folder::sync(path).map_err(OpenError::Io)?;
        let folder = path.to_owned();
        let engine = FjallEngine { reads, folder, tail, indexer, namespace, witness };
        let last_recorded_at = recovered.last_recorded_at;
        Ok(Self { namespace, head, last_recorded_at, engine, lock })
    }
}

/// The index, of all events.
fn indexed(path: &Path, sizes: &Sizes, recovered: &Recovered) -> Result<Indexer, OpenError> {
    let Recovered { log, head, .. } = recovered;
    let is_of_log = |indexed: Head| {
        indexed.position <= head.position
            && log.at(indexed.position).is_ok_and(|envelope| envelope.hash == indexed.hash)
    };
    let (index, known) = Index::open(path, sizes.cache_bytes, is_of_log)?;
    let indexer = Indexer::start(index, sizes.index_every).map_err(OpenError::Io)?;
    if known < head.position {
        let damaged = |error: ReadError| OpenError::Corrupt { cause: error.into() };
        let mut cursor = Cursor::new(log.clone(), known.next(), MANY).map_err(damaged)?;
        while cursor.position() <= head.position {
            let position = cursor.position();
            let record = cursor.next_record().map_err(damaged)?;
            let envelope = decode(&record, position).map_err(damaged)?;
            indexer.add(&[envelope]);
            indexer.settle().map_err(|cause| OpenError::Io(io::Error::other(cause)))?;
        }
    }
    Ok(indexer)
}

impl FjallStore {
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
        Options { clock: Arc::new(Utc::now), sizes: Sizes::default() }
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

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the folder holds a store of this engine.
    pub fn is_in(path: impl AsRef<Path>) -> bool {
        path.as_ref().join(layout::EVENTS).is_dir()
    }

    /// Merges the index's files, so that less is looked at in a read; takes a while. The events are as they are.
    ///
    /// # Errors
    /// [`ReadError`]: nothing is lost.
    pub fn compact(&self) -> Result<(), ReadError> {
        self.reads.index.compact()
    }

    pub(crate) fn visible(&self) -> Head {
        self.writer.watch().head()
    }
}

impl fmt::Debug for FjallStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FjallStore").field("path", &self.path).finish_non_exhaustive()
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options").field("sizes", &self.sizes).finish_non_exhaustive()
    }
}

#[async_trait]
impl EventStore for FjallStore {
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
        self.reads.stream(stream, from, limit, self.visible().position)
    }

    async fn read_all(
        &self,
        filter: &Filter,
        after: Position,
        limit: usize,
    ) -> Result<Page, ReadError> {
        self.reads.all(filter, after, limit, self.visible().position)
    }

    async fn changed(&self, past: Position) -> Result<Position, ReadError> {
        Ok(self.writer.watch().changed(past).await)
    }

    async fn head(&self) -> Result<Head, ReadError> {
        Ok(self.visible())
    }

    async fn redact(&self, ids: &[EventId]) -> Result<(), RedactError> {
        self.writer.redact(ids).await
    }

    async fn import(&self, batch: AppendBatch) -> Result<Appended, ImportError> {
        self.writer.import(batch).await.map_err(ImportError::Append)
    }
}

fn random() -> io::Result<Namespace> {
    let mut random = [0; 16];
    getrandom::fill(&mut random)?;
    Ok(Namespace::from_random(random))
}
