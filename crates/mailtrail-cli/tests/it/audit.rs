//! An auditor's commands: export, verify, import, migrate, erase, tail.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use mailtrail_testkit::crash::skipped;
use serde_json::Value;

use super::{lines, mailtrail, text};

/// A folder with a store of one planned broadcast to three contacts.
pub(crate) fn planned() -> tempfile::TempDir {
    planned_in(tempfile::tempdir().unwrap())
}

/// The same in a folder that may have a store.
pub(crate) fn planned_in(folder: tempfile::TempDir) -> tempfile::TempDir {
    let contacts = "contact_id,name,address\nc1,Ann,ann@a.example\nc2,Bob,bob@a.example\nc3,Eve,eve@a.example\n";
    fs::write(folder.path().join("contacts.csv"), contacts).unwrap();
    let plan = ["plan", "b", "contacts.csv", "--kind", "general", "--subject", "Closed today"];
    text(&mailtrail(folder.path(), &plan));
    folder
}

fn email_log(folder: &Path, store: &str) -> Vec<Value> {
    lines(&mailtrail(folder, &["--store", store, "report", "email-log", "--json"]))
}

fn head(output: &Output) -> String {
    let said = text(output);
    said.lines().find_map(|line| line.strip_prefix("head: ")).unwrap().to_owned()
}

/// Runs the program of `docs/auditing.md` on an export, and on one that was altered.
pub(crate) fn verifies_without_mailtrail(export: &Path) {
    let book = include_str!("../../../../docs/auditing.md");
    let (_, program) = book.split_once("```python\n").unwrap();
    let (program, _) = program.split_once("```").unwrap();
    assert!(program.lines().count() <= 40, "{} lines", program.lines().count());
    let folder = export.parent().unwrap();
    fs::write(folder.join("verify.py"), program).unwrap();
    let run =
        |file: &Path| Command::new("python3").arg(folder.join("verify.py")).arg(file).output();
    let Ok(said) = run(export) else {
        return skipped(
            concat!(module_path!(), "::verifies_without_mailtrail"),
            "python3 is not there",
        );
    };
    assert!(text(&said).starts_with("intact, head "));
    let lines = fs::read_to_string(export).unwrap();
    assert!(lines.contains("\"signed\"") || lines.contains("\"token\""), "several provenances");
    let forged = folder.join("forged-for-python.jsonl");
    fs::write(&forged, lines.replacen("\"source\":\"smtp\"", "\"source\":\"cli\"", 1)).unwrap();
    assert!(!run(&forged).unwrap().status.success());
}

