//! Users' own rules: which decide before ours, and what is said of those that are wrong.

use std::fs;
use std::path::Path;

use mailtrail::core::token::Purpose;
use serde_json::Value;

use super::{lines, mailtrail, text};

const OWN: &str = r#"
version = "7"

[[rule]]
name = "campus-quota"
text = ["mailbox full"]
reason = "system_full"
source = "our campus: the disk, not the mailbox"
"#;

/// A reply as it stands in a delivery report.
fn report(folder: &Path, recipient: &str, diagnostic: &str) {
    let mail = format!(
        "From: MAILER-DAEMON@mx.example\nTo: b@bounces.example\nSubject: Undelivered\n\
         Message-ID: <report-{recipient}>\nDate: Tue, 3 Nov 2026 08:00:00 +0000\n\
         Content-Type: multipart/report; report-type=delivery-status; boundary=x\n\n\
         --x\nContent-Type: text/plain\n\nIt could not be delivered.\n\n\
         --x\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx.example\n\n\
         Final-Recipient: rfc822; {recipient}\nAction: failed\nStatus: 5.0.0\n\
         Diagnostic-Code: smtp; {diagnostic}\n\n--x--\n"
    );
    fs::write(folder.join("bounce.eml"), mail).unwrap();
}

fn parsed(folder: &Path, options: &[&str]) -> Value {
    lines(&mailtrail(folder, &[options, &["parse", "mail", "bounce.eml"]].concat())).remove(0)
}

#[test]
fn own_rules_decide_before_ours_wherever_something_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    report(folder, "ann@a.example", "550 mailbox full");
    assert_eq!(parsed(folder, &[])["rule"], "text/full");
    fs::write(folder.join("own.toml"), OWN).unwrap();
    let by_option = parsed(folder, &["--rules", "own.toml"]);
    fs::write(folder.join("mailtrail.toml"), "rules = \"own.toml\"\n").unwrap();
    let by_configuration = parsed(folder, &[]);
    assert_eq!(by_option, by_configuration);
    assert_eq!(by_configuration["reason"], "system_full");
    assert_eq!(by_configuration["rule"], "own/campus-quota");
    assert_eq!(by_configuration["rules_version"], "7+1");

    text(&mailtrail(folder, &["ingest", "mail", "bounce.eml"]));
    text(&mailtrail(folder, &["export", "log.jsonl"]));
    let stored = fs::read_to_string(folder.join("log.jsonl")).unwrap();
    assert!(stored.contains("own/campus-quota"), "{stored}");
}

#[test]
fn a_broken_rules_file_says_which_rule_is_wrong_and_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    report(folder, "ann@a.example", "550 mailbox full");
    let cases = [
        (
            OWN.replace("system_full", "disk_full"),
            "rule campus-quota names a reason that does not exist: docs/statuses.md lists them",
        ),
        (
            OWN.replace("mailbox full", "Mailbox Full"),
            "rule campus-quota has a fragment or host that is not in lower case",
        ),
        (OWN.replace("text = [\"mailbox full\"]", ""), "give it text, code or host"),
        (OWN.replace("text =", "txt ="), "unknown field `txt`"),
    ];
    for (rules, said) in cases {
        fs::write(folder.join("own.toml"), rules).unwrap();
        let output = mailtrail(folder, &["--rules", "own.toml", "parse", "mail", "bounce.eml"]);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(65), "{error}");
        assert!(error.contains("own.toml: ") && error.contains(said), "{error}");
    }
    let output = mailtrail(folder, &["--rules", "none.toml", "parse", "mail", "bounce.eml"]);
    assert_eq!(output.status.code(), Some(66));
}

#[test]
fn tests_of_a_rules_file_are_tried_and_rules_that_never_decide_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let met = format!("{OWN}\n[[test]]\ntext = \"552 Mailbox full\"\nreason = \"system_full\"\n");
    fs::write(folder.join("own.toml"), &met).unwrap();
    let said = text(&mailtrail(folder, &["rules", "test", "own.toml"]));
    assert_eq!(said, "1 rules; 1 of 1 tests as expected\n");

    let second = "[[rule]]\nname = \"late\"\ntext = [\"our mailbox full\"]\nreason = \"expired\"\n\
                  source = \"s\"\n[[test]]\ntext = \"550 our mailbox full\"\nreason = \"expired\"\n\
                  rule = \"late\"\n";
    fs::write(folder.join("own.toml"), met + second).unwrap();
    let output = mailtrail(folder, &["rules", "test", "own.toml"]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stdout).unwrap();
    let failure = "“550 our mailbox full”: expected expired by rule late, got system_full by rule own/campus-quota";
    assert!(said.contains(failure), "{said}");
    assert!(said.contains("rule late can never decide: campus-quota always does"), "{said}");
    let output = mailtrail(folder, &["--json", "rules", "test", "own.toml"]);
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(said["failures"][0]["got"]["rule"], "own/campus-quota");
    assert_eq!(said["shadowed"][0]["rule"], "late");

    fs::write(folder.join("own.toml"), "version = 7").unwrap();
    let output = mailtrail(folder, &["rules", "test", "own.toml"]);
    assert_eq!(output.status.code(), Some(65));
}

