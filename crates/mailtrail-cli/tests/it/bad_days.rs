//! Bad days of the program: a full disk, a folder that can't be written. What it says is a sentence that tells what to
//! do, it exits with 75, and what it acknowledged is there when the disk is well again. `docs/bad-days.md` lists them.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::thread;

use mailtrail::core::event::EnvelopeLine;
use mailtrail::core::store::Filter;
use mailtrail::core::{EventStore, EventStoreExt, Position};
use mailtrail::memory::MemoryStore;
use mailtrail::sled::SledStore;
use mailtrail_testkit::crash::{SmallDisk, event, skipped};

use super::sharing::Serve;
use super::{lines, mailtrail, text};

const NEEDS_ROOT: &str = "a disk can't be mounted: this needs root";

/// Plans a broadcast of its own of two hundred rows.
fn plan(folder: &Path, number: usize) -> Output {
    let row = |n: usize| format!("c{n},Name {n},p{n}@a.example\n");
    let contacts: String = (0..ROWS).map(row).collect();
    // Not on the disk that is full.
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), format!("contact_id,name,address\n{contacts}")).unwrap();
    let path = file.path().to_str().unwrap();
    mailtrail(folder, &["plan", &format!("b{number}"), path, "--kind", "general"])
}

const ROWS: usize = 200;

/// Plans until it is refused: how many were acknowledged, and how the next one was refused.
fn plan_until_refused(folder: &Path, from: usize) -> (usize, Output) {
    for number in from..2_000 {
        let planned = plan(folder, number);
        if !planned.status.success() {
            return (number, planned);
        }
    }
    panic!("the disk was never full");
}

/// A refusal that may pass: code 75, and sentences.
fn assert_tells(refused: &Output, words: &[&str]) {
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(75), "{said}");
    for word in words {
        assert!(said.contains(word), "{word} is not in: {said}");
    }
    assert!(!said.contains("Os {"), "no text of a debugger: {said}");
    assert!(said.matches("not available").count() <= 1, "said once: {said}");
}

/// Every broadcast that was acknowledged has all its rows, and the log is whole.
fn assert_all_there(folder: &Path, acknowledged: usize) {
    text(&mailtrail(folder, &["verify"]));
    let rows = lines(&mailtrail(folder, &["report", "email-log", "--json"]));
    for number in 0..acknowledged {
        let broadcast = format!("b{number}");
        let there = rows.iter().filter(|row| row["broadcast"] == *broadcast).count();
        assert_eq!(there, ROWS, "{broadcast} of {acknowledged}");
    }
}

fn fill(disk: &SmallDisk) {
    fs::write(disk.path().join("filler"), vec![1_u8; 64 << 20]).unwrap_err();
}

#[test]
fn a_disk_that_is_full_before_a_store_is_made_or_opened_is_told() {
    let test =
        concat!(module_path!(), "::a_disk_that_is_full_before_a_store_is_made_or_opened_is_told");
    let Some(disk) = SmallDisk::in_memory("16m") else { return skipped(test, NEEDS_ROOT) };
    let folder = disk.path();
    // A new store, and no room for it; nor for the keys.
    fill(&disk);
    assert_tells(&plan(folder, 0), &["No space left on device", "make room on its disk"]);
    fs::remove_file(folder.join("filler")).unwrap();
    // A store that is there, of an engine that needs room for each event.
    fs::remove_dir_all(folder.join("trail")).ok();
    drop(SledStore::open(folder.join("trail")).unwrap());
    text(&plan(folder, 0));
    fill(&disk);
    let mut told = 0;
    for command in [&["report", "summary"][..], &["block", "add", "x@a.example"], &["verify"]] {
        let done = mailtrail(folder, command);
        // What finds room in the files that are there goes on.
        if !done.status.success() {
            assert_tells(&done, &["No space left on device", "make room on its disk"]);
            told += 1;
        }
    }
    assert!(told > 0, "the disk is full");
    fs::remove_file(folder.join("filler")).unwrap();
    assert_all_there(folder, 1);
    text(&plan(folder, 1));
}

