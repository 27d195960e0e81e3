//! A full disk: the error says that the outcome is unknown, nothing more is written, and everything that
//! was acknowledged is there when the folder is opened on a disk with room.

use std::collections::HashSet;
use std::path::Path;
use std::process::Command;

use mailtrail_core::EventId;
use mailtrail_core::Position;
use mailtrail_core::store::{EventStore, Filter};
use mailtrail_sled::SledStore;

use crate::child;
use crate::sync::skipped;

/// A small disk in memory, gone when dropped.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=6m", "tmpfs"])
            .arg(folder.path())
            .stderr(std::process::Stdio::null())
            .status();
        mounted.is_ok_and(|status| status.success()).then_some(Self(folder))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        Command::new("umount").arg("-l").arg(self.0.path()).status().ok();
    }
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

#[test]
fn a_full_disk_loses_nothing_that_was_acknowledged() {
    let Some(disk) = SmallDisk::mount() else {
        return skipped(
            "a_full_disk_loses_nothing_that_was_acknowledged",
            "a disk in memory can't be mounted: this needs root",
        );
    };
    let full = disk.0.path().join("trail");
    // In a process of its own: whatever sled does when it can't write, this test goes on.
    let (mut process, mut output) = child::start(&full, 0, 1_000_000, &[]);
    let mut acknowledged = None;
    while let Some(number) = child::acknowledged(&mut output) {
        acknowledged = Some(number);
    }
    assert!(!process.wait().unwrap().success(), "it ended because it could not write");
    let acknowledged = acknowledged.unwrap();
    assert!(acknowledged > 100, "there was something to lose: {acknowledged}");

    let roomy = tempfile::tempdir().unwrap();
    let trail = roomy.path().join("trail");
    copy(&full, &trail);
    let store = SledStore::open(&trail).unwrap();
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
        assert!(ids.contains(&child::fact(number).1.event_id), "event {number} of {acknowledged}");
    }
}