#[test]
fn a_text_is_explained_by_the_rule_that_decides_and_by_those_behind_it() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("own.toml"), OWN).unwrap();
    let explain = ["rules", "explain", "550 5.1.1 mailbox full"];
    let ours = text(&mailtrail(folder, &explain));
    assert!(ours.starts_with("mailbox_full: The mailbox is full."), "{ours}");
    assert!(ours.contains("by rule text/full") && ours.contains("known from: "), "{ours}");
    assert!(ours.ends_with("otherwise by rule enhanced_code: user_unknown\n"), "{ours}");
    let own = [&["--rules", "own.toml", "--json"], &explain[..]].concat();
    let own = lines(&mailtrail(folder, &own)).remove(0);
    let rules: Vec<_> = own["grounds"].as_array().unwrap().iter().map(|g| &g["rule"]).collect();
    assert_eq!(rules, ["own/campus-quota", "text/full", "enhanced_code"]);
    let hotmail = ["rules", "explain", "550 Requested action not taken: mailbox unavailable"];
    let at = |host| text(&mailtrail(folder, &[&hotmail[..], &["--host", host]].concat()));
    assert!(at("mx1.hotmail.com").contains("text/microsoft-unavailable"));
    assert!(!at("mx1.a.example").contains("text/microsoft-unavailable"));
}

#[test]
fn old_facts_are_read_again_by_newer_rules_when_told() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("contacts.csv"), "contact_id,address\nc1,ann@a.example\n").unwrap();
    text(&mailtrail(folder, &["plan", "b", "contacts.csv", "--kind", "general"]));
    text(&mailtrail(folder, &["export", "log.jsonl"]));
    let log = fs::read_to_string(folder.join("log.jsonl")).unwrap();
    let delivery = log.split("delivery/").nth(1).and_then(|rest| rest.get(..36)).unwrap();
    let keys = mailtrail::keys_file(folder.join("keys.toml")).unwrap();
    let token = keys.sign(Purpose::ReturnPath, delivery.parse().unwrap());
    let to = format!("b+{token}@bounces.example");
    fs::write(folder.join("mailtrail.toml"), "return_path_domain = \"bounces.example\"\n").unwrap();
    report(folder, "ann@a.example", "550 house rule 12");
    text(&mailtrail(folder, &["ingest", "mail", "bounce.eml", "--recipient", &to]));
    let none = text(&mailtrail(folder, &["reclassify"]));
    assert_eq!(none, "no row changes\n");

    let rules = OWN.replace("mailbox full", "house rule 12").replace("system_full", "user_unknown");
    fs::write(folder.join("own.toml"), rules).unwrap();
    let reclassify = |options: &[&str]| {
        mailtrail(folder, &[&["--rules", "own.toml", "reclassify"], options].concat())
    };
    let dry = reclassify(&[]);
    let said = text(&dry);
    let row = "c1 b ann@a.example: bounced unknown → user_unknown (none → own/campus-quota); Bounced → Failed";
    assert_eq!(said, format!("{row}\n1 row moves from Bounced to Failed\n"));
    assert!(String::from_utf8_lossy(&dry.stderr).contains("--yes"));
    assert_eq!(text(&reclassify(&["--dry-run"])), said, "a dry run changes nothing");
    assert_eq!(lines(&reclassify(&["--json"]))[1]["applied"], 0);
    assert_eq!(text(&reclassify(&["--yes"])), said);
    assert_eq!(text(&reclassify(&["--yes"])), "no row changes\n");

    let trail = text(&mailtrail(folder, &["explain", "ann@a.example"]));
    assert!(trail.starts_with("Failed"), "{trail}");
    assert!(trail.contains("read as unknown by rule none, rules 1\n"), "{trail}");
    assert!(
        trail.contains("read as user_unknown by rule own/campus-quota, rules 7+1\n"),
        "{trail}"
    );
    let both = reclassify(&["--yes", "--dry-run"]);
    assert_eq!(both.status.code(), Some(2));
}

/// The fenced blocks of the chapter that are in this language.
fn blocks(language: &str) -> Vec<&'static str> {
    let chapter = include_str!("../../../../docs/rules.md");
    let parts = chapter.split("```").skip(1).step_by(2);
    parts.filter_map(|block| block.strip_prefix(language)?.strip_prefix('\n')).collect()
}

#[test]
fn the_chapter_on_rules_shows_what_the_program_does() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("own.toml"), blocks("toml")[0]).unwrap();
    let tried = text(&mailtrail(folder, &["rules", "test", "own.toml"]));
    assert_eq!(tried, "1 rules; 1 of 1 tests as expected\n");
    let explain = ["rules", "explain", "550 5.1.1 too many messages per hour"];
    assert_eq!(text(&mailtrail(folder, &explain)), blocks("text")[0]);
}
