//! The store on sled keeps every promise, also when its process is killed.
#![cfg(test)]

mod golden;
mod power;
mod states;

use std::path::Path;
use std::sync::Arc;

use mailtrail_core::Namespace;
use mailtrail_core::clock::Clock;
use mailtrail_core::store::OpenError;
use mailtrail_sled::{Restore, RestoreError, SledStore};
use mailtrail_testkit::folder::Folder;

struct Sled;

impl Folder for Sled {
    type Store = SledStore;

    fn open(path: &Path) -> Result<SledStore, OpenError> {
        SledStore::open(path)
    }

    fn open_by(clock: Arc<dyn Clock>, path: &Path) -> Result<SledStore, OpenError> {
        SledStore::options().clock(clock).open(path)
    }

    fn restore(path: &Path, namespace: Namespace) -> Result<Restore, RestoreError> {
        SledStore::restore(path, namespace)
    }
}

mailtrail_testkit::folder!(in_a_folder, Sled, parent = sled::parent());

mailtrail_testkit::conformance!(
    sled,
    || SledStore::temporary().unwrap(),
    open = |folder: &Path| SledStore::open(folder),
    limits = mailtrail_testkit::crash::Limits::none()
        .may_lose_unsettled(
            "sled 0.34 leaves spoilt entries out of a log that it has no snapshot of; the witness sees the end alone"
        )
        .may_be_damaged_by_a_power_cut(
            "sled 0.34 writes over segments, and makes and removes snapshots and blobs, before what that stands on is \
             synced: docs/format.md"
        )
);

/// Threads of sled lock its file for a moment after a store is dropped.
#[test]
fn a_store_that_is_still_closing_is_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    drop(SledStore::open(folder.path()).unwrap());
    let closing = std::fs::File::open(folder.path().join("log/db")).unwrap();
    closing.lock().unwrap();
    let refused = SledStore::open(folder.path());
    assert!(matches!(refused, Err(OpenError::InUse { owner: None })), "{refused:?}");
    std::thread::scope(|scope| {
        let opening = scope.spawn(|| SledStore::open(folder.path()));
        drop(closing);
        opening.join().unwrap().unwrap();
    });
}
