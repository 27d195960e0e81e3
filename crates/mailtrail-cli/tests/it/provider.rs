//! Providers: which there are, own files that describe one, and requests that are verified and read.

use std::fs;

use serde_json::{Value, json};

use super::{mailtrail, text};

const BODY: &str = r#"{"event":"send.recipient.bounced","payload":{"send":{"uuid":"u-7"},"recipient":{"address":"ann@a.example"},"attempt":{"created_at":1772352007},"bounce":{"text":"550 5.1.1 no such user","status":"5.1.1"}}}"#;
/// HMAC-SHA-256 of the body under `secret`.
const SIGNATURE: &str = "5f510bbc33862bc8fcd3b3c0d7f78ce3d0019e0f2d970549cae33edb232fb1fb";

#[test]
fn an_own_file_starts_from_ours_and_is_tested_like_ours() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let list = text(&mailtrail(folder, &["provider", "list"]));
    assert!(list.lines().any(|line| line == "postmark"), "{list}");
    assert!(list.lines().any(|line| line == "mailpace (file)"), "{list}");

    let file = text(&mailtrail(folder, &["provider", "show", "mailpace"]));
    let own = file.replace("name = \"mailpace\"", "name = \"own\"");
    fs::write(folder.join("own.toml"), &own).unwrap();
    let tested = text(&mailtrail(folder, &["provider", "test", "own.toml"]));
    let count = file.matches("[[test]]").count();
    assert!(tested.contains(&format!("{count} of {count} tests as expected")), "{tested}");

    fs::write(
        folder.join("own.toml"),
        own.replace("when = [\"email.bounced\"]", "when = [\"bounced\"]"),
    )
    .unwrap();
    let failed = mailtrail(folder, &["provider", "test", "own.toml"]);
    assert_eq!(failed.status.code(), Some(1));
    let told = String::from_utf8(failed.stdout).unwrap();
    assert!(told.contains("test 2: event 1: event is custom, not bounced"), "{told}");

    fs::write(
        folder.join("own.toml"),
        own.replace("user_unknown", "user_unknwon")
            .replace("is = \"bounced\"", "is = \"exploded\""),
    )
    .unwrap();
    let broken = mailtrail(folder, &["provider", "test", "own.toml"]);
    assert!(!broken.status.success());
    let told = String::from_utf8(broken.stderr).unwrap();
    assert!(told.contains("own.toml") && told.contains("exploded"), "{told}");
}

#[test]
fn a_request_is_events_or_refused_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("body.json"), BODY).unwrap();
    fs::write(
        folder.join("headers"),
        format!("Content-Type: application/json\nX-Signature: {SIGNATURE}\n"),
    )
    .unwrap();
    let parse = |options: &[&str]| -> Value {
        let command =
            ["--json", "parse", "webhook", "hyvor_relay", "body.json", "--headers", "headers"];
        serde_json::from_str(&text(&mailtrail(folder, &[&command, options].concat()))).unwrap()
    };
    let answer = parse(&["--signing-key", "old", "--signing-key", "secret"]);
    assert_eq!(answer["outcome"], "events");
    assert_eq!(answer["events"][0]["recipient"], "ann@a.example");
    assert_eq!(answer["events"][0]["status"], "failed");
    assert_eq!(answer["events"][0]["occurred_at"], "2026-03-01T08:00:07Z");
    let answer = parse(&["--signing-key", "other"]);
    assert_eq!(
        (&answer["outcome"], &answer["reason"]),
        (&json!("refused"), &json!("wrong_signature"))
    );
    fs::write(folder.join("headers"), "Content-Type: application/json\n").unwrap();
    assert_eq!(parse(&["--signing-key", "secret"])["reason"], "missing_signature");
    assert_eq!(parse(&[])["outcome"], "events");
}
