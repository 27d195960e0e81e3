//! Looks at everything.

use mailtrail_core::audit::{Altered, ChainCheck};
use mailtrail_core::store::{Head, ReadError};
use mailtrail_core::{Position, Version};

use crate::events::{Cursor, MANY, decode};
use crate::store::FjallStore;

impl FjallStore {
    /// Reads every record, checks the hash chain from the first on, and whether the index finds each. `progress` gets
    /// each position.
    ///
    /// # Errors
    /// [`VerifyError`] says what is wrong first, and where.
    pub fn verify(&self, mut progress: impl FnMut(Position)) -> Result<Head, VerifyError> {
        let (reads, head) = (&self.reads, self.visible());
        let mut check = ChainCheck::default();
        if head.position == Position::START {
            return Ok(check.head());
        }
        let mut cursor = Cursor::new(reads.log.clone(), Position::START.next(), MANY)?;
        while cursor.position() <= head.position {
            let position = cursor.position();
            let envelope = decode(&cursor.next_record()?, position)?;
            check.record(&envelope)?;
            let by_id = reads.index.position(envelope.event.event_id)?;
            let of_stream = |version: Version| reads.index.stream(envelope.stream, version, 1);
            if by_id != Some(position) || of_stream(envelope.version)? != [position.get()] {
                return Err(VerifyError::Unindexed { position });
            }
            progress(position);
        }
        Ok(check.head())
    }
}

/// What is wrong with a store.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// A record is damaged, or can't be read.
    #[error("a record can't be read: restore the store from a copy")]
    Read(#[from] ReadError),
    /// A record is not the one that the chain says.
    #[error("the hash chain is broken: restore the store from a copy")]
    Altered(#[from] Altered),
    /// The index doesn't find a record.
    #[error(
        "the index doesn't find position {position}: close the store, delete its index/, and open it again"
    )]
    Unindexed {
        /// The record.
        position: Position,
    },
}
