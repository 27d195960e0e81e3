//! The store on fjall keeps every promise, also when its process is killed.
#![cfg(test)]

mod full_disk;
mod golden;
mod index;
mod power;
mod segments;
mod states;

use std::path::Path;
use std::sync::Arc;

use mailtrail_core::Namespace;
use mailtrail_core::clock::Clock;
use mailtrail_core::store::OpenError;
use mailtrail_fjall::{FjallStore, Restore, RestoreError};
use mailtrail_testkit::folder::Folder;

struct Fjall;

impl Folder for Fjall {
    type Store = FjallStore;

    fn open(path: &Path) -> Result<FjallStore, OpenError> {
        FjallStore::open(path)
    }

    fn open_by(clock: Arc<dyn Clock>, path: &Path) -> Result<FjallStore, OpenError> {
        FjallStore::options().clock(clock).open(path)
    }

    fn restore(path: &Path, namespace: Namespace) -> Result<Restore, RestoreError> {
        FjallStore::restore(path, namespace)
    }
}

mailtrail_testkit::folder!(in_a_folder, Fjall, parent = fjall::parent());

mailtrail_testkit::conformance!(
    fjall,
    || FjallStore::temporary().unwrap(),
    open = |folder: &Path| FjallStore::open(folder)
);

// The index goes to disk after every few events, so that all of the above is read from there too.
mailtrail_testkit::conformance!(
    fjall_indexed,
    index::temporary,
    open = |folder: &Path| FjallStore::options().index_every(1_400).open(folder),
    limits = mailtrail_testkit::crash::Limits::none()
        .may_end("a panic of fjall 3.1 where it recovers its keyspaces; the next opening makes the index anew")
);
