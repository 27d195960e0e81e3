//! Opening: what was stored is there again, and a folder has one owner.

use futures_executor::block_on;
use mailtrail_core::store::{EventStore, EventStoreExt, OpenError, Outcome};

use super::Folder;
use crate::crash::event;

/// What was stored is there after reopening, with the same head, and its ids are known.
pub fn what_was_stored_is_there_after_reopening_and_ids_are_still_known<F: Folder>() {
    let folder = tempfile::tempdir().unwrap();
    let facts = || (0..40).map(event).collect::<Vec<_>>();
    let head = {
        let store = F::open(folder.path()).unwrap();
        block_on(store.record(facts())).unwrap();
        block_on(store.head()).unwrap()
    };
    let store = F::open(folder.path()).unwrap();
    assert_eq!(block_on(store.head()).unwrap(), head);
    assert_eq!(block_on(store.record(facts())).unwrap().outcome, Outcome::AlreadyStored);
}

/// A folder that is open is in use, and says by whom.
pub fn a_store_that_is_open_is_not_opened_twice<F: Folder>() {
    let folder = tempfile::tempdir().unwrap();
    let _store = F::open(folder.path()).unwrap();
    let again = F::open(folder.path()).err();
    let owner = std::process::id();
    assert!(matches!(again, Some(OpenError::InUse { owner: Some(pid) }) if pid == owner));
}

/// A folder with other files is foreign, and nothing is added to it.
pub fn a_folder_of_something_else_is_left_alone<F: Folder>() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("holiday.jpg"), "x").unwrap();
    assert!(matches!(F::open(folder.path()), Err(OpenError::Foreign { .. })));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing was added");
}
