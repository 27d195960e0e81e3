//! Webhooks that are refused: listed with their causes, and read when the key is corrected.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use super::sharing::Serve;
use super::{lines, mailtrail, text};

const BODY: &str = r#"{"RecordType":"Delivery","MessageID":"m-1","Recipient":"ann@a.example"}"#;

fn configure(folder: &Path, password: &str) {
    let mut text = String::new();
    for endpoint in ["postmark", "other"] {
        writeln!(text, "[[webhook]]\nendpoint = \"{endpoint}\"\nprovider = \"postmark\"").unwrap();
        writeln!(text, "basic_auth = [\"mail:{password}\"]").unwrap();
    }
    fs::write(folder.join("mailtrail.toml"), text).unwrap();
}

fn refused(folder: &Path) -> Vec<serde_json::Value> {
    lines(&mailtrail(folder, &["webhook", "refused", "postmark", "--json"]))
}

/// What `retry-refused` accepted, what was new of it, and what it refused still.
fn retry(folder: &Path) -> (u64, u64, serde_json::Value) {
    let said = lines(&mailtrail(folder, &["webhook", "retry-refused", "postmark", "--json"]));
    let number = |name: &str| said[0][name].as_u64().unwrap();
    (number("accepted"), number("new_events"), said[0]["refused"].clone())
}

#[test]
fn what_a_wrong_key_refused_is_read_when_it_is_corrected_after_a_restart_too() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    configure(folder, "mistyped");
    let serve = Serve::start(folder);
    // "mail:trail", which is right, and "mail:false", which never will be.
    assert_eq!(serve.post("postmark", "bWFpbDp0cmFpbA==", BODY), 401);
    assert_eq!(serve.post("postmark", "bWFpbDpmYWxzZQ==", BODY), 401);
    assert_eq!(serve.post("other", "bWFpbDp0cmFpbA==", BODY), 401);
    let listed = refused(folder);
    assert_eq!(listed.len(), 2, "while serve has the store, and only of this endpoint");
    assert_eq!(listed[0]["cause"], "wrong_credentials");
    assert_eq!(listed[0]["peer"], "127.0.0.1");
    assert!(listed[0]["received_at"].as_str().unwrap().ends_with('Z'));
    assert_eq!(retry(folder), (0, 0, serde_json::json!({ "wrong_credentials": 2 })));
    drop(serve);

    let told = text(&mailtrail(folder, &["webhook", "refused"]));
    assert_eq!(told.lines().count(), 3, "{told}");
    assert!(told.contains("the credentials of the request are not among those configured"));
    configure(folder, "trail");
    let serve = Serve::start(folder);
    assert_eq!(retry(folder), (1, 1, serde_json::json!({ "wrong_credentials": 1 })));
    assert_eq!(retry(folder), (0, 0, serde_json::json!({ "wrong_credentials": 1 })));
    assert_eq!(refused(folder).len(), 1);
    drop(serve);

    let events = fs::read_to_string(export(folder)).unwrap();
    assert_eq!(events.matches("\"delivered\"").count(), 1, "{events}");
    let nobody = mailtrail(folder, &["webhook", "retry-refused", "nobody"]);
    assert_eq!(nobody.status.code(), Some(65));
}

fn export(folder: &Path) -> std::path::PathBuf {
    text(&mailtrail(folder, &["export", "all.jsonl"]));
    folder.join("all.jsonl")
}