#[test]
fn an_export_proves_itself_and_shows_what_was_done_to_it() {
    let folder = planned();
    let folder = folder.path();
    let kept = head(&mailtrail(folder, &["verify"]));
    for name in ["log.jsonl", "log.jsonl.zst"] {
        text(&mailtrail(folder, &["export", name]));
        assert_eq!(head(&mailtrail(folder, &["verify", name, "--head", &kept])), kept);
    }
    text(&mailtrail(folder, &["export", "events.json", "--form", "cloudevents"]));
    assert_eq!(head(&mailtrail(folder, &["verify", "events.json"])), kept);
    let export = fs::read_to_string(folder.join("log.jsonl")).unwrap();
    let compressed = fs::read(folder.join("log.jsonl.zst")).unwrap();
    assert!(compressed.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) && compressed.len() < export.len());

    let forged = export.replacen("bob@a.example", "eve@a.example", 1);
    fs::write(folder.join("forged.jsonl"), forged).unwrap();
    let found = mailtrail(folder, &["verify", "forged.jsonl", "--json"]);
    assert_eq!(found.status.code(), Some(3));
    let found: Value = serde_json::from_slice(&found.stdout).unwrap();
    let at = export.lines().position(|line| line.contains("bob@a.example")).unwrap();
    assert!(found["what"].as_str().unwrap().contains(&format!("position {at} ")), "{found}");

    let cut: String = export.split_inclusive('\n').take(4).collect();
    fs::write(folder.join("cut.jsonl"), &cut).unwrap();
    assert_eq!(mailtrail(folder, &["verify", "cut.jsonl"]).status.code(), Some(4));
    // The same, by someone who knows that the header names the head.
    let header: Value = serde_json::from_str(cut.lines().next().unwrap()).unwrap();
    let last: Value = serde_json::from_str(cut.lines().last().unwrap()).unwrap();
    let mut shorter = header.clone();
    shorter["head"] = serde_json::json!({ "position": last["position"], "hash": last["hash"] });
    let lied: String = cut.split_inclusive('\n').skip(1).collect();
    let lied = format!("{shorter}\n{lied}");
    fs::write(folder.join("lied.jsonl"), lied).unwrap();
    text(&mailtrail(folder, &["verify", "lied.jsonl"]));
    let known = mailtrail(folder, &["verify", "lied.jsonl", "--head", &kept]);
    assert_eq!(known.status.code(), Some(4), "the head that was kept elsewhere tells");

    // As it was before the last two rows were planned.
    let early = ["report", "email-log", "--json", "--as-of", "3"];
    assert_eq!(lines(&mailtrail(folder, &early)).len(), 1);
    // A report names the log that is in it: the end of the whole, or where it was then.
    let footer = |more: &[&str]| -> Value {
        let report = ["report", "email-log", "--format", "csv"];
        let printed = mailtrail(folder, &[&report[..], more].concat());
        serde_json::from_slice(&printed.stderr).unwrap()
    };
    let last: Value = serde_json::from_str(export.lines().last().unwrap()).unwrap();
    let third: Value = serde_json::from_str(export.lines().nth(3).unwrap()).unwrap();
    for (footer, record) in [(footer(&[]), last), (footer(&["--as-of", "3"]), third)] {
        assert_eq!(
            (&footer["position"], &footer["chain_head"]),
            (&record["position"], &record["hash"])
        );
    }
    let never = ["report", "email-log", "--json", "--as-of", "2001-01-01T00:00:00Z"];
    assert!(lines(&mailtrail(folder, &never)).is_empty());

    // What was cut off goes on.
    fs::write(folder.join("cut.jsonl"), format!("{cut}{{\"half a li")).unwrap();
    text(&mailtrail(folder, &["export", "cut.jsonl", "--resume"]));
    assert_eq!(fs::read_to_string(folder.join("cut.jsonl")).unwrap(), export);
}

#[test]
fn a_filtered_export_keeps_the_hashes_of_what_it_leaves_out() {
    let folder = planned();
    let folder = folder.path();
    let kept = head(&mailtrail(folder, &["verify"]));
    text(&mailtrail(
        folder,
        &["export", "queued.jsonl", "--type", "queued", "--without-namespace"],
    ));
    let verified = mailtrail(folder, &["verify", "queued.jsonl", "--head", &kept, "--json"]);
    let verified = &lines(&verified)[0];
    assert_eq!((&verified["records"], &verified["finding"]), (&3.into(), &"intact".into()));
    assert!(verified["omitted"].as_u64().unwrap() > 0);
    let import = mailtrail(folder, &["--store", "sled:other", "import", "queued.jsonl"]);
    assert_eq!(import.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&import.stderr).contains("no namespace"));
}

