//! Raw bytes beside the log: one file each, named by its hash.

mod writer;

use std::fs;
use std::io;
use std::path::PathBuf;
use std::time::SystemTime;

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use mailtrail_core::event::RawHash;
use mailtrail_core::store::{RawError, RawStore};

use self::writer::Writer;

/// Raw bytes in a folder.
///
/// # Guarantees
/// What `put` has acknowledged survives kill −9 and power loss. Bodies that come together are made
/// durable by one sync, on a thread of its own. A file that no longer has its hash
/// is told as damaged, never read as something else.
#[derive(Debug, Clone)]
pub struct FolderRaw {
    folder: PathBuf,
    writer: Writer,
}

impl FolderRaw {
    /// In this folder, which is made if it isn't there; by custom `raw` in the store's.
    ///
    /// # Errors
    /// That of the operating system.
    pub fn open(path: impl Into<PathBuf>) -> io::Result<Self> {
        let path = path.into();
        fs::create_dir_all(&path)?;
        let writer = Writer::spawn(path.clone())?;
        Ok(Self { folder: path, writer })
    }

    fn path(&self, hash: RawHash) -> PathBuf {
        self.folder.join(hash.to_string())
    }
}

#[async_trait]
impl RawStore for FolderRaw {
    async fn put(&self, bytes: Bytes) -> Result<RawHash, RawError> {
        let hash = RawHash::of(&bytes);
        let written = self.writer.write(self.path(hash), bytes).await;
        written.map(|()| hash).map_err(unavailable)
    }

    async fn read(&self, hash: RawHash) -> Result<Option<Bytes>, RawError> {
        match fs::read(self.path(hash)) {
            Ok(bytes) if RawHash::of(&bytes) == hash => Ok(Some(bytes.into())),
            Ok(_) => Err(RawError::Corrupt { hash }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(unavailable(error)),
        }
    }

    async fn remove(&self, hashes: &[RawHash]) -> Result<u64, RawError> {
        let mut removed = 0_u64;
        for hash in hashes {
            match fs::remove_file(self.path(*hash)) {
                Ok(()) => removed = removed.saturating_add(1),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(unavailable(error)),
            }
        }
        crate::sync(&self.folder).map_err(unavailable)?;
        Ok(removed)
    }

    async fn expire(&self, before: DateTime<Utc>) -> Result<u64, RawError> {
        let mut expired = 0_u64;
        for entry in fs::read_dir(&self.folder).map_err(unavailable)? {
            let entry = entry.map_err(unavailable)?;
            let modified =
                entry.metadata().and_then(|data| data.modified()).map_err(unavailable)?;
            if modified < SystemTime::from(before) {
                fs::remove_file(entry.path()).map_err(unavailable)?;
                expired = expired.saturating_add(1);
            }
        }
        Ok(expired)
    }
}

fn unavailable(error: io::Error) -> RawError {
    RawError::Unavailable { cause: error.into() }
}