#[test]
fn a_disk_that_fills_while_events_are_written_loses_none_that_was_acknowledged() {
    let test = concat!(
        module_path!(),
        "::a_disk_that_fills_while_events_are_written_loses_none_that_was_acknowledged"
    );
    let Some(disk) = SmallDisk::in_memory("8m") else { return skipped(test, NEEDS_ROOT) };
    let folder = disk.path();
    let (acknowledged, refused) = plan_until_refused(folder, 0);
    assert!(acknowledged > 3, "there was something to lose: {acknowledged}");
    assert_tells(&refused, &["No space left on device", "make room on its disk"]);
    assert!(disk.resize("256m"));
    assert_all_there(folder, acknowledged);
    // The same again takes in what was not.
    text(&plan(folder, acknowledged));
    assert_all_there(folder, acknowledged + 1);
}

#[test]
fn a_server_whose_disk_fills_ends_with_75_and_what_it_acknowledged_is_there() {
    let test = concat!(
        module_path!(),
        "::a_server_whose_disk_fills_ends_with_75_and_what_it_acknowledged_is_there"
    );
    let Some(disk) = SmallDisk::in_memory("12m") else { return skipped(test, NEEDS_ROOT) };
    let folder = disk.path();
    let mut serve = Serve::start(folder);
    let (acknowledged, refused) = plan_until_refused(folder, 0);
    assert!(acknowledged > 3, "there was something to lose: {acknowledged}");
    assert_tells(&refused, &["No space left on device"]);
    let (code, said) = serve.ended();
    assert_eq!(code, Some(75), "{said}");
    assert!(said.contains("make room on its disk"), "{said}");
    assert!(disk.resize("256m"));
    assert_all_there(folder, acknowledged);
    let _serve = Serve::start(folder);
    text(&plan(folder, acknowledged));
    assert_all_there(folder, acknowledged + 1);
}

#[test]
fn processes_that_meet_on_one_folder_wait_for_each_other_and_lose_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let mut waited = 0;
    for round in 0..5 {
        let planned: Vec<Output> = thread::scope(|scope| {
            let plans: Vec<_> =
                (0..4).map(|one| scope.spawn(move || plan(folder, round * 4 + one))).collect();
            plans.into_iter().map(|plan| plan.join().unwrap()).collect()
        });
        for (one, planned) in planned.iter().enumerate() {
            if !planned.status.success() {
                assert_tells(planned, &["in use"]);
                waited += 1;
                text(&plan(folder, round * 4 + one));
            }
        }
    }
    assert!(waited > 0, "they met");
    assert_all_there(folder, 20);
}

#[test]
fn an_export_to_a_disk_that_takes_nothing_exits_75_and_one_that_is_there_exits_1() {
    let test = concat!(
        module_path!(),
        "::an_export_to_a_disk_that_takes_nothing_exits_75_and_one_that_is_there_exits_1"
    );
    let folder = tempfile::tempdir().unwrap();
    text(&plan(folder.path(), 0));
    let export = |to: &Path| mailtrail(folder.path(), &["export", to.to_str().unwrap()]);
    let there = export(Path::new("trail/head"));
    assert_eq!(there.status.code(), Some(1), "trying again helps nothing");
    let said = String::from_utf8_lossy(&there.stderr).into_owned();
    assert!(said.contains("trail/head can't be made: File exists"), "{said}");

    let Some(disk) = SmallDisk::in_memory("1m") else { return skipped(test, NEEDS_ROOT) };
    assert!(disk.set_read_only(true));
    for name in ["all.jsonl", "all.jsonl.zst"] {
        let words = [name, "can't be made: Read-only file system", "make its folder writable"];
        assert_tells(&export(&disk.path().join(name)), &words);
    }
    assert!(disk.set_read_only(false));
    fs::write(disk.path().join("filler"), vec![0; 1 << 20]).ok();
    assert_tells(&export(&disk.path().join("all.jsonl")), &["No space left", "make room"]);
}

#[test]
fn a_folder_that_is_read_only_is_told_and_loses_nothing() {
    let test = concat!(module_path!(), "::a_folder_that_is_read_only_is_told_and_loses_nothing");
    let Some(disk) = SmallDisk::in_memory("64m") else { return skipped(test, NEEDS_ROOT) };
    let folder = disk.path();
    text(&plan(folder, 0));
    assert!(disk.set_read_only(true));
    let new = ["--store", "fjall:new", "report", "summary"];
    for command in [&["report", "summary"][..], &["block", "add", "x@a.example"], &new] {
        let words = ["Read-only file system", "make its folder writable again"];
        assert_tells(&mailtrail(folder, command), &words);
    }
    assert_tells(&plan(folder, 1), &["Read-only file system"]);
    assert!(disk.set_read_only(false));
    assert_all_there(folder, 1);
    text(&plan(folder, 1));
}

