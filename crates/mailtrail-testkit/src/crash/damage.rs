//! Damage: whatever byte is flipped or missing, every answer is what it was, or says that the store is damaged.

use std::collections::HashMap;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use futures_executor::block_on;
use mailtrail_core::store::{AppendError, EventStoreExt, Filter, OpenError, Outcome, ReadError};
use mailtrail_core::{EventStore, NewEvent, Position, StreamId, Version};

use super::child::Parent;
use super::limits::Limits;
use super::watched::{Ending, watched};
use super::{Places, event, soaks};

/// How the files are that are damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Files {
    /// As the store that wrote them left them.
    Unsettled,
    /// As they are after they were opened once more: an engine may tidy them up then.
    Settled,
}

const EVENTS: u64 = 1_500;
const SAME: i32 = 90;
const CORRUPT: i32 = 91;
const OTHER: i32 = 92;

/// Flips single bits at random [places](Places) of the files of a store. In the long form (`MAILTRAIL_SOAK`) a thousand in the largest.
///
/// # Panics
/// If an answer is another one, or the engine does what its limits don't state.
pub fn a_flipped_byte_is_the_same_answer_or_damage<S: EventStore>(
    parent: &Parent,
    open: impl Fn(&Path) -> Result<S, OpenError>,
    limits: &Limits,
) {
    let mut places = Places::of_this_run();
    for files in [Files::Settled, Files::Unsettled] {
        let original = Original::new(&open, files);
        let mut tally = Tally::of(&original, parent);
        let largest = original.files.iter().map(|(_, used)| *used).max().unwrap_or(0);
        for (file, used) in &original.files {
            let turns = match (*used == largest, soaks()) {
                (true, true) => 1_000,
                (true, false) => 80,
                (false, _) => 24,
            };
            for _ in 0..turns.min(*used) {
                let mut what = String::new();
                let copy = original.copy(file, |bytes| what = places.flip(&mut bytes[..*used]));
                tally.look(parent, copy.path(), &format!("{files:?} {}: {what}", file.display()));
            }
        }
        tally.finish(files, limits);
    }
}

/// Cuts the files of a store off at several places, and removes them.
///
/// # Panics
/// As of [`a_flipped_byte_is_the_same_answer_or_damage`].
#[expect(clippy::expect_used, reason = "a test")]
pub fn a_cut_or_missing_file_is_the_same_answer_or_damage<S: EventStore>(
    parent: &Parent,
    open: impl Fn(&Path) -> Result<S, OpenError>,
    limits: &Limits,
) {
    for files in [Files::Settled, Files::Unsettled] {
        let original = Original::new(&open, files);
        let mut tally = Tally::of(&original, parent);
        for (file, used) in &original.files {
            let name = format!("{files:?} {}", file.display());
            for eighth in 0..8 {
                let copy = original.copy(file, |bytes| bytes.truncate(used * eighth / 8));
                tally.look(parent, copy.path(), &format!("{name} cut to {eighth}/8"));
            }
            let copy = original.copy(file, |_| ());
            fs::remove_file(copy.path().join(file)).expect("it can be removed");
            tally.look(parent, copy.path(), &format!("without {name}"));
        }
        tally.finish(files, limits);
    }
}

/// A store that was closed, and its files.
struct Original {
    folder: tempfile::TempDir,
    files: Vec<(PathBuf, usize)>,
}

#[expect(clippy::expect_used, reason = "a test")]
impl Original {
    fn new<S: EventStore>(open: impl Fn(&Path) -> Result<S, OpenError>, settled: Files) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let store = open(folder.path()).expect("a new folder opens");
        for batch in (0..EVENTS).map(event).collect::<Vec<_>>().chunks(50) {
            block_on(store.record(batch.to_vec())).expect("it is recorded");
        }
        drop(store);
        if settled == Files::Settled {
            drop(open(folder.path()).expect("it opens again"));
        }
        let mut files = Vec::new();
        find(folder.path(), folder.path(), &mut files);
        files.sort();
        Self { folder, files }
    }

    /// A copy in which one file was changed.
    fn copy(&self, file: &Path, change: impl FnOnce(&mut Vec<u8>)) -> tempfile::TempDir {
        let copy = tempfile::tempdir().expect("a folder");
        copy_all(self.folder.path(), copy.path());
        let mut bytes = fs::read(copy.path().join(file)).expect("it can be read");
        change(&mut bytes);
        fs::write(copy.path().join(file), bytes).expect("it can be written");
        copy
    }
}

/// The files that hold anything, and how much of each does.
#[expect(clippy::expect_used, reason = "a test")]
fn find(root: &Path, folder: &Path, found: &mut Vec<(PathBuf, usize)>) {
    for entry in fs::read_dir(folder).expect("a folder").filter_map(Result::ok) {
        let path = entry.path();
        if path.is_dir() {
            find(root, &path, found);
        } else if let Ok(bytes) = fs::read(&path)
            && let Some(last) = bytes.iter().rposition(|byte| *byte != 0)
        {
            found.push((path.strip_prefix(root).expect("within").to_owned(), last + 1));
        }
    }
}

#[expect(clippy::expect_used, reason = "a test")]
fn copy_all(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).expect("a folder").filter_map(Result::ok) {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            fs::create_dir_all(&target).expect("a folder");
            copy_all(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("a copy");
        }
    }
}

