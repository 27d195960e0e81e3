//! What makes a group durable.

use std::io;
use std::path::{Path, PathBuf};

use mailtrail_core::event::Envelope;
use mailtrail_core::store::writer::{Engine, Found};
use mailtrail_core::store::{BoxError, Head, ReadError, RedactError};
use mailtrail_core::{EventId, Namespace, Position, StreamId, Version};
use mailtrail_folder::Witness;

use crate::events::{Tail, replace_file};
use crate::index::Indexer;
use crate::layout;
use crate::read::Reads;

/// The writer's side of the store.
#[derive(Debug)]
pub(crate) struct FjallEngine {
    pub(crate) reads: Reads,
    pub(crate) folder: PathBuf,
    pub(crate) tail: Tail,
    pub(crate) indexer: Indexer,
    pub(crate) namespace: Namespace,
    pub(crate) witness: Witness,
}

impl Engine for FjallEngine {
    fn find(&self, id: EventId) -> Result<Option<Found>, ReadError> {
        let envelope = self.reads.by_id(id)?;
        Ok(envelope.as_ref().map(Found::from))
    }

    fn last_version(&self, stream: StreamId) -> Result<Option<Version>, ReadError> {
        self.reads.last_version(stream)
    }

    fn commit(&mut self, group: &[Envelope]) -> Result<(), BoxError> {
        let Some(last) = group.last() else { return Ok(()) };
        // All that is indexed by now was answered: it is visible.
        self.indexer.settle()?;
        self.tail.append(group)?;
        self.indexer.add(group);
        self.witness.write(self.namespace, Head::new(last.position, last.hash))?;
        Ok(())
    }

    fn redact(&mut self, ids: &[EventId]) -> Result<(), RedactError> {
        let mut positions = Vec::new();
        for id in ids {
            let found = self.reads.position(*id).map_err(not_erased)?;
            positions.extend(found.map(Position::get));
        }
        erase(&self.folder, &mut self.tail, positions)
            .map_err(|error| RedactError::Unavailable { cause: error.into() })
    }
}

impl Drop for FjallEngine {
    /// Notes where the end is, so that the next opening needn't look for it.
    fn drop(&mut self) {
        let (path, known) = self.tail.known();
        replace_file(&path, &known.encode(), false).ok();
    }
}

/// Erases the private parts at these positions. Where it is cut off, the next opening goes on with it.
fn erase(folder: &Path, tail: &mut Tail, mut positions: Vec<u64>) -> io::Result<()> {
    positions.sort_unstable();
    positions.dedup();
    let mut bytes: Vec<u8> = positions.iter().flat_map(|at| at.to_be_bytes()).collect();
    layout::seal(&mut bytes);
    let path = folder.join(layout::ERASING);
    replace_file(&path, &bytes, true)?;
    tail.erase(&positions)?;
    std::fs::remove_file(path)?;
    mailtrail_folder::sync(folder)
}

/// Goes on with an erasure that was cut off.
pub(crate) fn finish_erasure(folder: &Path, tail: &mut Tail) -> io::Result<()> {
    let bytes = match std::fs::read(folder.join(layout::ERASING)) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let damaged = || io::Error::new(io::ErrorKind::InvalidData, "an erasure is unreadable");
    let positions = layout::opened(&bytes).ok_or_else(damaged)?;
    let (positions, _) = positions.as_chunks::<8>();
    erase(folder, tail, positions.iter().map(|at| u64::from_be_bytes(*at)).collect())
}

fn not_erased(error: ReadError) -> RedactError {
    match error {
        ReadError::Unavailable { cause } => RedactError::Unavailable { cause },
        ReadError::Corrupt { position } => RedactError::Corrupt { position },
        other => RedactError::Unavailable { cause: other.into() },
    }
}
