//! What makes a group durable.

use std::collections::HashSet;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use mailtrail_core::event::Envelope;
use mailtrail_core::store::writer::{Engine, Found};
use mailtrail_core::store::{BoxError, Head, ReadError, RedactError, record};
use mailtrail_core::{EventId, Namespace, StreamId, Version};
use mailtrail_folder::Witness;

use crate::folder;
use crate::layout;
use crate::read::{Reads, as_it_was};
use crate::rewrite;

/// The writer's side of the store.
#[derive(Debug)]
pub(crate) struct SledEngine {
    reads: Reads,
    folder: PathBuf,
    disk: Disk,
    namespace: Namespace,
    witness: Witness,
}

impl SledEngine {
    /// Makes what is there durable before anything is written on top of it.
    pub(crate) fn new(
        reads: Reads,
        folder: &Path,
        namespace: Namespace,
        head: Head,
    ) -> io::Result<Self> {
        let disk = Disk::open(&folder.join(folder::LOG))?;
        // The log has its name before there is a witness of it: without the log that would say that it is lost.
        mailtrail_folder::sync(folder)?;
        let witness = Witness::open(folder, namespace, head)?;
        mailtrail_folder::sync(folder)?;
        Ok(Self { reads, folder: folder.into(), disk, namespace, witness })
    }
}

impl Engine for SledEngine {
    fn find(&self, id: EventId) -> Result<Option<Found>, ReadError> {
        let envelope = self.reads.by_id(id)?;
        Ok(envelope.as_ref().map(Found::from))
    }

    fn last_version(&self, stream: StreamId) -> Result<Option<Version>, ReadError> {
        self.reads.last_version(stream)
    }

    fn commit(&mut self, group: &[Envelope]) -> Result<(), BoxError> {
        let mut batch = sled::Batch::default();
        for envelope in group {
            let position = envelope.position.get().to_be_bytes();
            batch.insert(layout::event_key(envelope.position), record::encode(envelope));
            batch.insert(layout::id_key(envelope.event.event_id), &position);
            batch.insert(layout::stream_key(envelope.stream, envelope.version), &position);
        }
        let Some(last) = group.last() else { return Ok(()) };
        let head = Head::new(last.position, last.hash);
        batch.insert(layout::HEAD_KEY, layout::head_value(head));
        let entries = group.len().saturating_mul(ENTRIES);
        self.reads.apply(batch, entries).map_err(|error| match error {
            ReadError::Unavailable { cause } => cause,
            error => error.into(),
        })?;
        self.disk.sync()?;
        self.witness.write(self.namespace, head)?;
        Ok(())
    }

    /// sled keeps old pages until it rewrites them, so the whole log is written anew.
    fn redact(&mut self, ids: &[EventId]) -> Result<(), RedactError> {
        let unavailable = |cause: BoxError| RedactError::Unavailable { cause };
        rewrite::without(&self.reads, ids, &self.folder.join(folder::NEW_LOG))?;
        let log = self.folder.join(folder::LOG);
        self.reads
            .replace(|| {
                folder::put_rewritten(&self.folder)?;
                open_log(&log)
            })
            .map_err(unavailable)?;
        self.disk = Disk::open(&log).map_err(|error| unavailable(error.into()))?;
        Ok(())
    }
}

/// How many an event has in the tree.
const ENTRIES: usize = 3;

/// Opens sled's files.
pub(crate) fn open_log(path: &Path) -> Result<sled::Db, BoxError> {
    sled::Config::new().path(path).flush_every_ms(None).open().map_err(|error| match error {
        sled::Error::Io(cause) => as_it_was(cause).into(),
        error => error.into(),
    })
}

/// The files below sled, through descriptors of our own.
///
/// sled's flush has handed everything to the kernel, no more: on Linux it ends in `sync_file_range`,
/// whose manual says that it is no durability. Large values lie in files of their own, which sled
/// doesn't sync at all.
#[derive(Debug)]
pub(crate) struct Disk {
    database: File,
    blobs: PathBuf,
    synced: HashSet<OsString>,
}

impl Disk {
    pub(crate) fn open(log: &Path) -> io::Result<Self> {
        let database = File::open(log.join("db"))?;
        let mut disk = Self { database, blobs: log.join("blobs"), synced: HashSet::new() };
        // Without its configuration sled would take the folder for a new one; it doesn't sync it.
        File::open(log.join("conf"))?.sync_all()?;
        disk.sync()?;
        mailtrail_folder::sync(log)?;
        Ok(disk)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_blobs()?;
        self.database.sync_data()
    }

    fn sync_blobs(&mut self) -> io::Result<()> {
        let mut present = HashSet::new();
        let mut new = false;
        for entry in fs::read_dir(&self.blobs)? {
            let name = entry?.file_name();
            if !self.synced.contains(&name) {
                match File::open(self.blobs.join(&name)) {
                    Ok(file) => file.sync_all()?,
                    // sled removes files that no page needs any more.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                    Err(error) => return Err(error),
                }
                new = true;
            }
            present.insert(name);
        }
        self.synced = present;
        if new { mailtrail_folder::sync(&self.blobs) } else { Ok(()) }
    }
}
