//! Damage: whatever byte is flipped or missing, a read gives what was stored, or says that it can't.
//! Each look is in a process of its own, as sled may end it.

use std::path::Path;
use std::process::{Command, Stdio};

use futures_executor::block_on;
use mailtrail_core::store::{EventStore, EventStoreExt, Filter};
use mailtrail_core::{Envelope, Position};
use mailtrail_sled::SledStore;

use crate::child;

const FOLDER: &str = "MAILTRAIL_TEST_DAMAGED";
const EVENTS: u64 = 60;

/// Does nothing unless [`look`] runs it. Fails only if it reads something that was never stored.
#[test]
#[expect(clippy::exit, reason = "the exit code is what the parent looks at")]
fn reads_what_is_left() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let Ok(store) = SledStore::open(folder) else { return };
    let Ok(page) = block_on(store.read_all(&Filter::all(), Position::START, 1_000)) else { return };
    let stored = |envelope: &Envelope| {
        (0..EVENTS)
            .map(child::fact)
            .any(|(stream, event)| envelope.stream == stream && envelope.event == event)
    };
    if !page.events.iter().all(stored) {
        // An exit code of its own: sled's end of the process is no wrong data.
        std::process::exit(99);
    }
}

fn look(folder: &Path) -> Option<i32> {
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["damage::reads_what_is_left", "--exact"])
        .env(FOLDER, folder)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap();
    status.code()
}

#[test]
fn a_flipped_byte_or_a_cut_tail_is_never_other_data() {
    let original = tempfile::tempdir().unwrap();
    {
        let store = SledStore::open(original.path()).unwrap();
        block_on(store.record((0..EVENTS).map(child::fact).collect())).unwrap();
    }
    let database = std::fs::read(original.path().join("db")).unwrap();
    let used = database.iter().rposition(|byte| *byte != 0).unwrap();
    assert_eq!(look(original.path()), Some(0), "the undamaged store is read");
    for turn in 0..40 {
        let copy = tempfile::tempdir().unwrap();
        let mut damaged = database.clone();
        if turn % 4 == 3 {
            damaged.truncate(used * (turn + 1) / 41);
        } else {
            // Spread over what is used, by a step that shares no factor with it.
            damaged[(turn * 7_919 + 13) % used] ^= 0x20;
        }
        for entry in std::fs::read_dir(original.path()).unwrap().map(Result::unwrap) {
            if entry.path().is_file() {
                std::fs::copy(entry.path(), copy.path().join(entry.file_name())).unwrap();
            }
        }
        std::fs::create_dir_all(copy.path().join("blobs")).unwrap();
        std::fs::write(copy.path().join("db"), damaged).unwrap();
        assert_ne!(look(copy.path()), Some(99), "turn {turn}");
    }
}
