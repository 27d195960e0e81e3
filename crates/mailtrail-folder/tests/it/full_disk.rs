//! A disk that is full, or fails.

use bytes::Bytes;
use futures_executor::block_on;
use mailtrail_core::event::RawHash;
use mailtrail_core::store::RawStore;
use mailtrail_folder::FolderRaw;
use mailtrail_testkit::crash::{SmallDisk, skipped};

fn body(number: usize) -> Bytes {
    format!("body {number}. ").repeat(2_000).into()
}

/// What was put before is there, what was refused can be put again, and nothing is told to be kept that isn't.
fn nothing_is_lost(disk: &SmallDisk, spoil: impl Fn(), mend: impl Fn(&SmallDisk)) {
    let raw = FolderRaw::open(disk.path().join("raw")).unwrap();
    let put = |raw: &FolderRaw, number| block_on(raw.put(body(number))).map(drop);
    (0..20).for_each(|number| put(&raw, number).unwrap());
    spoil();
    let refused = (20..2_000).find(|number| put(&raw, *number).is_err()).unwrap();
    let there = |raw: &FolderRaw, number| {
        let found = block_on(raw.read(RawHash::of(&body(number)))).unwrap();
        assert_eq!(found, Some(body(number)), "{number} of {refused}");
    };
    drop(raw);
    mend(disk);
    let raw = FolderRaw::open(disk.path().join("raw")).unwrap();
    (0..refused).for_each(|number| there(&raw, number));
    for number in [refused, 3_000] {
        put(&raw, number).unwrap();
        there(&raw, number);
    }
}

#[test]
fn what_a_full_disk_refuses_is_put_when_there_is_room() {
    let test = concat!(module_path!(), "::what_a_full_disk_refuses_is_put_when_there_is_room");
    let Some(disk) = SmallDisk::in_memory("4m") else {
        return skipped(test, "a disk can't be mounted: this needs root");
    };
    nothing_is_lost(&disk, || (), |disk| assert!(disk.resize("32m")));
}

#[test]
fn what_a_failing_disk_refuses_is_put_when_it_is_back() {
    let test = concat!(module_path!(), "::what_a_failing_disk_refuses_is_put_when_it_is_back");
    let Some(disk) = SmallDisk::ext4(32 << 20) else {
        return skipped(test, "a disk can't be mounted: this needs root");
    };
    nothing_is_lost(&disk, || assert!(disk.fail()), |disk| assert!(disk.mount_again()));
}
