//! Writes bodies in groups: those that wait are written, then made durable by one sync.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, JoinHandle};
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use futures_channel::oneshot;
use mailtrail_core::event::RawHash;

use super::erase::{own_path, try_changes};
use super::head::Age;
use super::segment;
use super::shelf::Shelf;
use super::tail::{Bounds, Tail};

/// The way to the thread that writes. The last of these waits for what is queued, then ends the thread.
#[derive(Debug, Clone)]
pub(super) struct Writer(Arc<Thread>);

#[derive(Debug)]
struct Thread {
    queue: Option<Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

struct Job {
    hash: RawHash,
    bytes: Bytes,
    done: oneshot::Sender<io::Result<()>>,
}

/// What a body comes to.
pub(super) type Written = oneshot::Receiver<io::Result<()>>;

impl Writer {
    /// Into this folder.
    pub(super) fn spawn(shelf: Arc<Shelf>, bounds: Bounds) -> io::Result<Self> {
        let (queue, jobs) = mpsc::channel();
        let mut group = Group { tail: Tail::new(Arc::clone(&shelf), bounds), shelf, begun: false };
        let run = move || group.run(&jobs);
        let thread = thread::Builder::new().name("mailtrail-raw".into()).spawn(run)?;
        Ok(Self(Arc::new(Thread { queue: Some(queue), thread: Some(thread) })))
    }

    /// Writes a body, unless it is there. When it says so, it is durable.
    pub(super) async fn write(&self, hash: RawHash, bytes: Bytes) -> io::Result<()> {
        written(self.queue(hash, bytes)?).await
    }

    /// Queues a body.
    pub(super) fn queue(&self, hash: RawHash, bytes: Bytes) -> io::Result<Written> {
        let (done, outcome) = oneshot::channel();
        let queue = self.0.queue.as_ref().ok_or_else(gone)?;
        queue.send(Job { hash, bytes, done }).map_err(|_| gone())?;
        Ok(outcome)
    }
}

/// Waits for what a body comes to.
pub(super) async fn written(outcome: Written) -> io::Result<()> {
    outcome.await.map_err(|_| gone())?
}

fn gone() -> io::Error {
    io::Error::other("the thread that writes raw bodies has ended")
}

impl Drop for Thread {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            // A panic has told every caller that the thread is gone.
            thread.join().ok();
        }
    }
}

/// Bodies that are written together.
struct Group {
    tail: Tail,
    shelf: Arc<Shelf>,
    /// Whether the folder was looked at.
    begun: bool,
}

impl Group {
    fn run(&mut self, jobs: &Receiver<Job>) {
        while let Ok(first) = jobs.recv() {
            let group: Vec<Job> =
                std::iter::once(first).chain(jobs.try_iter().take(GROUP)).collect();
            let outcome = self.write(&group);
            for job in group {
                // Whoever asked may have gone.
                job.done.send(outcome.as_ref().map_or_else(again, |()| Ok(()))).ok();
            }
        }
    }

    fn write(&mut self, group: &[Job]) -> io::Result<()> {
        if !self.begun {
            self.shelf.refresh()?;
            if self.shelf.is_empty() {
                crate::lock::make_durably(self.shelf.folder())?;
            }
            self.begun = true;
        }
        let (now, mut seen) = (now(), HashSet::with_capacity(group.len()));
        let (mut new, mut own, mut again) =
            (Vec::with_capacity(group.len()), Vec::new(), Vec::new());
        for Job { hash, bytes, .. } in group {
            if !seen.insert(*hash) {
                continue;
            }
            match self.put_again(*hash, now)? {
                Some(file) => again.push(file),
                None if bytes.len() > OWN_FILE => own.push(self.write_own(*hash, bytes)?),
                None => new.push((*hash, bytes.clone())),
            }
        }
        if !new.is_empty() {
            self.tail.append(&new, nanoseconds(now))?;
        }
        again.iter().chain(&own).try_for_each(File::sync_all)?;
        if own.is_empty() { Ok(()) } else { crate::sync(self.shelf.folder()) }
    }

    /// The file that has the body already: what is put again is as old as the last time.
    fn put_again(&self, hash: RawHash, now: SystemTime) -> io::Result<Option<File>> {
        if self.shelf.has_own()
            && let Ok(file) = File::options().append(true).open(own_path(self.shelf.folder(), hash))
        {
            file.set_modified(now)?;
            return Ok(Some(file));
        }
        if self.shelf.find(hash)?.places.is_empty() {
            return Ok(None);
        }
        // Who erases may be at it: then there is another copy.
        let Some(_changes) = try_changes(self.shelf.folder())? else { return Ok(None) };
        for place in self.shelf.find(hash)?.places {
            let Some(file) = self.shelf.change(place.segment)? else { continue };
            let body = segment::body(&file, place.at, place.head.length)?;
            if RawHash::of(&body) == hash {
                let age = Age::Put(nanoseconds(now));
                segment::set_age(&file, &place.salt, place.at, age)?;
                return Ok(Some(file));
            }
            // Damaged, or never whole: the new copy takes its place.
            segment::overwrite(&file, place.at, place.head.length)?;
            segment::set_age(&file, &place.salt, place.at, Age::Erased)?;
        }
        Ok(None)
    }

    fn write_own(&self, hash: RawHash, bytes: &[u8]) -> io::Result<File> {
        self.shelf.set_has_own();
        let mut file = tempfile::NamedTempFile::new_in(self.shelf.folder())?;
        file.write_all(bytes)?;
        let path = own_path(self.shelf.folder(), hash);
        file.persist(path).map_err(|error| error.error)
    }
}

/// The same error for one more.
fn again(error: &io::Error) -> io::Result<()> {
    Err(match error.raw_os_error() {
        Some(code) => io::Error::from_raw_os_error(code),
        None => io::Error::new(error.kind(), error.to_string()),
    })
}

#[expect(clippy::disallowed_methods, reason = "a file's age is by the system's clock")]
pub(super) fn now() -> SystemTime {
    SystemTime::now()
}

/// Since 1970.
pub(super) fn nanoseconds(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}

/// How many are written before those are answered.
const GROUP: usize = 1_024;
/// A body with more bytes is a file of its own.
pub(super) const OWN_FILE: usize = 1 << 20;
