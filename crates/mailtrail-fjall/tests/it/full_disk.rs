//! A full disk: the error says that the outcome is unknown, nothing more is written, and everything that
//! was acknowledged is there when the folder is opened on a disk with room.

use std::collections::HashSet;
use std::path::Path;

use mailtrail_core::EventId;
use mailtrail_core::Position;
use mailtrail_core::store::{EventStore, Filter};
use mailtrail_fjall::FjallStore;

use mailtrail_testkit::crash::{self, Parent, SmallDisk};

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

#[test]
fn a_full_disk_loses_nothing_that_was_acknowledged() {
    let test = concat!(module_path!(), "::a_full_disk_loses_nothing_that_was_acknowledged");
    // It has room for the first segments, and fills while the next is made.
    loses_nothing(test, "it::fjall::child_of_the_other_tests", "6m");
}

#[test]
fn a_disk_that_fills_while_the_index_is_written_loses_nothing_that_was_acknowledged() {
    let test = concat!(
        module_path!(),
        "::a_disk_that_fills_while_the_index_is_written_loses_nothing_that_was_acknowledged"
    );
    // The first segment and the next take three mebibytes; what is left is for the index.
    for size in ["3300k", "3500k"] {
        let acknowledged = loses_nothing(test, "it::power::child_of_the_other_test", size);
        assert!(acknowledged.is_none_or(|last| last < 4_000), "the first segment had room yet");
    }
}

/// How far it came; nothing where there is no disk to fill.
fn loses_nothing(test: &str, child: &str, size: &str) -> Option<u64> {
    let Some(disk) = SmallDisk::in_memory(size) else {
        crash::skipped(test, "a disk in memory can't be mounted: this needs root");
        return None;
    };
    let full = disk.path().join("trail");
    // In a process of its own: whatever the store does when it can't write, this test goes on.
    let mut process = Parent::of(child).records(&full, 0, 1_000_000, &[]);
    let mut acknowledged = None;
    while let Some(said) = process.next_word() {
        acknowledged = acknowledged.max(Some(said.number()));
    }
    assert!(!process.wait(), "it ended because it could not write");
    let acknowledged = acknowledged.unwrap();
    assert!(acknowledged > 100, "there was something to lose: {acknowledged}");

    let roomy = tempfile::tempdir().unwrap();
    let trail = roomy.path().join("trail");
    copy(&full, &trail);
    let store = FjallStore::open(&trail).unwrap();
    let head = futures_executor::block_on(store.head()).unwrap();
    assert_eq!(store.verify(|_| ()).unwrap(), head, "a disk of {size}");
    let ids: HashSet<EventId> = futures_executor::block_on(async {
        let mut ids = HashSet::new();
        let mut next = Some(Position::START);
        while let Some(after) = next {
            let page = store.read_all(&Filter::all(), after, usize::MAX).await.unwrap();
            ids.extend(page.events.iter().map(|envelope| envelope.event.event_id));
            next = page.next;
        }
        ids
    });
    for number in 0..=acknowledged {
        assert!(ids.contains(&crash::event(number).1.event_id), "event {number} of {acknowledged}");
    }
    Some(acknowledged)
}
