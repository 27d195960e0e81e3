//! Damage: whatever byte is flipped or missing, every answer is what it was, or `Corrupt`.
//! Each look is in a process of its own, as sled may end it.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use futures_executor::block_on;
use mailtrail_core::store::{
    AppendError, EventStore, EventStoreExt, Filter, OpenError, Outcome, ReadError,
};
use mailtrail_core::{NewEvent, Position, StreamId, Version};
use mailtrail_sled::SledStore;

use crate::child;

const FOLDER: &str = "MAILTRAIL_TEST_DAMAGED";
const EVENTS: u64 = 1_500;
const SAME: i32 = 90;
const CORRUPT: i32 = 91;
const OTHER: i32 = 92;

/// Does nothing unless [`look`] runs it.
#[test]
#[expect(clippy::exit, reason = "the exit code is what the parent looks at")]
fn answers_as_before_or_says_that_it_is_damaged() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    std::process::exit(match SledStore::open(folder) {
        Ok(store) => block_on(answers(&store)),
        Err(OpenError::Corrupt { .. }) => CORRUPT,
        Err(_) => OTHER,
    });
}

/// Asks for everything: the log, each stream, and whether the ids are still known.
async fn answers(store: &SledStore) -> i32 {
    let mut said = SAME;
    let mut heard = |same: bool, corrupt: bool| {
        said = said.max(if corrupt {
            CORRUPT
        } else if same {
            SAME
        } else {
            OTHER
        });
    };
    match store.read_all(&Filter::all(), Position::START, usize::MAX).await {
        Ok(page) => heard(
            page.next.is_none()
                && page
                    .events
                    .iter()
                    .map(|envelope| (envelope.stream, envelope.event.clone()))
                    .eq((0..EVENTS).map(child::fact)),
            false,
        ),
        Err(ReadError::Corrupt { .. }) => heard(false, true),
        Err(_) => heard(false, false),
    }
    let mut streams: HashMap<StreamId, Vec<NewEvent>> = HashMap::new();
    for (stream, event) in (0..EVENTS).map(child::fact) {
        streams.entry(stream).or_default().push(event);
    }
    for (stream, events) in streams {
        match store.read_stream(stream, Version::FIRST, usize::MAX).await {
            Ok(page) => {
                heard(page.events.iter().map(|envelope| &envelope.event).eq(&events), false);
            }
            Err(ReadError::Corrupt { .. }) => heard(false, true),
            Err(_) => heard(false, false),
        }
    }
    for batch in (0..EVENTS).map(child::fact).collect::<Vec<_>>().chunks(100) {
        match store.record(batch.to_vec()).await {
            Ok(appended) => heard(appended.outcome == Outcome::AlreadyStored, false),
            Err(AppendError::Corrupt { .. }) => heard(false, true),
            Err(_) => heard(false, false),
        }
    }
    said
}

/// `None` if the process was ended by a signal: sled aborted, and said nothing wrong.
fn look(folder: &Path) -> Option<i32> {
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["damage::answers_as_before_or_says_that_it_is_damaged", "--exact"])
        .env(FOLDER, folder)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap();
    status.code()
}

/// A store that was closed, and its files.
struct Original {
    folder: tempfile::TempDir,
    files: Vec<(PathBuf, usize)>,
}

impl Original {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = SledStore::open(folder.path()).unwrap();
        for batch in (0..EVENTS).map(child::fact).collect::<Vec<_>>().chunks(50) {
            block_on(store.record(batch.to_vec())).unwrap();
        }
        drop(store);
        let files = ["head", "log/conf", "log/db"].map(|name| {
            let bytes = fs::read(folder.path().join(name)).unwrap();
            (PathBuf::from(name), bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1)
        });
        Self { folder, files: files.into() }
    }

    /// A copy in which one file was changed.
    fn copy(&self, file: &Path, change: impl FnOnce(&mut Vec<u8>)) -> tempfile::TempDir {
        let copy = tempfile::tempdir().unwrap();
        fs::create_dir_all(copy.path().join("log/blobs")).unwrap();
        for (name, _) in &self.files {
            fs::copy(self.folder.path().join(name), copy.path().join(name)).unwrap();
        }
        let mut bytes = fs::read(copy.path().join(file)).unwrap();
        change(&mut bytes);
        fs::write(copy.path().join(file), bytes).unwrap();
        copy
    }
}

#[test]
fn a_flipped_byte_is_the_same_answer_or_corrupt() {
    let original = Original::new();
    assert_eq!(look(original.folder.path()), Some(SAME), "the undamaged store is read");
    let soak = std::env::var_os("MAILTRAIL_SOAK").is_some();
    let mut corrupt = 0;
    for (file, used) in &original.files {
        let turns = match (file == Path::new("log/db"), soak) {
            (true, true) => 1_000,
            (true, false) => 80,
            (false, _) => 24,
        };
        for turn in 0..turns {
            // Spread over what is used, by a step that shares no factor with it.
            let at = (turn * 1_000_003 + 13) % used;
            let copy = original.copy(file, |bytes| bytes[at] ^= 1 << (turn % 8));
            let said = look(copy.path());
            assert_ne!(said, Some(OTHER), "byte {at} of {}", file.display());
            corrupt += i32::from(said != Some(SAME));
        }
    }
    assert!(corrupt > 10, "the damage was seen: {corrupt}");
}

#[test]
fn a_cut_or_missing_file_is_the_same_answer_or_corrupt() {
    let original = Original::new();
    for (file, used) in &original.files {
        for eighth in 0..8 {
            let copy = original.copy(file, |bytes| bytes.truncate(used * eighth / 8));
            assert_ne!(look(copy.path()), Some(OTHER), "{eighth}/8 of {}", file.display());
        }
        let copy = original.copy(file, |_| ());
        fs::remove_file(copy.path().join(file)).unwrap();
        assert_ne!(look(copy.path()), Some(OTHER), "no {}", file.display());
    }
}
