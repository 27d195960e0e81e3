//! The store on fjall keeps every promise, also when its process is killed.
#![cfg(test)]

mod bad_days;
mod full_disk;
mod golden;
mod index;
mod power;
mod redact;
mod restore;
mod segments;
mod states;

use mailtrail_fjall::FjallStore;
use mailtrail_testkit::crash::event;

mailtrail_testkit::conformance!(
    fjall,
    || FjallStore::temporary().unwrap(),
    open = |folder: &std::path::Path| FjallStore::open(folder)
);

// The index goes to disk after every few events, so that all of the above is read from there too.
mailtrail_testkit::conformance!(
    fjall_indexed,
    index::temporary,
    open = |folder: &std::path::Path| FjallStore::options().index_every(1_400).open(folder),
    limits = mailtrail_testkit::crash::Limits::none()
        .may_end("a panic of fjall 3.1 where it recovers its keyspaces; the next opening makes the index anew")
);

#[test]
fn what_was_stored_is_there_after_reopening_and_ids_are_still_known() {
    use futures_executor::block_on;
    use mailtrail_core::store::{EventStore, EventStoreExt, Outcome};
    let folder = tempfile::tempdir().unwrap();
    let facts = || (0..40).map(event).collect::<Vec<_>>();
    let head = {
        let store = FjallStore::open(folder.path()).unwrap();
        block_on(store.record(facts())).unwrap();
        block_on(store.head()).unwrap()
    };
    let store = FjallStore::open(folder.path()).unwrap();
    assert_eq!(block_on(store.head()).unwrap(), head);
    assert_eq!(block_on(store.record(facts())).unwrap().outcome, Outcome::AlreadyStored);
}

#[test]
fn a_store_that_is_open_is_not_opened_twice() {
    use mailtrail_core::store::OpenError;
    let store = FjallStore::temporary().unwrap();
    let again = FjallStore::open(store.path());
    let owner = std::process::id();
    assert!(matches!(again, Err(OpenError::InUse { owner: Some(pid) }) if pid == owner));
}

#[test]
fn a_folder_of_something_else_is_left_alone() {
    use mailtrail_core::store::OpenError;
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("holiday.jpg"), "x").unwrap();
    assert!(matches!(FjallStore::open(folder.path()), Err(OpenError::Foreign { .. })));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing was added");
}
