//! Places in the log, one small file each.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::PathBuf;

use mailtrail_core::projection::{Checkpoint, CheckpointError, CheckpointStore, checked_name};

/// Places in a folder; by custom `subscriptions` in the store's.
///
/// # Guarantees
/// What `save` has acknowledged survives kill −9 and power loss; a crash leaves the old place or the new one.
///
/// ```
/// use mailtrail_core::projection::{Checkpoint, CheckpointStore};
/// let folder = tempfile::tempdir()?;
/// let checkpoints = mailtrail_folder::FolderCheckpoints::open(folder.path())?;
/// checkpoints.save("crm", &Checkpoint::default())?;
/// assert!(checkpoints.load("crm")?.is_some());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct FolderCheckpoints(PathBuf);

impl FolderCheckpoints {
    /// In this folder, which is made if it isn't there.
    ///
    /// # Errors
    /// That of the operating system.
    pub fn open(path: impl Into<PathBuf>) -> io::Result<Self> {
        let path = path.into();
        fs::create_dir_all(&path)?;
        Ok(Self(path))
    }

    fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let mut new = tempfile::NamedTempFile::new_in(&self.0)?;
        new.write_all(bytes)?;
        new.as_file().sync_all()?;
        new.persist(self.0.join(name)).map_err(|error| error.error)?;
        crate::sync(&self.0)
    }
}

impl CheckpointStore for FolderCheckpoints {
    fn load(&self, name: &str) -> Result<Option<Checkpoint>, CheckpointError> {
        match File::open(self.0.join(checked_name(name)?)) {
            Ok(file) => serde_json::from_reader(file)
                .map(Some)
                .map_err(|error| CheckpointError::Corrupt { cause: error.into() }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(CheckpointError::Unavailable { cause: error.into() }),
        }
    }

    fn save(&self, name: &str, checkpoint: &Checkpoint) -> Result<(), CheckpointError> {
        let name = checked_name(name)?;
        let unavailable = |error: io::Error| CheckpointError::Unavailable { cause: error.into() };
        let bytes = serde_json::to_vec(checkpoint).map_err(|error| unavailable(error.into()))?;
        self.write(name, &bytes).map_err(unavailable)
    }
}
