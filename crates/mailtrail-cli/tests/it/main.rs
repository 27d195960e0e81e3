//! The program as its users run it.
#![cfg(test)]

mod audit;
mod bad_days;
mod damage;
mod following;
mod intake;
mod keys;
mod killed;
mod large;
mod log;
mod older;
mod outbound;
mod projection;
mod provider;
mod refused;
mod reloading;
mod reports;
mod reproduction;
mod rules;
mod sending;
mod serving;
mod sharing;
mod stopping;
mod tracking;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

use mailtrail::Tracker;
use mailtrail::core::Status;
use mailtrail::core::plan::{Broadcast, Contact, ContactAddress};
use mailtrail::core::token::Purpose;
use mailtrail::webhook::track::{HitRequest, hit};
use serde_json::Value;

fn mailtrail(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_mailtrail"))
        .current_dir(folder)
        .env_remove("MAILTRAIL_STORE")
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn text(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn lines(output: &Output) -> Vec<Value> {
    text(output).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn the_demo_shows_all_ten_statuses_each_with_its_reason() {
    let folder = tempfile::tempdir().unwrap();
    let rows = lines(&mailtrail(folder.path(), &["demo", "--json", "--keep", "demo"]));
    let mut statuses: BTreeMap<String, u32> = BTreeMap::new();
    for row in &rows {
        *statuses.entry(row["delivery_results"].as_str().unwrap().to_owned()).or_default() += 1;
        assert!(!row["why"].as_str().unwrap().is_empty(), "{row}");
    }
    let expected = [
        ("Blocked", 1),
        ("Bounced", 2),
        ("Delivered", 2),
        ("Duplicate", 1),
        ("Failed", 3),
        ("No Email Selected", 1),
        ("Opened", 1),
        ("Sent", 1),
        ("Soft Bounced", 2),
        ("Unsent", 1),
    ];
    let expected: BTreeMap<String, u32> = expected.map(|(s, n)| (s.to_owned(), n)).into();
    assert_eq!(statuses, expected);
    let bob = rows.iter().find(|row| row["contact_id"] == "p02").unwrap();
    assert_eq!((&bob["status"], &bob["bounced_after_delivery"]), (&"delivered".into(), &1.into()));

    // What was kept is a store like any other.
    let store = ["--store", "fjall:demo/trail", "--keys", "demo/keys.toml"];
    let run = |arguments: &[&str]| mailtrail(folder.path(), &[&store[..], arguments].concat());
    let checked = text(&run(&["rebuild", "--check"]));
    assert_eq!(checked.matches("equal to what the events give").count(), 3, "{checked}");
    let bare =
        mailtrail(folder.path(), &["--store", "demo/trail", "report", "email-log", "--json"]);
    assert_eq!(lines(&bare), rows, "a folder is opened as what it is");
    text(&run(&["export", "demo.jsonl"]));
    audit::verifies_without_mailtrail(&folder.path().join("demo.jsonl"));
    let trail = text(&run(&["explain", "bob@parents.example"]));
    assert!(trail.contains("→ Delivered") && trail.contains("\n  !"), "{trail}");
    // Whatever port brought a failure, the same rules read it the same once more.
    let again = text(&run(&["reclassify", "--yes"]));
    assert!(again.starts_with("no row changes\n") && !again.contains("changes show"), "{again}");
    let summary = lines(&run(&["report", "summary", "--json"]));
    assert_eq!(summary[0]["reached"], serde_json::json!({ "count": 3, "of": 13 }));
    // Whoever has a file may have written it: no return path vouches for it.
    let files = ["ingest", "mail", "demo/mails", "--json"];
    let strict = run(&[&files[..], &["--require-token"]].concat());
    let said = String::from_utf8_lossy(&strict.stderr).into_owned();
    assert!(said.contains(".eml: refused: it"), "each with its cause: {said}");
    let strict = lines(&strict);
    assert_eq!(strict[0]["new_events"], 0);
    assert!(strict[0]["refused"].as_u64().unwrap() > 0, "{strict:?}");
    // The same mails again change nothing.
    let again = lines(&run(&files));
    assert_eq!(again[0]["unreadable"], 0);
    assert!(
        again[0]["known_events"].as_u64().unwrap() + again[0]["new_events"].as_u64().unwrap() > 0
    );
    assert_eq!(lines(&run(&["report", "email-log", "--json"])), rows);
}

#[test]
fn planning_tells_bad_lines_and_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let csv = "\u{feff}contact_id,name,address,kinds,school\nc1,Ann,ann@a.example,*,North\n,Nobody,x@a.example,*,North\nc2,Bob,ann@a.example,*,South\n";
    std::fs::write(folder.path().join("contacts.csv"), csv).unwrap();
    let plan = ["plan", "b1", "contacts.csv", "--kind", "general", "--json"];
    let output = mailtrail(folder.path(), &plan);
    assert_eq!(output.status.code(), Some(65));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&report["queued"], &report["duplicate"]), (&1.into(), &1.into()));
    assert_eq!(report["bad_lines"][0]["line"], 3);
    let again: Value = serde_json::from_slice(&mailtrail(folder.path(), &plan).stdout).unwrap();
    assert_eq!((&again["queued"], &again["unchanged"]), (&0.into(), &2.into()));
    let other = mailtrail(folder.path(), &["plan", "b1", "contacts.csv", "--kind", "emergency"]);
    assert_eq!(other.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&other.stderr).contains("another kind"));
}

