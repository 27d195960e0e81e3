//! Facts that the store didn't take, in a file until it does.
//!
//! One event a line, as `mailtrail ingest events` reads them.

use std::fmt;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use mailtrail_core::event::EnvelopeLine;
use mailtrail_core::{EventStore, EventStoreExt, NewEvent, StreamId};
use tokio::sync::Mutex;

use super::error::SpoolError;

/// The file, which is this process's alone.
///
/// A line counts once it is whole: what a crash leaves behind of a fact that was not acknowledged is cut
/// off when the file is opened.
pub(super) struct Spool {
    /// Asynchronous, as a replay holds it while it waits for the store. Each access to the file blocks: there
    /// are none while the store is well.
    file: Mutex<File>,
    waits: AtomicBool,
}

impl Spool {
    pub(super) fn open(path: &Path) -> Result<Self, SpoolError> {
        let mut options = OpenOptions::new();
        // It holds addresses.
        options.read(true).append(true).create(true).mode(0o600);
        let mut file = options.open(path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(SpoolError::InUse),
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
        let whole = whole_lines(&mut file)?;
        file.set_len(whole)?;
        file.sync_all()?;
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()?;
        Ok(Self { file: Mutex::new(file), waits: AtomicBool::new(whole > 0) })
    }

    /// Whether there is something to replay.
    pub(super) fn waits(&self) -> bool {
        self.waits.load(Ordering::Acquire)
    }

    /// Keeps facts: durable when it returns, or not there.
    pub(super) async fn add(&self, facts: &[(StreamId, NewEvent)]) -> Result<(), SpoolError> {
        let mut lines = Vec::new();
        for (stream, event) in facts {
            let line = EnvelopeLine::from((*stream, event));
            serde_json::to_writer(&mut lines, &line).map_err(io::Error::from)?;
            lines.push(b'\n');
        }
        let mut file = self.file.lock().await;
        let before = file.metadata()?.len();
        if let Err(error) = file.write_all(&lines).and_then(|()| file.sync_data()) {
            // Half a line would spoil the next one.
            file.set_len(before)?;
            return Err(error.into());
        }
        self.waits.store(true, Ordering::Release);
        Ok(())
    }

    /// Brings them to the store, and says how many there were. The file is empty only after all are stored.
    pub(super) async fn replay(&self, store: &dyn EventStore) -> Result<usize, SpoolError> {
        let mut file = self.file.lock().await;
        file.seek(SeekFrom::Start(0))?;
        let mut lines = BufReader::new(&*file).lines().enumerate();
        let (mut count, mut damaged) = (0_usize, None);
        loop {
            let batch: Vec<_> = lines.by_ref().take(BATCH).collect();
            if batch.is_empty() {
                break;
            }
            let mut facts = Vec::new();
            for (index, line) in batch {
                match serde_json::from_str::<EnvelopeLine>(&line?).map(EnvelopeLine::into_event) {
                    Ok(Ok(fact)) => facts.push(fact),
                    Ok(Err(_)) | Err(_) => {
                        damaged.get_or_insert(index.saturating_add(1));
                    }
                }
            }
            count = count.saturating_add(facts.len());
            store.record(facts).await?;
        }
        self.waits.store(false, Ordering::Release);
        if let Some(line) = damaged {
            return Err(SpoolError::Damaged { line });
        }
        file.set_len(0)?;
        file.sync_data()?;
        Ok(count)
    }
}

impl fmt::Debug for Spool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spool").field("waits", &self.waits).finish_non_exhaustive()
    }
}

/// How long the file is up to its last line end.
fn whole_lines(file: &mut File) -> io::Result<u64> {
    let (mut whole, mut read) = (0, 0_u64);
    let mut bytes = BufReader::new(file);
    let mut line = Vec::new();
    loop {
        line.clear();
        let length = bytes.by_ref().read_until(b'\n', &mut line)?;
        read = read.saturating_add(u64::try_from(length).unwrap_or(u64::MAX));
        if !line.ends_with(b"\n") {
            return Ok(whole);
        }
        whole = read;
    }
}

/// Events recorded at once.
const BATCH: usize = 256;
