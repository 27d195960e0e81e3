//! Writes bodies in groups: those that wait are written, then made durable by one sync.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::SystemTime;

use bytes::Bytes;
use futures_channel::oneshot;

/// The way to the thread that writes; it ends with the last of these.
#[derive(Debug, Clone)]
pub(super) struct Writer(Sender<Job>);

struct Job {
    path: PathBuf,
    bytes: Bytes,
    done: oneshot::Sender<io::Result<()>>,
}

impl Writer {
    /// Into this folder.
    pub(super) fn spawn(folder: PathBuf) -> io::Result<Self> {
        let (sender, jobs) = mpsc::channel();
        thread::Builder::new().name("mailtrail-raw".into()).spawn(move || run(&folder, &jobs))?;
        Ok(Self(sender))
    }

    /// Writes a file, unless it is there. When it says so, it is durable.
    pub(super) async fn write(&self, path: PathBuf, bytes: Bytes) -> io::Result<()> {
        let (done, outcome) = oneshot::channel();
        let gone = || io::Error::other("the thread that writes raw bodies has ended");
        self.0.send(Job { path, bytes, done }).map_err(|_| gone())?;
        outcome.await.map_err(|_| gone())?
    }
}

fn run(folder: &Path, jobs: &Receiver<Job>) {
    while let Ok(first) = jobs.recv() {
        let others = jobs.try_iter().take(GROUP);
        let (waiting, written): (Vec<_>, Vec<_>) = std::iter::once(first)
            .chain(others)
            .map(|job| (job.done, write(folder, &job.path, &job.bytes)))
            .unzip();
        // One file costs less than all that the file system has not written yet.
        let new: Vec<&File> = written.iter().flatten().flatten().collect();
        let synced = match new.as_slice() {
            [] => Ok(()),
            [one] => one.sync_all().and_then(|()| crate::sync(folder)),
            _ => sync_all(folder, &new),
        };
        for (done, written) in waiting.into_iter().zip(&written) {
            let outcome = written.as_ref().map(|_| ()).and(synced.as_ref().copied());
            // Whoever asked may have gone.
            done.send(outcome.map_err(again)).ok();
        }
    }
}

/// The file, if it is a new one.
fn write(folder: &Path, path: &Path, bytes: &[u8]) -> io::Result<Option<File>> {
    if path.exists() {
        // What is put again is as old as the last time.
        File::options().append(true).open(path)?.set_modified(now())?;
        return Ok(None);
    }
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(bytes)?;
    file.persist(path).map(Some).map_err(|error| error.error)
}

/// Everything that was written into the folder, by one call: `syncfs` waits for the files, their names and their
/// sizes (syncfs(2)).
#[cfg(target_os = "linux")]
fn sync_all(folder: &Path, _new: &[&File]) -> io::Result<()> {
    Ok(rustix::fs::syncfs(File::open(folder)?)?)
}

#[cfg(not(target_os = "linux"))]
fn sync_all(folder: &Path, new: &[&File]) -> io::Result<()> {
    new.iter().try_for_each(|file| file.sync_all())?;
    crate::sync(folder)
}

/// The same error for one more.
fn again(error: &io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(code) => io::Error::from_raw_os_error(code),
        None => io::Error::new(error.kind(), error.to_string()),
    }
}

#[expect(clippy::disallowed_methods, reason = "a file's age is by the system's clock")]
fn now() -> SystemTime {
    SystemTime::now()
}

/// How many are written before those are answered.
const GROUP: usize = 1_024;