#[test]
fn no_email_selected_the_emergency_after_it_reaches_the_same_person() {
    let folder = tempfile::tempdir().unwrap();
    let csv = "contact_id,address,kinds\nc1,kim@a.example,emergency\n";
    std::fs::write(folder.path().join("contacts.csv"), csv).unwrap();
    for (broadcast, kind) in [("news", "general"), ("snow", "emergency")] {
        text(&mailtrail(folder.path(), &["plan", broadcast, "contacts.csv", "--kind", kind]));
    }
    let rows = lines(&mailtrail(folder.path(), &["report", "email-log", "--json"]));
    let results: Vec<&str> =
        rows.iter().map(|row| row["delivery_results"].as_str().unwrap()).collect();
    assert_eq!(results, ["No Email Selected", "Unsent"]);
}

#[test]
fn a_folder_in_use_names_its_owner_and_exits_75() {
    let folder = tempfile::tempdir().unwrap();
    let owner = mailtrail::fjall::FjallStore::open(folder.path().join("trail")).unwrap();
    let output = mailtrail(folder.path(), &["report", "summary"]);
    assert_eq!(output.status.code(), Some(75));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains(&std::process::id().to_string()), "{said}");
    drop(owner);
    text(&mailtrail(folder.path(), &["report", "summary"]));
}

#[tokio::test]
async fn an_open_that_waits_for_its_verdict_gets_it_when_the_store_is_opened() {
    let folder = tempfile::tempdir().unwrap();
    // The process that took the hit ended before the window of the verdict had passed.
    let hit_at = chrono::DateTime::from_timestamp(1_790_000_000, 0).unwrap();
    let store = mailtrail::fjall::FjallStore::options().clock(Arc::new(move || hit_at));
    let store = store.open(folder.path().join("trail")).unwrap();
    let tracker = Tracker::builder(store).clock(move || hit_at).open();
    let ann = Contact::new("ann".parse().unwrap()).address(ContactAddress::new("ann@a.example"));
    let plan = Broadcast::new("b".parse().unwrap(), "general".parse().unwrap());
    tracker.plan(plan, [ann]).await.unwrap();
    let delivery = tracker.queued("b".parse().unwrap()).next().await.unwrap().unwrap();
    let keys = mailtrail::keys_file(folder.path().join("keys.toml")).unwrap();
    let token = keys.sign(Purpose::Open, delivery.id());
    let hit = hit(&keys, &HitRequest::pixel(&token, hit_at), tracker.observed().unwrap());
    tracker.record([hit.unwrap()]).await.unwrap();
    assert_eq!(tracker.evidence(delivery.id()).await.unwrap().status(), Status::Unsent);
    drop(tracker);
    let rows = lines(&mailtrail(folder.path(), &["report", "email-log", "--json"]));
    assert_eq!((&rows[0]["status"], &rows[0]["opens_unknown"]), (&"opened".into(), &1.into()));
    let explained = text(&mailtrail(folder.path(), &["explain", "ann@a.example"]));
    let who = "nobody can tell by whom by rule undecided, machines 2: nothing says who it was";
    assert!(explained.contains(who), "{explained}");
}

#[test]
fn what_is_wrong_is_said() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("empty.csv"), "").unwrap();
    std::fs::create_dir(folder.path().join("photos")).unwrap();
    std::fs::write(folder.path().join("photos/cat.jpg"), "meow").unwrap();
    std::fs::write(folder.path().join("empty.eml"), "").unwrap();
    let cases: [(&[&str], i32, &str); 7] = [
        (&["plan", "b", "empty.csv", "--kind", "general"], 65, "is empty"),
        (&["plan", "b", "none.csv", "--kind", "general"], 66, "can't be read"),
        (&["--store", "sled:photos", "report", "summary"], 1, "not a sled store"),
        (&["--store", "photos", "report", "summary"], 1, "not a fjall store"),
        (&["--store", "oracle:x", "report", "summary"], 65, "no store"),
        (&["ingest", "mail", "empty.eml"], 65, "empty"),
        (&["explain", "nobody@a.example"], 65, "nothing is known"),
    ];
    for (arguments, code, words) in cases {
        let output = mailtrail(folder.path(), arguments);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
        assert!(said.contains(words), "{arguments:?}: {said}");
    }
}