#[tokio::test]
async fn a_disk_that_becomes_read_only_while_events_are_written_loses_none_that_was_acknowledged() {
    let test = concat!(
        module_path!(),
        "::a_disk_that_becomes_read_only_while_events_are_written_loses_none_that_was_acknowledged"
    );
    let Some(disk) = SmallDisk::ext4(64 << 20) else { return skipped(test, NEEDS_ROOT) };
    let folder = disk.path();
    let ingest = || {
        Command::new(env!("CARGO_BIN_EXE_mailtrail"))
            .current_dir(folder)
            .args(["ingest", "events", "-", "--json"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    };
    let events = events(2 * STEP).await;
    let mut process = ingest();
    let mut input = process.stdin.take().unwrap();
    // The file that says how far the store is durable: it is there when the store is open, and changes with the first
    // step that is acknowledged.
    let durable = |process: &mut Child| {
        assert_eq!(process.try_wait().unwrap(), None, "it goes on");
        fs::read(folder.join("trail/head")).ok().filter(|bytes| !bytes.is_empty())
    };
    let opened = loop {
        if let Some(bytes) = durable(&mut process) {
            break bytes;
        }
        thread::yield_now();
    };
    input.write_all(events[..STEP].concat().as_bytes()).unwrap();
    while durable(&mut process).is_none_or(|bytes| bytes == opened) {
        thread::yield_now();
    }
    assert!(disk.fail());
    // It may end before it has read all of them.
    input.write_all(events[STEP..].concat().as_bytes()).ok();
    drop(input);
    let refused = process.wait_with_output().unwrap();
    assert_tells(&refused, &["Read-only file system", "make its folder writable again"]);

    assert!(disk.mount_again());
    let verified = lines(&mailtrail(folder, &["verify", "--json"]));
    assert!(verified[0]["records"].as_u64().unwrap() >= STEP as u64, "{verified:?}");
    let mut again = ingest();
    again.stdin.take().unwrap().write_all(events.concat().as_bytes()).unwrap();
    let counts = &lines(&again.wait_with_output().unwrap())[0];
    let (new, known) = (counts["new_events"].as_u64().unwrap(), &counts["known_events"]);
    let known = known.as_u64().unwrap();
    assert!(known >= STEP as u64 && new + known == 2 * STEP as u64, "{counts}");
}

/// As many events as `ingest events` records at once.
const STEP: usize = 1_000;

/// Lines for `ingest events`.
async fn events(count: usize) -> Vec<String> {
    let store = MemoryStore::new();
    store.record((0..count as u64).map(event).collect()).await.unwrap();
    let page = store.read_all(&Filter::all(), Position::START, count).await.unwrap();
    let line = |envelope| serde_json::to_string(&EnvelopeLine::from(envelope)).unwrap() + "\n";
    page.events.iter().map(line).collect()
}

#[test]
fn every_test_that_the_book_names_is_there() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut sources = String::new();
    read_sources(crates, &mut sources);
    let (_, tests) =
        include_str!("../../../../docs/bad-days.md").split_once("## The tests").unwrap();
    let quoted = tests.split('`').skip(1).step_by(2);
    // A package, a space, the path of a test; others are commands.
    let path =
        |quoted: &'static str| quoted.split_once(' ').filter(|(_, path)| !path.contains(' '));
    let named: Vec<&str> = quoted
        .filter(|name| name.starts_with("mailtrail"))
        .filter_map(path)
        .map(|(_, path)| path)
        .collect();
    assert!(named.len() > 20, "{named:?}");
    for path in named {
        let name = path.rsplit("::").next().unwrap();
        let is_there = ["(", "<"].map(|next| sources.contains(&format!("fn {name}{next}")));
        assert!(is_there.contains(&true), "{path}");
    }
}

fn read_sources(folder: &Path, sources: &mut String) {
    for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() {
            read_sources(&entry, sources);
        } else if entry.extension().is_some_and(|extension| extension == "rs") {
            sources.push_str(&fs::read_to_string(entry).unwrap());
        }
    }
}