#[test]
fn an_import_and_a_migration_give_the_same_store() {
    let folder = planned();
    let folder = folder.path();
    let (kept, log) = (head(&mailtrail(folder, &["verify"])), email_log(folder, "fjall:trail"));
    text(&mailtrail(folder, &["export", "log.jsonl.zst"]));
    text(&mailtrail(folder, &["--store", "sled:copy", "import", "log.jsonl.zst"]));
    assert_eq!(head(&mailtrail(folder, &["verify", "sled:copy", "--head", &kept])), kept);
    assert_eq!(email_log(folder, "sled:copy"), log);

    let migrate = ["migrate", "--from", "fjall:trail", "--to", "sled:moved"];
    for _ in 0..2 {
        assert_eq!(head(&mailtrail(folder, &migrate)), kept);
    }
    assert_eq!(email_log(folder, "sled:moved"), log);
    // To the other engine and back; a folder says itself which it is.
    let there = ["migrate", "--from", "fjall:trail", "--to", "fjall:fast"];
    assert_eq!(head(&mailtrail(folder, &there)), kept);
    assert_eq!(email_log(folder, "fast"), log);
    let back = ["migrate", "--from", "fast", "--to", "sled:back"];
    assert_eq!(head(&mailtrail(folder, &back)), kept);
    assert_eq!(email_log(folder, "sled:back"), log);
    text(&mailtrail(folder, &["--store", "fjall:copied", "import", "log.jsonl.zst"]));
    assert_eq!(head(&mailtrail(folder, &["verify", "copied", "--head", &kept])), kept);

    // Two stores of one namespace went on apart, and are merged: what both know is there once.
    let more = "contact_id,name,address\nc4,Kim,kim@a.example\n";
    fs::write(folder.join("more.csv"), more).unwrap();
    let plan = ["plan", "b", "more.csv", "--kind", "general", "--subject", "Closed today"];
    text(&mailtrail(folder, &[&["--store", "sled:copy"], &plan[..]].concat()));
    text(&mailtrail(folder, &["--store", "sled:copy", "export", "more.jsonl"]));
    let merge = ["import", "more.jsonl", "--json"];
    let report = &lines(&mailtrail(folder, &merge))[0];
    assert_eq!((&report["new"], &report["differs"]), (&2.into(), &serde_json::json!([])));
    assert_eq!(lines(&mailtrail(folder, &merge))[0]["new"], 0);
    assert_eq!(email_log(folder, "fjall:trail"), email_log(folder, "sled:copy"));
    text(&mailtrail(folder, &["verify"]));

    let stranger = planned();
    fs::copy(folder.join("log.jsonl.zst"), stranger.path().join("log.jsonl.zst")).unwrap();
    let refused = mailtrail(stranger.path(), &["import", "log.jsonl.zst"]);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("another namespace"));
}

#[test]
fn erasing_lists_first_and_tail_shows_what_is_stored() {
    let folder = planned();
    let folder = folder.path();
    let dry = &lines(&mailtrail(folder, &["erase", "c2", "--dry-run", "--json"]))[0];
    assert!(!dry["events"].as_array().unwrap().is_empty());
    let before = text(&mailtrail(folder, &["tail", "--after", "0", "--count", "7", "--json"]));
    assert!(before.contains("bob@a.example"));
    let done = &lines(&mailtrail(folder, &["erase", "c2", "--json"]))[0];
    assert_eq!(done["events"], dry["events"]);
    let after = text(&mailtrail(folder, &["tail", "--after", "0", "--count", "7", "--json"]));
    assert!(!after.contains("bob@a.example") && after.contains("ann@a.example"));
    text(&mailtrail(folder, &["verify"]));
    let rows = email_log(folder, "fjall:trail");
    assert_eq!(rows.len(), 3);
}

#[test]
fn a_store_whose_end_is_missing_says_so_before_anything_is_read() {
    let folder = planned();
    let folder = folder.path();
    // Its header alone.
    let segment = fs::File::options().write(true).open(folder.join(crate::damage::SEGMENT));
    segment.unwrap().set_len(128).unwrap();
    let verified = mailtrail(folder, &["verify"]);
    assert_eq!(verified.status.code(), Some(4));
    let said = String::from_utf8_lossy(&verified.stderr).into_owned();
    assert!(said.contains("the end of the store is missing: it went to position 7"), "{said}");
    // Nor is it taken for an empty store by anyone else.
    assert_eq!(mailtrail(folder, &["report", "summary"]).status.code(), Some(1));
}
