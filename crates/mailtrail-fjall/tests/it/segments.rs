//! Segments: where the end is found after a crash, how a new one is begun, what a newer format says.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use futures_executor::block_on;
use mailtrail_core::store::{EventStore, EventStoreExt, OpenError, Outcome};
use mailtrail_core::{NewEvent, Position, StreamId};
use mailtrail_fjall::FjallStore;
use mailtrail_testkit::crash::event;

fn segments(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder.join("events")).unwrap().map(|entry| entry.unwrap().path());
    let mut segments: Vec<_> =
        entries.filter(|path| path.extension().is_some_and(|name| name == "log")).collect();
    segments.sort();
    segments
}

fn large(number: u64) -> (StreamId, NewEvent) {
    let (stream, mut event) = event(number);
    event.data = vec![b'x'; 10_000].into();
    (stream, event)
}

#[test]
fn a_log_goes_on_in_a_new_segment_when_one_is_full() {
    let folder = tempfile::tempdir().unwrap();
    {
        let store = FjallStore::open(folder.path()).unwrap();
        for number in 0..1_000 {
            block_on(store.record(vec![large(number)])).unwrap();
        }
    }
    assert!(segments(folder.path()).len() >= 3, "{:?}", segments(folder.path()));
    let places = |path: &PathBuf| path.with_extension("places");
    for segment in segments(folder.path()) {
        fs::remove_file(places(&segment)).unwrap();
    }
    let store = FjallStore::open(folder.path()).unwrap();
    let head = block_on(store.head()).unwrap();
    assert_eq!(head.position, Position::new(1_000));
    assert_eq!(store.verify(|_| ()).unwrap(), head);
    let again = block_on(store.record((0..1_000).map(large).collect())).unwrap();
    assert_eq!(again.outcome, Outcome::AlreadyStored);
    // One in the middle and one at the end.
    let ids = [large(3).1.event_id, large(999).1.event_id];
    block_on(store.redact(&ids)).unwrap();
    assert_eq!(store.verify(|_| ()).unwrap(), head);
    block_on(store.record(vec![large(1_000)])).unwrap();
    drop(store);
    let store = FjallStore::open(folder.path()).unwrap();
    assert_eq!(store.verify(|_| ()).unwrap().position, Position::new(1_001));
    drop(store);
    fs::remove_file(&segments(folder.path())[1]).unwrap();
    let store = FjallStore::open(folder.path());
    assert!(store.is_err() || store.unwrap().verify(|_| ()).is_err(), "one is missing");
}

/// A power cut while a segment is written anew may leave what was known of the old one.
#[test]
fn what_was_known_of_a_segment_before_an_erasure_is_not_believed() {
    let folder = tempfile::tempdir().unwrap();
    {
        let store = FjallStore::open(folder.path()).unwrap();
        for number in 0..300 {
            block_on(store.record(vec![large(number)])).unwrap();
        }
    }
    let places = || segments(folder.path()).into_iter().map(|path| path.with_extension("places"));
    let known: Vec<_> = places().map(|path| (fs::read(&path).unwrap(), path)).collect();
    assert!(known.len() >= 2, "one segment is full, one is not");
    {
        let store = FjallStore::open(folder.path()).unwrap();
        let ids = [large(20).1.event_id, large(290).1.event_id];
        block_on(store.redact(&ids)).unwrap();
    }
    for (bytes, path) in known {
        fs::write(path, bytes).unwrap();
    }
    let store = FjallStore::open(folder.path()).unwrap();
    let head = block_on(store.head()).unwrap();
    assert_eq!(head.position, Position::new(300));
    assert_eq!(store.verify(|_| ()).unwrap(), head);
    for number in [0, 19, 20, 21, 100, 289, 290, 291, 299] {
        let of_stream = block_on(store.stream(large(number).0)).unwrap();
        let id = large(number).1.event_id;
        assert!(of_stream.iter().any(|envelope| envelope.event.event_id == id), "{number}");
    }
}

/// A power cut in the middle of a group leaves any of its sectors. Its whole records are no part of the log: also where
/// the next group happens to end where they begin.
#[test]
fn what_a_torn_group_left_is_never_read() {
    let folder = tempfile::tempdir().unwrap();
    let segment = || segments(folder.path()).remove(0);
    block_on(FjallStore::open(folder.path()).unwrap().record(vec![event(0)])).unwrap();
    let before = fs::read(segment()).unwrap();
    let head = fs::read(folder.path().join("head")).unwrap();
    let used = |bytes: &[u8]| bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    block_on(FjallStore::open(folder.path()).unwrap().record((1..4).map(event).collect())).unwrap();
    let after = fs::read(segment()).unwrap();
    // The first record of three is lost, the others are there; nobody was told of any.
    let (start, end) = (used(&before), used(&after));
    let file = File::options().write(true).open(segment()).unwrap();
    file.write_all_at(&vec![0; (end - start) / 3 - 20], start as u64).unwrap();
    fs::write(folder.path().join("head"), head).unwrap();
    fs::remove_file(segment().with_extension("places")).unwrap();
    let store = FjallStore::open(folder.path()).unwrap();
    assert_eq!(block_on(store.head()).unwrap().position, Position::new(1));
    // As long as the lost one, to the byte.
    block_on(store.record(vec![event(5)])).unwrap();
    drop(store);
    fs::remove_file(segment().with_extension("places")).unwrap();
    let store = FjallStore::open(folder.path()).unwrap();
    assert_eq!(block_on(store.head()).unwrap().position, Position::new(2));
    assert_eq!(block_on(store.record(vec![event(2)])).unwrap().outcome, Outcome::New);
}

#[test]
fn a_newer_format_says_which_version_reads_it() {
    let folder = tempfile::tempdir().unwrap();
    drop(FjallStore::open(folder.path()).unwrap());
    let path = segments(folder.path()).remove(0);
    let mut bytes = fs::read(&path).unwrap();
    bytes[19] = 2;
    let crc = crc32c::crc32c(&bytes[..76]).to_be_bytes();
    bytes[76..80].copy_from_slice(&crc);
    fs::write(&path, bytes).unwrap();
    let refused = FjallStore::open(folder.path()).unwrap_err();
    assert!(matches!(refused, OpenError::NewerFormat { format: 2, newest: 1 }), "{refused}");
}

#[test]
fn an_erasure_that_was_cut_off_is_finished_at_opening() {
    let folder = tempfile::tempdir().unwrap();
    {
        let store = FjallStore::open(folder.path()).unwrap();
        block_on(store.record((0..10).map(event).collect())).unwrap();
    }
    let mut erasing = [3_u64, 5].map(u64::to_be_bytes).concat();
    erasing.extend_from_slice(&crc32c::crc32c(&erasing).to_be_bytes());
    fs::write(folder.path().join("erasing"), erasing).unwrap();
    let store = FjallStore::open(folder.path()).unwrap();
    let page = block_on(store.read_all(&mailtrail_core::store::Filter::all(), Position::START, 99));
    let erased: Vec<_> =
        page.unwrap().events.iter().filter(|e| e.is_erased()).map(|e| e.position.get()).collect();
    assert_eq!(erased, [3, 5]);
    assert!(!folder.path().join("erasing").exists());
}
