//! A store put together again from an export: the same positions, versions, times and chain.

use std::any::Any;
use std::fmt;

use super::Engine;
use crate::audit::{Altered, ChainCheck};
use crate::event::Envelope;
use crate::store::error::{BoxError, OpenError};
use crate::store::head::Head;
use crate::store::position::Position;

/// A new store that takes the records of another as they are. An embedded store gives it for a folder.
///
/// # Guarantees
/// Every record is checked against the one before. What [`append`](Self::append) has acknowledged is
/// durable; a restore that was cut off goes on behind [`head`](Self::head).
pub struct Restore {
    // Dropped before what it needs.
    engine: Box<dyn Engine>,
    check: ChainCheck,
    _held: Box<dyn Any + Send>,
}

impl Restore {
    /// Of an engine that ends here; `held` is kept for as long: the folder's lock.
    pub fn new(engine: impl Engine, head: Head, held: impl Any + Send) -> Self {
        let check = ChainCheck::after(head);
        Self { engine: Box::new(engine), check, _held: Box::new(held) }
    }

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
        self.engine.commit(records).map_err(RestoreError::Write)?;
        self.check = check;
        Ok(())
    }
}

impl fmt::Debug for Restore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Restore").field("head", &self.head()).finish_non_exhaustive()
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
