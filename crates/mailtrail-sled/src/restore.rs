//! A store put together again from an export: the same positions, versions, times and chain.

use std::path::Path;

use mailtrail_core::Namespace;
use mailtrail_core::store::writer::{Restore, RestoreError};

use crate::store::{Opened, SledStore};

impl SledStore {
    /// Begins a restore in a new folder, or goes on with one.
    ///
    /// # Errors
    /// [`RestoreError::AnotherNamespace`] if the folder holds another log.
    ///
    /// # Example
    /// ```
    /// use mailtrail_core::Namespace;
    /// use mailtrail_core::store::Head;
    /// let folder = tempfile::tempdir()?;
    /// let namespace = Namespace::from_bytes([7; 16]);
    /// let restore = mailtrail_sled::SledStore::restore(folder.path(), namespace)?;
    /// assert_eq!(restore.head(), Head::default());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn restore(path: impl AsRef<Path>, namespace: Namespace) -> Result<Restore, RestoreError> {
        let opened = Opened::open(path.as_ref(), CACHE_BYTES, Some(namespace))?;
        if opened.namespace != namespace {
            return Err(RestoreError::AnotherNamespace);
        }
        Ok(Restore::new(opened.engine, opened.head, opened.lock))
    }
}

const CACHE_BYTES: u64 = 64 << 20;
