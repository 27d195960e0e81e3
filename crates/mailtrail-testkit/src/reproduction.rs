//! A failure that comes again: what was fed, as JSON Lines.
//!
//! A failed check writes its events, one a line and in the order in which they came, to
//! `<target>/mailtrail-failures/<test>.jsonl`, or into the folder that `MAILTRAIL_FAILURES` names.
//! `mailtrail ingest events FILE` records them into a store, where `explain` and the reports show
//! what went wrong. When the test is run again the file is gone with its first case: what is there after a run
//! is what that run failed with.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::{env, fs, io, thread};

use mailtrail_core::event::{Envelope, EnvelopeLine};

/// Where the test of this thread writes what it fails with.
///
/// ```
/// let file = mailtrail_testkit::reproduction::file();
/// assert!(file.extension().is_some_and(|extension| extension == "jsonl"));
/// ```
pub fn file() -> PathBuf {
    folder().join(format!("{}.jsonl", test()))
}

/// Forgets what an earlier run of this test failed with. Only once in a run: while proptest shrinks, cases that pass
/// come after the one that fails.
pub(crate) fn begin() {
    let mut begun = BEGUN.lock().unwrap_or_else(PoisonError::into_inner);
    if begun.insert(test()) {
        // That there is none is the rule.
        fs::remove_file(file()).ok();
    }
}

/// Writes the events to [`file`]. Says where they are, or why they aren't.
pub(crate) fn keep(envelopes: &[Envelope]) -> String {
    let file = file();
    match write(&file, envelopes) {
        Ok(()) => format!("to see it again: mailtrail ingest events {}", file.display()),
        Err(error) => format!("the history could not be written to {}: {error}", file.display()),
    }
}

fn test() -> String {
    thread::current().name().unwrap_or("test").replace("::", ".")
}

fn write(file: &Path, envelopes: &[Envelope]) -> io::Result<()> {
    let mut lines = String::new();
    for envelope in envelopes {
        let line = serde_json::to_string(&EnvelopeLine::from(envelope))?;
        // Writing to a string can't fail.
        writeln!(lines, "{line}").map_err(io::Error::other)?;
    }
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(file, lines)
}

fn folder() -> PathBuf {
    #[expect(clippy::disallowed_methods, reason = "a test has no other configuration")]
    let chosen = env::var("MAILTRAIL_FAILURES");
    if let Ok(chosen) = chosen {
        return chosen.into();
    }
    // Cargo marks its target folder for backup programs; the test's own program lies within.
    let program = env::current_exe().unwrap_or_default();
    let target = program.ancestors().find(|folder| folder.join("CACHEDIR.TAG").is_file());
    target.map_or_else(env::temp_dir, Path::to_path_buf).join("mailtrail-failures")
}

/// The tests of this process that have forgotten what was before.
static BEGUN: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
