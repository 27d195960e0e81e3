//! Keys are rotated: none is lost, and none is shown.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Output;

use super::{lines, mailtrail, text};

fn keys(folder: &Path, arguments: &[&str]) -> Output {
    mailtrail(folder, &[&["keys"], arguments].concat())
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_key_is_added_and_the_old_one_retired() {
    let folder = tempfile::tempdir().unwrap();
    let (folder, file) = (folder.path(), folder.path().join("keys.toml"));
    assert_eq!(text(&keys(folder, &["add"])), "  1  signs\n");
    let first = fs::read_to_string(&file).unwrap();
    assert_eq!(text(&keys(folder, &["add"])), "  2  signs\n");
    assert_eq!(text(&keys(folder, &["list"])), "  2  signs\n  1  verifies\n");
    assert_eq!(text(&keys(folder, &["retire", "1"])), "  1  retired\n");
    assert_eq!(text(&keys(folder, &["retire", "1"])), "  1  retired\n", "again is nothing new");
    let listed = lines(&keys(folder, &["list", "--json"]));
    assert_eq!(
        listed,
        [
            serde_json::json!({ "id": 2, "state": "signs" }),
            serde_json::json!({ "id": 1, "state": "retired" }),
        ]
    );

    let now = fs::read_to_string(&file).unwrap();
    let secret = first.lines().find(|line| line.starts_with("secret")).unwrap();
    assert!(now.contains(secret), "the first key is lost");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::read_dir(folder).unwrap().count(), 1, "something is left behind");
}

#[test]
fn what_must_not_be_is_refused_and_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (folder, file) = (folder.path(), folder.path().join("keys.toml"));
    let none = keys(folder, &["list"]);
    assert_eq!(none.status.code(), Some(66));
    assert!(!file.exists(), "a look makes no file");

    text(&keys(folder, &["add"]));
    let before = fs::read_to_string(&file).unwrap();
    let last = keys(folder, &["retire", "1"]);
    assert_eq!(last.status.code(), Some(65));
    assert!(said(&last).contains("key 1 is the last that signs: add another first"));
    let unknown = keys(folder, &["retire", "9"]);
    assert_eq!(unknown.status.code(), Some(65));
    assert!(said(&unknown).contains("no key has the id 9"));
    assert_eq!(fs::read_to_string(&file).unwrap(), before);
}

#[test]
fn many_at_once_lose_no_key() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| text(&keys(folder, &["add"])));
        }
    });
    assert_eq!(text(&keys(folder, &["list"])).lines().count(), 8);
}
