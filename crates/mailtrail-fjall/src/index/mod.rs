//! Which event is where: by id, by stream, by type. All of it can be made anew from the events.
//!
//! What was appended last is in memory. From time to time a thread writes it into tables of fjall, sorted, while
//! appends go on; then it is noted how far the tables go. At opening, what lies behind that is read again.

mod recent;
mod tables;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};
use std::sync::{RwLockReadGuard, RwLockWriteGuard, mpsc};
use std::thread::{self, JoinHandle};

use mailtrail_core::event::Envelope;
use mailtrail_core::store::{BoxError, Filter, Head, OpenError, ReadError};
use mailtrail_core::{EventId, Position, StreamId, Version};

use self::recent::Recent;
use self::tables::Tables;
use crate::engine;
use crate::events::replace_file;
use crate::layout;

/// The index, for readers. Clones are the same.
#[derive(Debug, Clone)]
pub(crate) struct Index(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    folder: PathBuf,
    cache_bytes: u64,
    tables: OnceLock<Tables>,
    recent: RwLock<Both>,
}

/// What is in memory.
#[derive(Debug, Default)]
struct Both {
    /// What comes in now.
    active: Recent,
    /// What is being written.
    frozen: Option<Arc<Recent>>,
}

impl Index {
    /// Opens the index of a store, and says how far it goes. One that can't be read is begun anew.
    pub(crate) fn open(
        folder: &Path,
        cache_bytes: u64,
        goes_to: impl Fn(Head) -> bool,
    ) -> Result<(Self, Position), OpenError> {
        let (path, tables) = (folder.join(layout::INDEX), OnceLock::new());
        let indexed = fs::read(folder.join(layout::INDEXED)).ok();
        let indexed = indexed.as_deref().and_then(layout::opened).and_then(layout::head_of);
        let mut known = Position::START;
        if let Some(head) = indexed.filter(|head| path.exists() && goes_to(*head))
            && let Ok(opened) = Tables::open(&path, cache_bytes)
            && opened.reach(head.position.get())
            && tables.set(opened).is_ok()
        {
            known = head.position;
        } else {
            forget(folder).map_err(OpenError::Io)?;
        }
        let (folder, recent) = (folder.to_owned(), RwLock::default());
        Ok((Self(Arc::new(Shared { folder, cache_bytes, tables, recent })), known))
    }

    pub(crate) fn position(&self, id: EventId) -> Result<Option<Position>, ReadError> {
        let recent = {
            let both = self.0.read();
            both.all().find_map(|recent| recent.ids.get(&id).copied())
        };
        let found = match (recent, self.0.tables.get()) {
            (None, Some(tables)) => tables.position(id)?,
            (found, _) => found,
        };
        Ok(found.map(Position::new))
    }

    /// How many events a stream has.
    pub(crate) fn count(&self, stream: StreamId) -> Result<u64, ReadError> {
        let recent = {
            let both = self.0.read();
            both.all().find_map(|recent| recent.streams.get(&stream).map(recent::Run::end))
        };
        match (recent, self.0.tables.get()) {
            (None, Some(tables)) => tables.count(stream),
            (count, _) => Ok(count.unwrap_or(0)),
        }
    }

    /// At most so many positions of a stream, from a version on.
    pub(crate) fn stream(
        &self,
        stream: StreamId,
        from: Version,
        limit: usize,
    ) -> Result<Vec<u64>, ReadError> {
        let from = from.get();
        // Before the tables are asked: what is written meanwhile is in both then, not in none.
        let runs = self.runs(stream, from, limit);
        let first = runs.first().map_or(u64::MAX, |(first, _)| *first);
        let mut positions = Vec::new();
        if let Some(tables) = self.0.tables.get().filter(|_| from < first) {
            positions = older(tables, stream, from..first, limit)?;
        }
        let recent = runs.into_iter().flat_map(|(_, positions)| positions);
        positions.extend(recent.take(limit.saturating_sub(positions.len())));
        Ok(positions)
    }

    /// The runs of a stream that are in memory, in order, from a version on.
    fn runs(&self, stream: StreamId, from: u64, limit: usize) -> Vec<(u64, Vec<u64>)> {
        let both = self.0.read();
        let runs = both.all().filter_map(|recent| recent.streams.get(&stream));
        let cut = |run: &recent::Run| {
            let positions = run.from(from.max(run.first));
            (run.first, positions.iter().take(limit).copied().collect())
        };
        let mut runs: Vec<_> = runs.map(cut).collect();
        runs.reverse();
        runs
    }

    /// Positions of matching events behind one, in order: at most so many, and all up to the last of them.
    pub(crate) fn matching(
        &self,
        filter: &Filter,
        after: Position,
        limit: usize,
    ) -> Result<Vec<u64>, ReadError> {
        let mut positions = Vec::new();
        {
            let both = self.0.read();
            both.all().for_each(|recent| {
                recent.matching(filter, after.get(), limit, &mut positions);
            });
        }
        if let Some(tables) = self.0.tables.get() {
            tables.matching(filter, after.get(), limit, &mut positions)?;
        }
        positions.sort_unstable();
        positions.dedup();
        positions.truncate(limit);
        Ok(positions)
    }

    pub(crate) fn compact(&self) -> Result<(), ReadError> {
        self.0.tables.get().map_or(Ok(()), Tables::compact)
    }
}

