//! Damaged files: what a user is told, and that nobody is told anything wrong.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use mailtrail::sled::SledStore;
use mailtrail_testkit::crash::Places;
use serde_json::Value;
use tempfile::TempDir;

use super::{audit, lines, mailtrail, text};

/// A store that can be damaged again and again.
struct Damaged {
    folder: TempDir,
    database: PathBuf,
    whole: Vec<u8>,
    head: Value,
    rows: Vec<Value>,
}

impl Damaged {
    fn sled() -> Self {
        let folder = tempfile::tempdir().unwrap();
        drop(SledStore::open(folder.path().join("trail")).unwrap());
        Self::of(audit::planned_in(folder), "trail/log/db")
    }

    fn fjall() -> Self {
        Self::of(audit::planned(), SEGMENT)
    }

    /// Of a store with a few rows, whose events are in this file.
    fn of(folder: TempDir, file: &str) -> Self {
        let mut contacts = "contact_id,address\n".to_owned();
        for number in 0..300 {
            writeln!(contacts, "m{number},m{number}@a.example").unwrap();
        }
        fs::write(folder.path().join("more.csv"), contacts).unwrap();
        text(&mailtrail(folder.path(), &["plan", "more", "more.csv", "--kind", "general"]));
        let rows = lines(&mailtrail(folder.path(), &["report", "email-log", "--json"]));
        let head = lines(&mailtrail(folder.path(), &["verify", "--json"]))[0]["head"].clone();
        let database = folder.path().join(file);
        let whole = fs::read(&database).unwrap();
        fs::rename(folder.path().join("trail"), folder.path().join("whole")).unwrap();
        Self { folder, database, whole, head, rows }
    }

    /// How much of the database is in use: behind it there are zeros.
    fn used(&self) -> usize {
        self.whole.iter().rposition(|byte| *byte != 0).unwrap() + 1
    }

    /// Looks at a store whose database is this one. Says whether anything was noticed.
    fn look(&self, database: &[u8], what: &str) -> bool {
        let folder = self.folder.path();
        fs::remove_dir_all(folder.join("trail")).ok();
        copy(&folder.join("whole"), &folder.join("trail"));
        fs::write(&self.database, database).unwrap();

        let verified = mailtrail(folder, &["verify", "--json"]);
        let said = String::from_utf8_lossy(&verified.stderr).into_owned();
        match verified.status.code() {
            Some(0) => assert_eq!(lines(&verified)[0]["head"], self.head, "{what}"),
            Some(3) => {
                assert!(said.contains("damaged") || said.contains("altered"), "{what}: {said}");
            }
            Some(4) => assert!(said.contains("missing"), "{what}: {said}"),
            code => panic!("{what}: exit code {code:?}: {said}"),
        }
        let report = mailtrail(folder, &["report", "email-log", "--json"]);
        let told = String::from_utf8_lossy(&report.stderr).into_owned();
        match report.status.code() {
            Some(0) => assert_eq!(lines(&report), self.rows, "{what}"),
            Some(1) => assert!(
                told.contains("run verify") || told.contains("restore it from a copy"),
                "{what}: {told}"
            ),
            code => panic!("{what}: exit code {code:?}: {told}"),
        }
        for text in [&said, &told] {
            assert!(!text.contains("panicked") && !text.contains("backtrace"), "{what}: {text}");
        }
        // What verify says is intact can be read.
        assert!(!verified.status.success() || report.status.success(), "{what}: {told}");
        !verified.status.success()
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn a_flipped_byte(store: &Damaged) {
    let (used, mut noticed) = (store.used(), 0);
    let turns = if std::env::var_os("MAILTRAIL_SOAK").is_some() { 1_000 } else { 24 };
    let mut places = Places::of_this_run();
    for _ in 0..turns {
        let mut database = store.whole.clone();
        let what = places.flip(&mut database[..used]);
        noticed += u32::from(store.look(&database, &what));
    }
    assert!(noticed > 0, "some of it was noticed: {places:?}");
}

fn a_file_that_was_cut(store: &Damaged) {
    let used = store.used();
    for eighth in 0..8 {
        let what = format!("cut to {eighth}/8");
        assert!(store.look(&store.whole[..used * eighth / 8], &what), "{what}: nobody noticed");
    }
}

/// A thousand random places with `MAILTRAIL_SOAK`.
#[test]
fn a_flipped_byte_is_told_as_damage_or_changes_no_answer() {
    a_flipped_byte(&Damaged::fjall());
}

#[test]
fn a_flipped_byte_of_sled_is_told_as_damage_or_changes_no_answer() {
    a_flipped_byte(&Damaged::sled());
}

#[test]
fn a_file_that_was_cut_is_told_as_damage() {
    a_file_that_was_cut(&Damaged::fjall());
}

#[test]
fn a_file_of_sled_that_was_cut_is_told_as_damage() {
    a_file_that_was_cut(&Damaged::sled());
}

/// Where the events of a small store are.
pub(crate) const SEGMENT: &str = "trail/events/00000000000000000001.log";
