//! Calls of fjall. What it can't read is damage, also where it panics.

use std::fs::{self, File};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use mailtrail_core::store::{OpenError, ReadError};

/// Calls fjall.
pub(crate) fn guarded<T>(call: impl FnOnce() -> fjall::Result<T>) -> Result<T, ReadError> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(read_error(error)),
        Err(_) => Err(ReadError::Corrupt { position: None }),
    }
}

/// Opens a database of fjall.
///
/// A panic of fjall may end the process: where it recovers its keyspaces, it panics again on the way out. So a file beside
/// the database says that it is being opened. Where that was left, the database is as good as damaged, if there is one: a
/// process may have been killed before it made it.
pub(crate) fn open(path: &Path, cache_bytes: u64) -> Result<fjall::Database, OpenError> {
    let opening = path.with_extension("opening");
    if opening.exists() {
        fs::remove_file(&opening).map_err(OpenError::Io)?;
        if path.exists() {
            let cause = "fjall ended the process that opened it".into();
            return Err(OpenError::Corrupt { cause });
        }
    }
    File::create(&opening).map_err(OpenError::Io)?;
    let opened = open_anyway(path, cache_bytes);
    fs::remove_file(&opening).map_err(OpenError::Io)?;
    opened
}

fn open_anyway(path: &Path, cache_bytes: u64) -> Result<fjall::Database, OpenError> {
    let is_new = !path.exists();
    let builder = fjall::Database::builder(path).cache_size(cache_bytes).worker_threads(1);
    let database = guarded(|| builder.open()).map_err(|error| match error {
        ReadError::Unavailable { cause } => OpenError::Io(
            cause.downcast::<io::Error>().map_or_else(io::Error::other, |cause| *cause),
        ),
        error => OpenError::Corrupt { cause: error.into() },
    })?;
    if is_new {
        // fjall gives its journal 64 MiB of holes, which copies of the folder fill. Nothing is in it yet.
        let journal = File::options().write(true).open(path.join("0.jnl"));
        journal.and_then(|journal| journal.set_len(0)).map_err(OpenError::Io)?;
    }
    Ok(database)
}

fn read_error(error: fjall::Error) -> ReadError {
    match error {
        fjall::Error::Io(cause) | fjall::Error::Storage(fjall::LsmError::Io(cause))
            if !is_damage(&cause) =>
        {
            ReadError::Unavailable { cause: cause.into() }
        }
        error @ (fjall::Error::Poisoned | fjall::Error::Locked) => {
            ReadError::Unavailable { cause: error.into() }
        }
        _ => ReadError::Corrupt { position: None },
    }
}

/// A file that ends too early, is not there or doesn't hold what it should, is not the operating system's fault.
fn is_damage(cause: &io::Error) -> bool {
    matches!(
        cause.kind(),
        io::ErrorKind::UnexpectedEof
            | io::ErrorKind::InvalidData
            | io::ErrorKind::InvalidInput
            | io::ErrorKind::NotFound
            | io::ErrorKind::Other
    )
}