impl Shared {
    fn read(&self) -> RwLockReadGuard<'_, Both> {
        self.recent.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Both> {
        self.recent.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes what is frozen into the tables, and notes how far they go.
    fn write_frozen(&self) -> Result<(), BoxError> {
        let Some(frozen) = self.read().frozen.clone() else { return Ok(()) };
        if self.tables.get().is_none() {
            let opened = Tables::open(&self.folder.join(layout::INDEX), self.cache_bytes)?;
            // Only this thread sets it.
            self.tables.set(opened).ok();
        }
        if let Some(tables) = self.tables.get() {
            tables.write(&frozen)?;
        }
        let mut indexed = layout::head_bytes(frozen.head).to_vec();
        layout::seal(&mut indexed);
        replace_file(&self.folder.join(layout::INDEXED), &indexed, true)?;
        self.write().frozen = None;
        Ok(())
    }
}

impl Both {
    /// The newer first.
    fn all(&self) -> impl Iterator<Item = &Recent> {
        std::iter::once(&self.active).chain(self.frozen.as_deref())
    }
}

/// Positions of a stream's versions in the tables.
fn older(
    tables: &Tables,
    stream: StreamId,
    versions: std::ops::Range<u64>,
    limit: usize,
) -> Result<Vec<u64>, ReadError> {
    let wanted = usize::try_from(versions.end.saturating_sub(versions.start)).unwrap_or(usize::MAX);
    let (mut positions, wanted) = (Vec::new(), wanted.min(limit));
    let mut version = versions.start;
    while positions.len() < wanted {
        let page = tables.page(stream, version / tables::PAGE)?;
        let skipped = usize::try_from(version % tables::PAGE).unwrap_or(usize::MAX);
        let of_page = page.iter().skip(skipped).take(wanted.saturating_sub(positions.len()));
        if of_page.len() == 0 {
            break;
        }
        positions.extend(of_page);
        version = (version / tables::PAGE).saturating_add(1).saturating_mul(tables::PAGE);
    }
    Ok(positions)
}

/// Throws the index away.
fn forget(folder: &Path) -> io::Result<()> {
    match fs::remove_file(folder.join(layout::INDEXED)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    engine::throw_away(&folder.join(layout::INDEX))
}

/// The writer's side of the index.
#[derive(Debug)]
pub(crate) struct Indexer {
    index: Index,
    /// Written when it has so many events.
    every: usize,
    thread: Option<JoinHandle<()>>,
    wake: Option<mpsc::Sender<()>>,
    state: Arc<(Mutex<Written>, Condvar)>,
}

#[derive(Debug, Default)]
struct Written {
    busy: bool,
    failed: Option<BoxError>,
}

impl Indexer {
    /// Starts the thread that writes.
    pub(crate) fn start(index: Index, every: usize) -> io::Result<Self> {
        let state = Arc::<(Mutex<Written>, Condvar)>::default();
        let (wake, woken) = mpsc::channel();
        let (shared, done) = (Arc::clone(&index.0), Arc::clone(&state));
        let thread = thread::Builder::new().name("mailtrail-index".into()).spawn(move || {
            while woken.recv().is_ok() {
                let failed = shared.write_frozen().err();
                let mut written = done.0.lock().unwrap_or_else(PoisonError::into_inner);
                (written.busy, written.failed) = (false, failed);
                done.1.notify_all();
            }
        })?;
        Ok(Self { index, every: every.max(1), thread: Some(thread), wake: Some(wake), state })
    }

    pub(crate) fn index(&self) -> &Index {
        &self.index
    }

    /// Adds a group that is durable, and not visible yet.
    pub(crate) fn add(&self, group: &[Envelope]) {
        let mut both = self.index.0.write();
        for envelope in group {
            both.active.add(envelope);
        }
    }

    /// Has what is visible written when there is much of it. Waits where there is very much of it.
    pub(crate) fn settle(&self) -> Result<(), BoxError> {
        let events = self.index.0.read().active.len();
        if events < self.every {
            return Ok(());
        }
        let wait = events >= self.every.saturating_mul(MOST);
        self.freeze(wait)
    }

    fn freeze(&self, wait: bool) -> Result<(), BoxError> {
        let mut written = self.lock();
        while written.busy && wait {
            written = self.state.1.wait(written).unwrap_or_else(PoisonError::into_inner);
        }
        if let Some(failed) = written.failed.take() {
            return Err(failed);
        }
        if written.busy {
            return Ok(());
        }
        {
            let mut both = self.index.0.write();
            let next = both.active.next();
            let recent = std::mem::replace(&mut both.active, next);
            both.frozen = Some(Arc::new(recent));
        }
        written.busy = true;
        let gone = || "the thread that writes the index has ended";
        self.wake.as_ref().and_then(|wake| wake.send(()).ok()).ok_or_else(gone)?;
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Written> {
        self.state.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Indexer {
    /// Writes what is left if it is worth it: little is read again faster.
    fn drop(&mut self) {
        if self.index.0.read().active.len() >= self.every.min(WORTH) {
            // What fails here is read from the events again.
            self.freeze(true).ok();
        }
        self.wake = None;
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}

/// So many times as much waits for what is being written.
const MOST: usize = 2;
/// Fewer events are not written when the store is closed.
const WORTH: usize = 4_096;
