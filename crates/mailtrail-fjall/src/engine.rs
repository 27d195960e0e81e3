//! Calls of fjall. What it can't read is damage, also where it panics.

use std::fs::{self, File};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use fjall::config::{PartitioningPolicy, PinningPolicy};
use mailtrail_core::store::{OpenError, ReadError};

/// Calls fjall.
pub(crate) fn guarded<T>(call: impl FnOnce() -> fjall::Result<T>) -> Result<T, ReadError> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(read_error(error)),
        Err(_) => Err(ReadError::Corrupt { position: None }),
    }
}

/// Opens a database of fjall with its keyspaces.
///
/// A panic of fjall may end the process: where it recovers its keyspaces, it panics again on the way out. And fjall doesn't sync
/// the names of new keyspaces: after a power cut it would find some of them, and lose what is written to the others. So a file
/// beside the database says that it is being opened, or made. Where that was left, the database is thrown away.
pub(crate) fn open<T>(
    path: &Path,
    cache_bytes: u64,
    keyspaces: impl FnOnce(&fjall::Database) -> Result<T, ReadError>,
) -> Result<(fjall::Database, T), OpenError> {
    let opening = opening(path);
    if opening.exists() {
        throw_away(path).map_err(OpenError::Io)?;
    }
    let is_new = !path.exists();
    File::create(&opening).map_err(OpenError::Io)?;
    if is_new {
        sync_beside(path).map_err(OpenError::Io)?;
    }
    let opened = open_anyway(path, cache_bytes, is_new).and_then(|database| {
        let keyspaces = keyspaces(&database);
        let keyspaces = keyspaces.map_err(|error| OpenError::Corrupt { cause: error.into() })?;
        Ok((database, keyspaces))
    });
    if is_new && opened.is_ok() {
        sync_names(path).map_err(OpenError::Io)?;
    }
    fs::remove_file(&opening).map_err(OpenError::Io)?;
    if is_new {
        sync_beside(path).map_err(OpenError::Io)?;
    }
    opened
}

/// A keyspace of a database, made if it isn't there.
///
/// Its tables have their filters and indexes in pieces, but for the second level, where each is one block that stays in memory:
/// that is found faster, and the level has some 256 MiB, so that its filters have about 15 MiB. Elsewhere a block would be in
/// the cache, which has four shards for each processor. A block of megabytes pushes others out of its shard, or never gets into
/// it, and then each lookup reads it from the file again. The first level's tables are ingested, and fjall keeps none
/// of these in memory before they are opened again.
pub(crate) fn keyspace(
    database: &fjall::Database,
    name: &str,
) -> Result<fjall::Keyspace, ReadError> {
    let in_pieces = || PartitioningPolicy::new([true, false, true]);
    let in_memory = || PinningPolicy::new([true, true, false]);
    let options = || {
        fjall::KeyspaceCreateOptions::default()
            .filter_block_partitioning_policy(in_pieces())
            .index_block_partitioning_policy(in_pieces())
            .filter_block_pinning_policy(in_memory())
            .index_block_pinning_policy(in_memory())
    };
    guarded(|| database.keyspace(name, options))
}

/// Removes a database; what a crash leaves of it is removed when it is opened.
pub(crate) fn throw_away(path: &Path) -> io::Result<()> {
    if !path.exists() {
        return Ok(());
    }
    File::create(opening(path))?;
    sync_beside(path)?;
    fs::remove_dir_all(path)
}

/// The file that says that a database is no whole yet.
fn opening(path: &Path) -> PathBuf {
    path.with_extension("opening")
}

/// Makes durable what is beside a database.
fn sync_beside(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), mailtrail_folder::sync)
}

/// Makes the names of a new database's files durable.
fn sync_names(path: &Path) -> io::Result<()> {
    let keyspaces = path.join("keyspaces");
    for entry in fs::read_dir(&keyspaces)? {
        mailtrail_folder::sync(&entry?.path())?;
    }
    mailtrail_folder::sync(&keyspaces)?;
    mailtrail_folder::sync(path)
}

fn open_anyway(path: &Path, cache_bytes: u64, is_new: bool) -> Result<fjall::Database, OpenError> {
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
