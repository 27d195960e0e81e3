//! A restored store is the old one: positions, versions, times, chain, and what it knows.

use bytes::Bytes;
use futures_executor::block_on;
use mailtrail_core::store::writer::RestoreError;
use mailtrail_core::store::{EventStore, EventStoreExt, Filter, Outcome};
use mailtrail_core::{Envelope, Namespace, Position};

use super::Folder;
use crate::crash;

fn log<F: Folder>() -> (Namespace, Vec<Envelope>) {
    let folder = tempfile::tempdir().unwrap();
    let store = F::open(folder.path()).unwrap();
    block_on(store.record((0..50).map(crash::event).collect())).unwrap();
    let page = block_on(store.read_all(&Filter::all(), Position::START, 100)).unwrap();
    (store.namespace(), page.events)
}

/// A restored store is the old one: positions, versions, times, chain, and what it knows.
pub fn a_restore_that_was_cut_off_goes_on_and_gives_the_same_store<F: Folder>() {
    let (namespace, records) = log::<F>();
    let folder = tempfile::tempdir().unwrap();
    let mut begun = F::restore(folder.path(), namespace).unwrap();
    begun.append(&records[..20]).unwrap();
    drop(begun);
    let mut again = F::restore(folder.path(), namespace).unwrap();
    assert_eq!(again.head().position, records[19].position);
    again.append(&records[20..]).unwrap();
    drop(again);
    let store = F::open(folder.path()).unwrap();
    assert_eq!(store.namespace(), namespace);
    let page = block_on(store.read_all(&Filter::all(), Position::START, 100)).unwrap();
    assert_eq!(page.events, records);
    let facts: Vec<_> = (0..50).map(crash::event).collect();
    assert_eq!(block_on(store.record(facts)).unwrap().outcome, Outcome::AlreadyStored);
}

/// Records that were altered, leave a gap or are of another log are refused.
pub fn what_does_not_follow_is_not_restored<F: Folder>() {
    let (namespace, records) = log::<F>();
    let folder = tempfile::tempdir().unwrap();
    let mut restore = F::restore(folder.path(), namespace).unwrap();
    let mut forged = records.clone();
    forged[3].event.data = Bytes::from_static(b"{}");
    let refused = restore.append(&forged);
    assert!(matches!(refused, Err(RestoreError::Altered(a)) if a.position == records[3].position));
    assert!(matches!(restore.append(&records[1..]), Err(RestoreError::Gap { .. })));
    assert_eq!(restore.head().position, Position::START, "nothing of it is stored");
    restore.append(&records).unwrap();
    drop(restore);
    let other = F::restore(folder.path(), Namespace::from_bytes([9; 16]));
    assert!(matches!(other, Err(RestoreError::AnotherNamespace)));
}
