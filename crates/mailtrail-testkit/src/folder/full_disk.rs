//! A full disk: the error says that the outcome is unknown, nothing more is written, and everything that
//! was acknowledged is there when the folder is opened on a disk with room.

use std::collections::HashSet;
use std::path::Path;

use futures_executor::block_on;
use mailtrail_core::audit::ChainCheck;
use mailtrail_core::store::{EventStore, Filter};
use mailtrail_core::{EventId, Position};

use super::Folder;
use crate::crash::{self, Parent, SmallDisk};

/// When the disk is full, all that was acknowledged is there when the folder is opened on a disk with room. Without
/// root it is skipped: `test` is its path.
pub fn a_full_disk_loses_nothing_that_was_acknowledged<F: Folder>(parent: &Parent, test: &str) {
    if let Some(acknowledged) = what_a_full_disk_holds::<F>(parent, test, "6m") {
        assert!(acknowledged > 100, "there was something to lose: {acknowledged}");
    }
}

/// The same for a disk of this size, as `mount` writes it, which says the last event that was acknowledged; `None` where
/// it is skipped.
pub fn what_a_full_disk_holds<F: Folder>(parent: &Parent, test: &str, size: &str) -> Option<u64> {
    let Some(disk) = SmallDisk::in_memory(size) else {
        crash::skipped(test, "a disk in memory can't be mounted: this needs root");
        return None;
    };
    let full = disk.path().join("trail");
    // In a process of its own: whatever the store does when it can't write, this test goes on.
    let mut process = parent.records(&full, 0, 1_000_000, &[]);
    let mut acknowledged = None;
    while let Some(said) = process.next_word() {
        acknowledged = acknowledged.max(Some(said.number()));
    }
    assert!(!process.wait(), "it ended because it could not write");
    let acknowledged = acknowledged.unwrap();

    let roomy = tempfile::tempdir().unwrap();
    let trail = roomy.path().join("trail");
    copy(&full, &trail);
    let ids = ids(&F::open(&trail).unwrap());
    for number in 0..=acknowledged {
        assert!(ids.contains(&crash::event(number).1.event_id), "event {number} of {acknowledged}");
    }
    Some(acknowledged)
}

/// Of all events, whose chain must hold to the head.
fn ids(store: &impl EventStore) -> HashSet<EventId> {
    let (mut ids, mut check) = (HashSet::new(), ChainCheck::default());
    let mut next = Some(Position::START);
    while let Some(after) = next {
        let page = block_on(store.read_all(&Filter::all(), after, usize::MAX)).unwrap();
        for envelope in &page.events {
            check.record(envelope).unwrap();
            ids.insert(envelope.event.event_id);
        }
        next = page.next;
    }
    assert_eq!(check.head(), block_on(store.head()).unwrap());
    ids
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}
