//! A process of its own: this test binary, started again.

use std::fmt::{self, Write as _};
use std::io::{BufRead, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::thread;

use futures_executor::block_on;
use mailtrail_core::projection::StateStore;
use mailtrail_core::store::{EventStoreExt, Filter, OpenError, RawStore};
use mailtrail_core::{EventStore, Position};

use super::{damage, day, event, memory, number, power};

const JOB: &str = "MAILTRAIL_KIT_JOB";
const FOLDER: &str = "MAILTRAIL_KIT_FOLDER";
const FROM: &str = "MAILTRAIL_KIT_FROM";
const COUNT: &str = "MAILTRAIL_KIT_COUNT";
const WORDS: &str = "MAILTRAIL_KIT_WORDS";
const HOUR: &str = "MAILTRAIL_KIT_HOUR";
const SEED: &str = "MAILTRAIL_KIT_SEED";

/// Does nothing, unless a [`Parent`] has started this process to do something.
///
/// # Panics
/// If it can't do it.
#[expect(clippy::panic, clippy::exit, reason = "a test, whose exit code the parent looks at")]
pub fn child<S: EventStore + 'static>(open: impl Fn(&Path) -> Result<S, OpenError>) {
    let Some(job) = std::env::var_os(JOB) else { return };
    let folder = PathBuf::from(std::env::var_os(FOLDER).unwrap_or_default());
    if job == "look" {
        std::process::exit(damage::look(open(&folder)));
    }
    if job == "survey" {
        std::process::exit(power::survey(&open, &folder, &words()));
    }
    if job == "work" {
        return power::work(&open, &folder);
    }
    let of = |name| std::env::var_os(name).and_then(|text| text.to_str()?.parse().ok());
    let (from, count): (u64, u64) = (of(FROM).unwrap_or(0), of(COUNT).unwrap_or(0));
    if job == "day" {
        let hour = of(HOUR).and_then(|hour| usize::try_from(hour).ok()).unwrap_or(0);
        return day::live(open, &folder, from, hour, of(SEED).unwrap_or(0));
    }
    let store: Arc<dyn EventStore> = match open(&folder) {
        Ok(store) => Arc::new(store),
        Err(error) => panic!("the folder does not open: {error}"),
    };
    let reader = {
        let store = Arc::clone(&store);
        thread::spawn(move || block_on(observe(&*store, from, count)))
    };
    for number in from..from.saturating_add(count) {
        if let Err(error) = block_on(store.record(vec![event(number)])) {
            panic!("event {number} could not be recorded: {error}");
        }
        say("acknowledged", number);
    }
    reader.join().ok();
}

/// As of [`child`], for states of projections: for the tests of power cuts.
///
/// # Panics
/// If it can't do it.
#[expect(clippy::exit, reason = "a test, whose exit code the parent looks at")]
pub fn child_of_states<S: StateStore>(open: impl Fn(&Path) -> Result<S, OpenError>) {
    let Some(job) = std::env::var_os(JOB) else { return };
    let folder = PathBuf::from(std::env::var_os(FOLDER).unwrap_or_default());
    if job == "work" {
        return power::keep_states(&open, &folder);
    }
    std::process::exit(power::survey_states(&open, &folder));
}

/// As of [`child`], for raw bodies: for the tests of power cuts.
///
/// # Panics
/// If it can't do it.
#[expect(clippy::exit, reason = "a test, whose exit code the parent looks at")]
pub fn child_of_bodies<R: RawStore>(open: impl Fn(&Path) -> Result<R, OpenError>) {
    let Some(job) = std::env::var_os(JOB) else { return };
    let folder = PathBuf::from(std::env::var_os(FOLDER).unwrap_or_default());
    if job == "work" {
        return power::keep_bodies(&open, &folder);
    }
    std::process::exit(power::survey_bodies(&open, &folder, &words()));
}

/// What was said before.
fn words() -> Vec<Said> {
    let words = std::env::var_os(WORDS).unwrap_or_default();
    words.to_string_lossy().split(',').filter_map(Said::read).collect()
}

/// Says each event that a reader sees, as soon as it does.
pub(super) async fn observe(store: &dyn EventStore, from: u64, count: u64) {
    let (mut at, mut seen) = (Position::START, 0);
    while seen < count {
        let Ok(page) = store.read_all(&Filter::all(), at, 100).await else { return };
        for number in page.events.iter().filter_map(|e| number(e.event.event_id)) {
            if number >= from {
                say("observed", number);
                seen += 1;
            }
        }
        at = page.scanned_to;
        if page.next.is_none() && seen < count && store.changed(at).await.is_err() {
            return;
        }
    }
}

pub(super) fn say(what: &str, number: u64) {
    say_each(what, std::iter::once(number));
}

/// With one write, so that two threads' lines don't mix.
pub(super) fn say_each(what: &str, numbers: impl IntoIterator<Item = u64>) {
    let mut lines = String::new();
    for number in numbers {
        writeln!(lines, "\n{what} {number}").ok();
    }
    let mut out = std::io::stdout().lock();
    out.write_all(lines.as_bytes()).ok();
    out.flush().ok();
}

