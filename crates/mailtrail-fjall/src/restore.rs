//! A store put together again from an export: the same positions, versions, times and chain.

use std::path::Path;

use mailtrail_core::audit::{Altered, ChainCheck};
use mailtrail_core::store::writer::Engine;
use mailtrail_core::store::{BoxError, Head, OpenError};
use mailtrail_core::{Envelope, Namespace, Position};

use crate::store::{FjallStore, Opened, Sizes};

/// A new folder that takes the records of another store as they are.
///
/// # Guarantees
/// Every record is checked against the one before. What [`append`](Self::append) has acknowledged is
/// durable; a restore that was cut off goes on behind [`head`](Self::head).
///
/// # Example
/// ```
/// use mailtrail_core::Namespace;
/// use mailtrail_core::store::Head;
/// let folder = tempfile::tempdir()?;
/// let restore = mailtrail_fjall::FjallStore::restore(folder.path(), Namespace::from_bytes([7; 16]))?;
/// assert_eq!(restore.head(), Head::default());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Restore {
    opened: Opened,
    check: ChainCheck,
}

impl FjallStore {
    /// Begins a restore in a new folder, or goes on with one.
    ///
    /// # Errors
    /// [`RestoreError::AnotherNamespace`] if the folder holds another log.
    pub fn restore(path: impl AsRef<Path>, namespace: Namespace) -> Result<Restore, RestoreError> {
        let opened = Opened::open(path.as_ref(), &Sizes::default(), Some(namespace))?;
        if opened.namespace != namespace {
            return Err(RestoreError::AnotherNamespace);
        }
        let check = ChainCheck::after(opened.head);
        Ok(Restore { opened, check })
    }
}

impl Restore {
    /// The last record that is there.
    pub fn head(&self) -> Head {
        self.check.head()
    }

    /// Takes the records that follow, durably.
    ///
    /// # Errors
    /// [`RestoreError`]: none of these is stored, unless the disk failed; begin again where
    /// [`head`](Self::head) then says.
    pub fn append(&mut self, records: &[Envelope]) -> Result<(), RestoreError> {
        let mut check = self.check;
        for record in records {
            if record.position != check.head().position.next() {
                return Err(RestoreError::Gap { position: record.position });
            }
            check.record(record)?;
        }
        self.opened.engine.commit(records).map_err(RestoreError::Write)?;
        self.check = check;
        Ok(())
    }
}

/// Why a restore stopped. What was acknowledged before stays.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RestoreError {
    /// The folder can't be opened.
    #[error("the new store can't be begun")]
    Open(#[from] OpenError),
    /// The folder holds another log: restore into a new one.
    #[error("the folder holds another log: restore into a new folder")]
    AnotherNamespace,
    /// This store has every position; import into it instead, which gives new ones.
    #[error("there is a gap before position {position}: import the records instead")]
    Gap {
        /// The record behind the gap.
        position: Position,
    },
    /// A record is not what was exported.
    #[error("what is to be restored is not what was exported")]
    Altered(#[from] Altered),
    /// The records could not be written.
    #[error("the records could not be written")]
    Write(#[source] BoxError),
}
