//! The log written anew, without what is to be erased.

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use mailtrail_core::EventId;
use mailtrail_core::store::{BoxError, ReadError, RedactError, record};

use crate::commit::{Disk, open_log};
use crate::layout;
use crate::read::{Reads, apply, decode, guarded};

/// Writes a whole, durable copy of the log to a folder, in which these events have no private part.
pub(crate) fn without(reads: &Reads, ids: &[EventId], folder: &Path) -> Result<(), RedactError> {
    if folder.exists() {
        fs::remove_dir_all(folder).map_err(unavailable)?;
    }
    let ids: HashSet<EventId> = ids.iter().copied().collect();
    let copy = open_log(folder).map_err(|cause| RedactError::Unavailable { cause })?;
    let mut batch = sled::Batch::default();
    let mut entries = 0_usize;
    reads.each(|key, value| -> Result<(), Stopped> {
        match layout::event_position(key) {
            None => batch.insert(key, value),
            Some(position) => {
                let mut envelope = decode(value, position)?;
                if ids.contains(&envelope.event.event_id) {
                    (envelope.event.private, envelope.salt) = (None, None);
                }
                batch.insert(key, record::encode(&envelope));
            }
        }
        entries = entries.saturating_add(1);
        if entries.is_multiple_of(BATCH) {
            apply(&copy, std::mem::take(&mut batch), BATCH)?;
        }
        Ok(())
    })?;
    apply(&copy, batch, BATCH).map_err(Stopped)?;
    guarded(|| copy.flush()).map_err(Stopped)?;
    // Closed before it is moved: sled would go on writing to the old path.
    drop(copy);
    Disk::open(folder).map_err(unavailable)?;
    Ok(())
}

/// A read or a write that failed.
struct Stopped(ReadError);

impl From<ReadError> for Stopped {
    fn from(error: ReadError) -> Self {
        Self(error)
    }
}

impl From<Stopped> for RedactError {
    fn from(Stopped(error): Stopped) -> Self {
        match error {
            ReadError::Corrupt { position } => Self::Corrupt { position },
            ReadError::Unavailable { cause } => Self::Unavailable { cause },
            other => Self::Unavailable { cause: other.into() },
        }
    }
}

fn unavailable(error: std::io::Error) -> RedactError {
    RedactError::Unavailable { cause: BoxError::from(error) }
}

/// Entries copied at once.
const BATCH: usize = 4_096;