/// What a process that records has said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Said {
    /// The event of this number was acknowledged.
    Acknowledged(u64),
    /// A reader saw the event of this number.
    Observed(u64),
    /// The private part of the event of this number was erased.
    Erased(u64),
}

impl Said {
    /// The event.
    pub fn number(self) -> u64 {
        match self {
            Self::Acknowledged(number) | Self::Observed(number) | Self::Erased(number) => number,
        }
    }

    /// Reads a line; none if it says something else.
    pub(crate) fn read(line: &str) -> Option<Self> {
        let (what, number) = line.trim().split_once(' ')?;
        let number = number.parse().ok()?;
        match what {
            "acknowledged" => Some(Self::Acknowledged(number)),
            "observed" => Some(Self::Observed(number)),
            "erased" => Some(Self::Erased(number)),
            _ => None,
        }
    }
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Acknowledged(number) => write!(f, "acknowledged {number}"),
            Self::Observed(number) => write!(f, "observed {number}"),
            Self::Erased(number) => write!(f, "erased {number}"),
        }
    }
}

/// Starts this test binary again, for the one test that calls [`child`].
#[derive(Debug, Clone)]
pub struct Parent {
    test: String,
}

impl Parent {
    /// By the path of that test, as `module_path!` gives it.
    pub fn of(path: &str) -> Self {
        let test = path.split_once("::").map_or(path, |(_, test)| test);
        Self { test: test.to_owned() }
    }

    /// Starts a process that opens the store in a folder and records so many [events](super::event) from a number
    /// on, one a commit; by way of another program, if one is given with its arguments.
    ///
    /// # Panics
    /// If it can't be started.
    pub fn records(&self, folder: &Path, from: u64, count: u64, wrapper: &[String]) -> Process {
        let mut command = self.command("record", folder, wrapper);
        command.env(FROM, from.to_string()).env(COUNT, count.to_string());
        Process::start(command)
    }

    /// Starts a process that lives an hour of a [day](day) in a folder, with events from a number on.
    pub(super) fn lives(&self, folder: &Path, from: u64, hour: usize, seed: u64) -> Process {
        let mut command = self.command("day", folder, &[]);
        command.env(FROM, from.to_string()).env(HOUR, hour.to_string()).env(SEED, seed.to_string());
        // It should not end by itself: then it says why.
        Process::start_with(command, Stdio::inherit())
    }

    /// Starts a process that does all that a store is asked for in a folder.
    pub(crate) fn works(&self, folder: &Path, wrapper: &[String]) -> Process {
        Process::start(self.command("work", folder, wrapper))
    }

    /// A process that looks at a folder after these words, and says by its exit code what is wrong.
    pub(crate) fn surveys(&self, folder: &Path, words: &[Said]) -> Command {
        let mut command = self.command("survey", folder, &[]);
        let words: Vec<_> = words.iter().map(Said::to_string).collect();
        command.env(WORDS, words.join(","));
        command
    }

    /// A process that looks at a folder, and says by its exit code what it found.
    pub(crate) fn looks(&self, folder: &Path) -> Command {
        self.command("look", folder, &[])
    }

    #[expect(clippy::expect_used, reason = "a test")]
    fn command(&self, job: &str, folder: &Path, wrapper: &[String]) -> Command {
        let own = std::env::current_exe().expect("this test binary has a path");
        let mut command = match wrapper {
            [] => Command::new(&own),
            [program, arguments @ ..] => {
                let mut command = Command::new(program);
                command.args(arguments).arg(&own);
                command
            }
        };
        command.args([&self.test, "--exact", "--nocapture"]).env(JOB, job).env(FOLDER, folder);
        command
    }
}

/// A process that records.
#[derive(Debug)]
pub struct Process {
    child: Child,
    output: BufReader<ChildStdout>,
}

#[expect(clippy::expect_used, reason = "a test")]
impl Process {
    fn start(command: Command) -> Self {
        Self::start_with(command, Stdio::null())
    }

    fn start_with(mut command: Command, stderr: Stdio) -> Self {
        let command = command.stdout(Stdio::piped()).stderr(stderr);
        let mut child = command.spawn().expect("the test binary starts");
        let output = BufReader::new(child.stdout.take().expect("its output is piped"));
        Self { child, output }
    }

    /// What it says next; `None` at its end.
    ///
    /// # Panics
    /// If its output can't be read.
    pub fn next_word(&mut self) -> Option<Said> {
        loop {
            let mut line = String::new();
            if self.output.read_line(&mut line).expect("its output can be read") == 0 {
                return None;
            }
            if let Some(said) = Said::read(&line) {
                return Some(said);
            }
        }
    }

    /// Kills it, as `kill -9` does. What it has said before can still be read.
    ///
    /// # Panics
    /// If it can't be killed.
    pub fn kill(&mut self) {
        self.child.kill().expect("it can be killed");
        self.child.wait().expect("it has ended");
    }

    /// The most that it had in memory; 0 where the operating system doesn't tell.
    pub(super) fn peak_bytes(&self) -> u64 {
        memory::peak_bytes(self.child.id())
    }

    /// Waits for its end, and says whether that was a good one.
    ///
    /// # Panics
    /// If it can't be waited for.
    pub fn wait(&mut self) -> bool {
        self.child.wait().expect("it has ended").success()
    }
}
