//! A restored store is the old one: positions, versions, times, chain, and what it knows.

use bytes::Bytes;
use futures_executor::block_on;
use mailtrail_core::store::{EventStore, EventStoreExt, Filter, Outcome};
use mailtrail_core::{Envelope, Namespace, Position};
use mailtrail_fjall::{FjallStore, RestoreError};

use mailtrail_testkit::crash;

fn log() -> (Namespace, Vec<Envelope>) {
    let store = FjallStore::temporary().unwrap();
    block_on(store.record((0..50).map(crash::event).collect())).unwrap();
    let page = block_on(store.read_all(&Filter::all(), Position::START, 100)).unwrap();
    (store.namespace(), page.events)
}

#[test]
fn a_restore_that_was_cut_off_goes_on_and_gives_the_same_store() {
    let (namespace, records) = log();
    let folder = tempfile::tempdir().unwrap();
    let mut begun = FjallStore::restore(folder.path(), namespace).unwrap();
    begun.append(&records[..20]).unwrap();
    drop(begun);
    let mut again = FjallStore::restore(folder.path(), namespace).unwrap();
    assert_eq!(again.head().position, records[19].position);
    again.append(&records[20..]).unwrap();
    drop(again);
    let store = FjallStore::open(folder.path()).unwrap();
    assert_eq!(store.namespace(), namespace);
    let page = block_on(store.read_all(&Filter::all(), Position::START, 100)).unwrap();
    assert_eq!(page.events, records);
    let facts: Vec<_> = (0..50).map(crash::event).collect();
    assert_eq!(block_on(store.record(facts)).unwrap().outcome, Outcome::AlreadyStored);
}

#[test]
fn what_does_not_follow_is_not_restored() {
    let (namespace, records) = log();
    let folder = tempfile::tempdir().unwrap();
    let mut restore = FjallStore::restore(folder.path(), namespace).unwrap();
    let mut forged = records.clone();
    forged[3].event.data = Bytes::from_static(b"{}");
    let refused = restore.append(&forged);
    assert!(matches!(refused, Err(RestoreError::Altered(a)) if a.position == records[3].position));
    assert!(matches!(restore.append(&records[1..]), Err(RestoreError::Gap { .. })));
    assert_eq!(restore.head().position, Position::START, "nothing of it is stored");
    restore.append(&records).unwrap();
    drop(restore);
    let other = FjallStore::restore(folder.path(), Namespace::from_bytes([9; 16]));
    assert!(matches!(other, Err(RestoreError::AnotherNamespace)));
}
