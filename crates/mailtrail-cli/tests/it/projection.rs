//! `projection`: a report that stands still says what to do, and goes on when someone has decided.

use std::fs;
use std::path::Path;

use mailtrail::core::projection::{Checkpoint, Pause, Projection, StateId, StateStore};
use mailtrail::core::{EventStore, Position};
use mailtrail::fjall::{FjallStates, FjallStore};
use mailtrail::report::{EmailLog, Trails};
use serde_json::json;

use super::audit::planned;
use super::sharing::Serve;
use super::{lines, mailtrail, text};

/// A folder whose Email Log stands still: three rows are in it, and the first event of the fourth is beyond it.
async fn paused() -> (tempfile::TempDir, Pause) {
    paused_of(EmailLog, "email-log").await
}

/// The same of any projection that this report is read from.
async fn paused_of(projection: impl Projection, report: &str) -> (tempfile::TempDir, Pause) {
    let folder = planned();
    let path = folder.path();
    text(&mailtrail(path, &["report", report]));
    let kept = status(path, projection.name())["position"].as_u64().unwrap();
    fs::write(path.join("more.csv"), "contact_id,address\nc4,kim@a.example\n").unwrap();
    let plan = ["plan", "b", "more.csv", "--kind", "general", "--subject", "Closed today"];
    text(&mailtrail(path, &plan));
    let pause = pause_at(&projection, path, Position::new(kept)).await;
    (folder, pause)
}

/// Pauses a projection before the first event behind this position that it looks at.
async fn pause_at(projection: &impl Projection, folder: &Path, after: Position) -> Pause {
    let store = FjallStore::open(folder.join("trail")).unwrap();
    let page = store.read_all(&projection.filter(), after, 1).await.unwrap();
    let next = page.events.first().unwrap();
    let pause = Pause::new(next.position, next.event.event_id, "this one is beyond me");
    let states = FjallStates::open(folder.join("trail/projections")).unwrap();
    let id = StateId::new(projection.name(), projection.revision());
    let kept = states.checkpoint(&id).unwrap().unwrap();
    let mut to: Checkpoint = kept.clone();
    to.paused = Some(pause.clone());
    states.save(&id, Some(&kept), Vec::new(), &to).unwrap();
    pause
}

fn status(folder: &Path, name: &str) -> serde_json::Value {
    let all = lines(&mailtrail(folder, &["projection", "status", "--json"]));
    all.into_iter().find(|line| line["projection"] == name).unwrap()
}

fn rows(folder: &Path) -> usize {
    lines(&mailtrail(folder, &["report", "email-log", "--json"])).len()
}

#[tokio::test]
async fn a_report_that_stands_still_says_what_to_do() {
    let (folder, pause) = paused().await;
    let folder = folder.path();
    let shown = text(&mailtrail(folder, &["projection", "status"]));
    let stands = format!(
        "PAUSED at position {}, event {}: this one is beyond me",
        pause.position, pause.event
    );
    assert!(shown.contains(&stands), "{shown}");
    let known = status(folder, "email_log");
    assert_eq!(known["paused"], json!(pause));

    let refused = mailtrail(folder, &["report", "email-log"]);
    assert_eq!(refused.status.code(), Some(1));
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    for words in
        ["this one is beyond me", "projection resume email_log", "projection skip email_log"]
    {
        assert!(said.contains(words), "{said}");
    }
    // Everything else goes on: the log, other reports, and this one as of then.
    text(&mailtrail(folder, &["block", "add", "eve@a.example"]));
    let summary = lines(&mailtrail(folder, &["report", "summary", "--json"]));
    assert_eq!(summary[0]["rows"], 4);
    let before = (pause.position.get() - 1).to_string();
    let as_of = ["report", "email-log", "--json", "--as-of", &before];
    assert_eq!(lines(&mailtrail(folder, &as_of)).len(), 3);
}

#[tokio::test]
async fn a_server_says_that_a_report_stands_still_and_that_it_goes_on() {
    let (folder, pause) = paused().await;
    let folder = folder.path();
    let mut serve = Serve::start(folder);
    serve.says(&format!("email_log stands still at position {}", pause.position));
    text(&mailtrail(folder, &["projection", "resume", "email_log"]));
    serve.says("email_log goes on");
    assert_eq!(rows(folder), 4);
}

#[tokio::test]
async fn a_server_says_the_same_of_the_trails() {
    let (folder, pause) = paused_of(Trails, "unmatched-feedback").await;
    let mut serve = Serve::start(folder.path());
    serve.says(&format!("trails stands still at position {}", pause.position));
}

#[tokio::test]
async fn resumed_it_tries_that_event_again() {
    let (folder, pause) = paused().await;
    let folder = folder.path();
    let said = text(&mailtrail(folder, &["projection", "resume", "email_log"]));
    let expected = format!("the event at position {} is tried again", pause.position);
    assert!(said.contains(&expected), "{said}");
    assert_eq!(rows(folder), 4, "it was mended");
    assert_eq!(status(folder, "email_log")["paused"], json!(null));
    for (how, name, words) in [
        ("resume", "email_log", "email_log is not paused"),
        ("skip", "email_log", "email_log is not paused"),
        ("skip", "email_logs", "there is no projection email_logs"),
    ] {
        let refused = mailtrail(folder, &["projection", how, name]);
        assert_eq!(refused.status.code(), Some(65), "{how} {name}");
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(said.contains(words), "{said}");
    }
}

#[tokio::test]
async fn skipped_it_leaves_that_event_out_also_when_it_is_built_anew() {
    let (folder, pause) = paused().await;
    let folder = folder.path();
    let said = text(&mailtrail(folder, &["projection", "skip", "email_log"]));
    let expected = format!("event {} at position {}", pause.event, pause.position);
    assert!(said.contains(&expected) && said.contains("left out"), "{said}");
    for _ in 0..2 {
        assert_eq!(rows(folder), 3, "the row that the event would have made");
        let known = status(folder, "email_log");
        assert_eq!((&known["paused"], &known["skipped"]), (&json!(null), &json!([pause.event])));
        let shown = text(&mailtrail(folder, &["projection", "status"]));
        assert!(shown.contains("up to date, 1 event left out"), "{shown}");
        text(&mailtrail(folder, &["rebuild", "--check"]));
        text(&mailtrail(folder, &["rebuild"]));
    }
    // Also in another store.
    let migrate = ["migrate", "--from", "fjall:trail", "--to", "sled:moved"];
    text(&mailtrail(folder, &migrate));
    let moved = ["--store", "sled:moved", "report", "email-log", "--json"];
    assert_eq!(lines(&mailtrail(folder, &moved)).len(), 3);
}
