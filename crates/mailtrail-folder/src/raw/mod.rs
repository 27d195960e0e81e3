//! Raw bytes beside the log: packed into segments, found by their hash.

mod erase;
mod filter;
mod head;
mod places;
mod segment;
mod shelf;
mod tail;
#[cfg(test)]
mod tests;
mod writer;

use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use mailtrail_core::event::RawHash;
use mailtrail_core::store::{RawError, RawStore};

use self::erase::own_path;
use self::shelf::Shelf;
use self::tail::Bounds;
use self::writer::{Writer, written};

/// Raw bytes in a folder.
///
/// # Guarantees
/// - What `put` has acknowledged survives kill −9 and power loss. Bodies that come together are made durable by one
///   sync, on a thread of its own, which ends when the last clone is dropped.
/// - A body that no longer has its hash is told as damaged, never read as something else.
/// - What was removed is overwritten: when `remove` says so, no file holds its bytes.
/// - Several processes may use a folder at once. Each writes to a segment of its own, and reads those of all.
///
/// # Limits
/// Bodies of up to 1 MiB are packed into segments of at most 128 MiB, 131,072 bodies and a week; a larger one is a file of
/// its own, as all were before: those are read, removed and expired too. Opening reads nothing. The first use reads what
/// stands at the end of each segment, 1.3 bytes for each body in it, which stay in memory; of a segment that is not full
/// it reads the heads of the bodies, and keeps some 50 bytes for each.
///
/// A body is stored once, except when two processes put it, or when it is put again while something is removed.
///
/// # Example
/// ```
/// # futures_executor::block_on(async {
/// use mailtrail_core::store::RawStore;
/// let folder = tempfile::tempdir()?;
/// let raw = mailtrail_folder::FolderRaw::open(folder.path().join("raw"))?;
/// let hash = raw.put("as it came".into()).await?;
/// assert_eq!(raw.read(hash).await?, Some("as it came".into()));
/// assert_eq!(raw.remove(&[hash]).await?, 1);
/// assert_eq!(raw.read(hash).await?, None);
/// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
/// ```
#[derive(Debug, Clone)]
pub struct FolderRaw {
    shelf: Arc<Shelf>,
    writer: Writer,
}

impl FolderRaw {
    /// In this folder, which is made if it isn't there; by custom `raw` in the store's.
    ///
    /// # Errors
    /// That of the operating system.
    pub fn open(path: impl Into<PathBuf>) -> io::Result<Self> {
        Self::bounded(path.into(), Bounds::default())
    }

    /// As [`open`](Self::open), with segments of at most so many bytes.
    ///
    /// # Errors
    /// That of the operating system.
    pub fn with_segments(path: impl Into<PathBuf>, bytes: u64) -> io::Result<Self> {
        Self::bounded(path.into(), Bounds { bytes, ..Bounds::default() })
    }

    fn bounded(path: PathBuf, bounds: Bounds) -> io::Result<Self> {
        fs::create_dir_all(&path)?;
        let shelf = Arc::new(Shelf::new(path));
        let writer = Writer::spawn(Arc::clone(&shelf), bounds)?;
        Ok(Self { shelf, writer })
    }

    /// Puts everything that is here into another folder, as new. Says how many bodies. What is damaged stays behind.
    ///
    /// # Errors
    /// That of the operating system; some may have been put.
    pub async fn copy_to(&self, other: &Self) -> io::Result<u64> {
        let mut copied = 0_u64;
        for hashes in self.hashes()?.chunks(COPIED_AT_ONCE) {
            let mut waiting = Vec::with_capacity(hashes.len());
            for hash in hashes {
                if let Ok(Some(bytes)) = self.look(*hash) {
                    waiting.push(other.writer.queue(*hash, bytes)?);
                }
            }
            for outcome in waiting {
                written(outcome).await?;
                copied = copied.saturating_add(1);
            }
        }
        Ok(copied)
    }

    /// Of all bodies.
    fn hashes(&self) -> io::Result<Vec<RawHash>> {
        self.shelf.refresh()?;
        let mut hashes = self.shelf.hashes()?;
        for entry in fs::read_dir(self.shelf.folder())? {
            hashes.extend(entry?.file_name().to_string_lossy().parse::<RawHash>().ok());
        }
        Ok(hashes)
    }

    /// What is known to be here.
    fn look(&self, hash: RawHash) -> Result<Option<Bytes>, RawError> {
        let copies = self.shelf.find(hash).map_err(unavailable)?;
        let mut damaged = copies.damaged || self.shelf.has_lost();
        for place in copies.places {
            match self.shelf.body(&place).map_err(unavailable)? {
                Some(bytes) if RawHash::of(&bytes) == hash => return Ok(Some(bytes)),
                Some(_) => damaged = true,
                None => {}
            }
        }
        match fs::read(own_path(self.shelf.folder(), hash)) {
            Ok(bytes) if RawHash::of(&bytes) == hash => Ok(Some(bytes.into())),
            Ok(_) => Err(RawError::Corrupt { hash }),
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(unavailable(error)),
            Err(_) if damaged => Err(RawError::Corrupt { hash }),
            Err(_) => Ok(None),
        }
    }
}

#[async_trait]
impl RawStore for FolderRaw {
    async fn put(&self, bytes: Bytes) -> Result<RawHash, RawError> {
        let hash = RawHash::of(&bytes);
        self.writer.write(hash, bytes).await.map(|()| hash).map_err(unavailable)
    }

    async fn read(&self, hash: RawHash) -> Result<Option<Bytes>, RawError> {
        if let found @ Some(_) = self.look(hash)? {
            return Ok(found);
        }
        // Another process may have put it.
        self.shelf.refresh().map_err(unavailable)?;
        self.look(hash)
    }

    async fn remove(&self, hashes: &[RawHash]) -> Result<u64, RawError> {
        erase::remove(&self.shelf, hashes).map_err(unavailable)
    }

    async fn expire(&self, before: DateTime<Utc>) -> Result<u64, RawError> {
        erase::expire(&self.shelf, before).map_err(unavailable)
    }
}

fn unavailable(error: io::Error) -> RawError {
    RawError::Unavailable { cause: error.into() }
}

/// How many bodies are made durable by one sync where all are copied.
const COPIED_AT_ONCE: usize = 256;