/// How often each thing came of it.
#[derive(Debug, Default)]
struct Tally {
    same: u32,
    damaged: u32,
    ended: Vec<String>,
    hung: Vec<String>,
    other: Vec<String>,
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (same, damaged) = (self.same, self.damaged);
        let (ended, hung, other) = (self.ended.len(), self.hung.len(), self.other.len());
        write!(f, "{same} the same, {damaged} damaged, {ended} ended, {hung} hung, {other} other")
    }
}

impl Tally {
    /// Begins with the store as it is, which must be read.
    #[expect(clippy::expect_used, reason = "a test")]
    fn of(original: &Original, parent: &Parent) -> Self {
        let mut tally = Self::default();
        let copy = tempfile::tempdir().expect("a folder");
        copy_all(original.folder.path(), copy.path());
        tally.look(parent, copy.path(), "the undamaged store");
        assert_eq!(tally.same, 1, "the undamaged store is read: {tally:?}");
        Self::default()
    }

    fn look(&mut self, parent: &Parent, folder: &Path, what: &str) {
        match looked(parent, folder) {
            Look::Same => self.same += 1,
            Look::Damaged => self.damaged += 1,
            Look::Ended(how) => self.ended.push(format!("{what}: {how}")),
            Look::Hung => self.hung.push(what.to_owned()),
            Look::Other(how) => self.other.push(format!("{what}: {how}")),
        }
    }

    #[expect(clippy::print_stdout, reason = "a test says what it found")]
    fn finish(&self, files: Files, limits: &Limits) {
        println!("{files:?}: {self}");
        match limits.unsettled.filter(|_| files == Files::Unsettled) {
            Some(why) => println!("{} other, a stated limit: {why}", self.other.len()),
            None => assert!(
                self.other.is_empty(),
                "rule: the same answer as before or Corrupt, never other data\n{self}\n{}",
                self.other.join("\n")
            ),
        }
        for (found, limit, name) in
            [(&self.ended, limits.ends, "ended"), (&self.hung, limits.hangs, "hung")]
        {
            if let Some(why) = limit {
                println!("{} {name}, a stated limit: {why}", found.len());
            } else {
                assert!(found.is_empty(), "it {name}:\n{}", found.join("\n"));
            }
        }
        assert!(self.damaged > 0, "some damage was seen: {self}");
    }
}

enum Look {
    Same,
    Damaged,
    Ended(String),
    Hung,
    Other(String),
}

fn looked(parent: &Parent, folder: &Path) -> Look {
    match watched(parent.looks(folder)) {
        Ending::Exit(SAME, _) => Look::Same,
        Ending::Exit(CORRUPT, _) => Look::Damaged,
        Ending::Exit(OTHER, said) => Look::Other(said),
        Ending::Exit(code, said) => {
            let last = said.lines().last().unwrap_or_default();
            Look::Ended(format!("exit code {code}: {last}"))
        }
        Ending::Killed(how) => Look::Ended(how),
        Ending::Hung => Look::Hung,
    }
}

/// Asks a store for everything; the exit code says what was heard.
#[expect(clippy::print_stderr, reason = "the parent reads it")]
pub(super) fn look<S: EventStore>(opened: Result<S, OpenError>) -> i32 {
    let heard = match opened {
        Ok(store) => block_on(answers(&store)),
        Err(OpenError::Corrupt { .. } | OpenError::Cut { .. }) => vec![Heard::Corrupt],
        Err(error) => vec![Heard::Other(format!("open: {error:?}"))],
    };
    if let Some(Heard::Other(what)) = heard.iter().find(|heard| matches!(heard, Heard::Other(_))) {
        eprintln!("{what}");
        return OTHER;
    }
    if heard.contains(&Heard::Corrupt) { CORRUPT } else { SAME }
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

/// The log, each stream, and whether the ids are still known.
async fn answers(store: &dyn EventStore) -> Vec<Heard> {
    let mut heard = Vec::new();
    let facts: Vec<_> = (0..EVENTS).map(event).collect();
    heard.push(log(store, &facts).await);
    let mut streams: HashMap<StreamId, Vec<&NewEvent>> = HashMap::new();
    for (stream, event) in &facts {
        streams.entry(*stream).or_default().push(event);
    }
    for (stream, events) in streams {
        heard.push(match store.stream(stream).await {
            Ok(read) => Heard::of(read.iter().map(|stored| &stored.event).eq(events), "a stream"),
            Err(error) => Heard::read(&error),
        });
    }
    let nothing = StreamId::from_parts(mailtrail_core::id::Category::CLAIM, [0xee; 16]);
    heard.push(match store.read_stream(nothing, Version::FIRST, 1).await {
        Ok(page) => Heard::of(page.last.is_none(), "an empty stream"),
        Err(error) => Heard::read(&error),
    });
    for batch in facts.chunks(100) {
        heard.push(match store.record(batch.to_vec()).await {
            Ok(appended) => Heard::of(appended.outcome == Outcome::AlreadyStored, "the ids"),
            Err(AppendError::Corrupt { .. }) => Heard::Corrupt,
            Err(error) => Heard::Other(format!("{error:?}")),
        });
    }
    heard
}

async fn log(store: &dyn EventStore, facts: &[(StreamId, NewEvent)]) -> Heard {
    let (mut read, mut next) = (Vec::new(), Some(Position::START));
    while let Some(after) = next {
        match store.read_all(&Filter::all(), after, 10_000).await {
            Ok(page) => {
                read.extend(page.events.into_iter().map(|stored| (stored.stream, stored.event)));
                next = page.next;
            }
            Err(error) => return Heard::read(&error),
        }
    }
    Heard::of(read == facts, "the log")
}
