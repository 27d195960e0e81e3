//! A folder that the first release wrote (commit 903c360: its demo, with a key that signs nothing else): it is read, and
//! moves to a new store, as what it was. Written once: the store is read-only, of the report nothing but the words for
//! people may change.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use super::{lines, mailtrail, text};

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/format/1")
}

/// A copy of the folder, as it was when the program ended.
fn first_release() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let (from, to) = (golden(), folder.path());
    fs::create_dir_all(to.join("trail/log/blobs")).unwrap();
    fs::create_dir(to.join("trail/raw")).unwrap();
    for file in ["keys.toml", "trail/head", "trail/log/conf"] {
        fs::copy(from.join(file), to.join(file)).unwrap();
    }
    for entry in fs::read_dir(from.join("trail/raw")).unwrap().map(Result::unwrap) {
        fs::copy(entry.path(), to.join("trail/raw").join(entry.file_name())).unwrap();
    }
    let database = File::open(from.join("trail/log/db.zst")).unwrap();
    zstd::stream::copy_decode(database, File::create(to.join("trail/log/db")).unwrap()).unwrap();
    folder
}

/// At a position, as what is said of now changes with it.
fn email_log(folder: &Path, store: &str) -> String {
    let report = ["report", "email-log", "--format", "csv", "--csv-raw", "--as-of", "61"];
    text(&mailtrail(folder, &[&["--store", store], &report[..]].concat()))
}

/// A provider that had no answer sends the same again.
fn send_again(folder: &Path, store: &str) {
    let mut requests = 0;
    for entry in fs::read_dir(folder.join("trail/raw")).unwrap().map(Result::unwrap) {
        if fs::read(entry.path()).unwrap().starts_with(b"{") {
            let body = entry.path();
            let ingest =
                ["--store", store, "ingest", "webhook", "postmark", body.to_str().unwrap()];
            let counts = &lines(&mailtrail(folder, &[&ingest[..], &["--json"]].concat()))[0];
            assert_eq!((&counts["new_events"], &counts["known_events"]), (&0.into(), &1.into()));
            requests += 1;
        }
    }
    assert!(requests > 0);
}

#[test]
fn a_folder_of_the_first_release_migrates_to_byte_identical_reports_and_knows_what_it_knew() {
    let folder = first_release();
    let folder = folder.path();
    let log = fs::read_to_string(golden().join("email-log.csv")).unwrap();
    let migrate = ["migrate", "--from", "sled:trail", "--to", "sled:moved", "--json"];
    let moved = &lines(&mailtrail(folder, &migrate))[0];
    let head = "0f4c09540af2a826e9f5eea454871caed6b5f181742354160af3159d4a884010@61";
    assert_eq!(moved["head"], head, "as the first release named it");
    // It ends as `rebuild --check` does, which finds what it left.
    let checked =
        lines(&mailtrail(folder, &["--store", "sled:moved", "rebuild", "--check", "--json"]));
    assert_eq!(checked.len(), 3);
    for (at, state) in checked.iter().enumerate() {
        for field in ["projection", "digest"] {
            assert_eq!(moved["checked"][at][field], state[field]);
        }
    }
    for store in ["sled:trail", "sled:moved"] {
        assert_eq!(email_log(folder, store), log, "{store}");
        text(&mailtrail(folder, &["verify", store, "--head", head]));
        send_again(folder, store);
        assert_eq!(email_log(folder, store), log, "{store}, after what was sent again");
    }
}
