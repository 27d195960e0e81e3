//! Damage: whatever byte is flipped or missing, every answer is what it was, or `Corrupt`.
//! Each look is in a process of its own, as sled may end it.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

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
    let heard = match SledStore::open(folder) {
        Ok(store) => block_on(answers(&store)),
        Err(OpenError::Corrupt { .. } | OpenError::Cut { .. }) => vec![Heard::Corrupt],
        Err(error) => vec![Heard::Other(format!("open: {error:?}"))],
    };
    for heard in &heard {
        if let Heard::Other(what) = heard {
            eprintln!("{what}");
            std::process::exit(OTHER);
        }
    }
    std::process::exit(if heard.contains(&Heard::Corrupt) { CORRUPT } else { SAME });
}

#[derive(PartialEq)]
enum Heard {
    Same,
    Corrupt,
    Other(String),
}

impl Heard {
    fn of(same: bool, what: &str) -> Self {
        if same { Self::Same } else { Self::Other(format!("{what}: other data")) }
    }

    fn read(error: &ReadError) -> Self {
        match error {
            ReadError::Corrupt { .. } => Self::Corrupt,
            error => Self::Other(format!("{error:?}")),
        }
    }
}

/// Asks for everything: the log, each stream, and whether the ids are still known.
async fn answers(store: &SledStore) -> Vec<Heard> {
    let mut heard = Vec::new();
    let facts: Vec<_> = (0..EVENTS).map(child::fact).collect();
    heard.push(match store.read_all(&Filter::all(), Position::START, usize::MAX).await {
        Ok(page) => {
            let read = page.events.iter().map(|stored| (&stored.stream, &stored.event));
            let same = read.eq(facts.iter().map(|(stream, event)| (stream, event)));
            Heard::of(same && page.next.is_none(), "the log")
        }
        Err(error) => Heard::read(&error),
    });
    let mut streams: HashMap<StreamId, Vec<&NewEvent>> = HashMap::new();
    for (stream, event) in &facts {
        streams.entry(*stream).or_default().push(event);
    }
    for (stream, events) in streams {
        heard.push(match store.read_stream(stream, Version::FIRST, usize::MAX).await {
            Ok(page) => {
                let read = page.events.iter().map(|stored| &stored.event);
                Heard::of(read.eq(events), "a stream")
            }
            Err(error) => Heard::read(&error),
        });
    }
    for batch in facts.chunks(100) {
        heard.push(match store.record(batch.to_vec()).await {
            Ok(appended) => Heard::of(appended.outcome == Outcome::AlreadyStored, "the ids"),
            Err(AppendError::Corrupt { .. }) => Heard::Corrupt,
            Err(error) => Heard::Other(format!("{error:?}")),
        });
    }
    heard
}

/// Its exit code, and what it said. No code if a signal ended it: sled aborted, and said nothing wrong.
fn look(folder: &Path) -> (Option<i32>, String) {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["damage::answers_as_before_or_says_that_it_is_damaged", "--exact", "--nocapture"])
        .env(FOLDER, folder)
        .output()
        .unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
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
    let (said, why) = look(original.folder.path());
    assert_eq!(said, Some(SAME), "the undamaged store is read: {why}");
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
            let (said, why) = look(copy.path());
            assert_ne!(said, Some(OTHER), "byte {at} of {}: {why}", file.display());
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
            let (said, why) = look(copy.path());
            assert_ne!(said, Some(OTHER), "{eighth}/8 of {}: {why}", file.display());
        }
        let copy = original.copy(file, |_| ());
        fs::remove_file(copy.path().join(file)).unwrap();
        let (said, why) = look(copy.path());
        assert_ne!(said, Some(OTHER), "no {}: {why}", file.display());
    }
}
