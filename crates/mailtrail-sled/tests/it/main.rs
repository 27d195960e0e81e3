//! The store on sled keeps every promise, also when its process is killed.
#![cfg(test)]

mod bad_days;
mod full_disk;
mod golden;
mod power;
mod redact;
mod restore;
mod states;

use mailtrail_sled::SledStore;
use mailtrail_testkit::crash::event;

mailtrail_testkit::conformance!(
    sled,
    || SledStore::temporary().unwrap(),
    open = |folder: &std::path::Path| SledStore::open(folder),
    limits = mailtrail_testkit::crash::Limits::none()
        .may_lose_unsettled(
            "sled 0.34 leaves spoilt entries out of a log that it has no snapshot of; the witness sees the end alone"
        )
        .may_be_damaged_by_a_power_cut(
            "sled 0.34 writes over segments, and makes and removes snapshots and blobs, before what that stands on is \
             synced: docs/format.md"
        )
);

#[test]
fn what_was_stored_is_there_after_reopening_and_ids_are_still_known() {
    use futures_executor::block_on;
    use mailtrail_core::store::{EventStore, EventStoreExt, Outcome};
    let folder = tempfile::tempdir().unwrap();
    let facts = || (0..40).map(event).collect::<Vec<_>>();
    let head = {
        let store = SledStore::open(folder.path()).unwrap();
        block_on(store.record(facts())).unwrap();
        block_on(store.head()).unwrap()
    };
    let store = SledStore::open(folder.path()).unwrap();
    assert_eq!(block_on(store.head()).unwrap(), head);
    assert_eq!(block_on(store.record(facts())).unwrap().outcome, Outcome::AlreadyStored);
}

#[test]
fn a_store_that_is_open_is_not_opened_twice() {
    use mailtrail_core::store::OpenError;
    let store = SledStore::temporary().unwrap();
    let again = SledStore::open(store.path());
    let owner = std::process::id();
    assert!(matches!(again, Err(OpenError::InUse { owner: Some(pid) }) if pid == owner));
}

/// Threads of sled lock its file for a moment after a store is dropped.
#[test]
fn a_store_that_is_still_closing_is_waited_for() {
    use mailtrail_core::store::OpenError;
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

#[test]
fn a_folder_of_something_else_is_left_alone() {
    use mailtrail_core::store::OpenError;
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("holiday.jpg"), "x").unwrap();
    assert!(matches!(SledStore::open(folder.path()), Err(OpenError::Foreign { .. })));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing was added");
}
