//! The stored form of the files: written once, then kept.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures_executor::block_on;
use mailtrail_core::Namespace;
use mailtrail_core::store::{EventStore, EventStoreExt, Filter};
use mailtrail_core::{Envelope, Position};
use mailtrail_fjall::FjallStore;
use mailtrail_testkit::VirtualClock;
use mailtrail_testkit::crash::event;

/// Records that are always the same: their salts too.
fn records() -> Vec<Envelope> {
    let store = FjallStore::options().clock(Arc::new(VirtualClock::default()));
    let folder = tempfile::tempdir().unwrap();
    let store = store.open(folder.path()).unwrap();
    let facts = (0..20).map(|number| {
        let (stream, mut event) = event(number);
        event.private = None;
        (stream, event)
    });
    block_on(store.record(facts.collect())).unwrap();
    block_on(store.read_all(&Filter::all(), Position::START, 100)).unwrap().events
}

fn used(path: &Path) -> String {
    let bytes = std::fs::read(path).unwrap();
    let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    data_encoding::HEXLOWER.encode(&bytes[..end])
}

#[test]
fn files_of_format_1_never_change() {
    let folder = tempfile::tempdir().unwrap();
    let mut restore = FjallStore::restore(folder.path(), Namespace::from_bytes([7; 16])).unwrap();
    let records = records();
    restore.append(&records[..12]).unwrap();
    restore.append(&records[12..]).unwrap();
    drop(restore);
    let golden = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/format/1");
    for name in ["00000000000000000001.log", "00000000000000000001.places"] {
        let hex = used(&folder.path().join("events").join(name));
        let path = golden.join(name).with_extension(format!("{}.hex", &name[21..]));
        if !path.exists() {
            assert!(std::env::var_os("CI").is_none(), "the golden file is missing");
            std::fs::write(&path, &hex).unwrap();
        }
        assert_eq!(hex, std::fs::read_to_string(&path).unwrap(), "it is a stored format");
    }
}
