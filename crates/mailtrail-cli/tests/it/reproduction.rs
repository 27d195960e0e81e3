//! What a failed test of the kit leaves behind, in the program that its message names.

use mailtrail_testkit::proptest::prelude::*;
use mailtrail_testkit::proptest::test_runner::{TestError, TestRunner};
use mailtrail_testkit::strategy::{Shape, history};
use mailtrail_testkit::{Feeder, reproduction};

use super::{lines, mailtrail, text};

#[test]
fn a_failure_that_the_kit_kept_is_replayed_by_ingest_events() {
    let config = ProptestConfig { failure_persistence: None, ..Default::default() };
    let shape = Shape::adversarial().repeats(1..=3).broadcasts(2);
    let bounced = |kind: &str| kind == "bounced";
    let failed = TestRunner::new(config).run(&history(shape), |h| {
        let bounces = |count: &mut u32, kind: &str| *count += u32::from(bounced(kind));
        Feeder::new(h)
            .shuffled()
            .into_fold(0, |count, envelope| bounces(count, envelope.event.event_type.as_str()))
            .assert_end(|count| *count == 0)
    });
    let Err(TestError::Fail(why, _)) = failed else { panic!("it must fail: {failed:?}") };
    let why = why.to_string();
    let file = reproduction::file();
    let kept = std::fs::read_to_string(&file).unwrap();
    let kept: Vec<serde_json::Value> =
        kept.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(!kept.is_empty());

    // As the message says it, word for word.
    let (_, command) = why.split_once("to see it again: mailtrail ").unwrap();
    let command = command.lines().next().unwrap();
    let command: Vec<&str> = command.splitn(3, ' ').collect();
    assert_eq!(command, ["ingest", "events", file.to_str().unwrap()]);
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let replayed = &lines(&mailtrail(folder, &[&command[..], &["--json"]].concat()))[0];
    assert_eq!(replayed["inputs"], kept.len());
    assert_eq!((&replayed["refused"], &replayed["unreadable"]), (&0.into(), &0.into()));

    // The same events in the same order, each once.
    let mut distinct = kept.clone();
    let mut seen = std::collections::HashSet::new();
    distinct.retain(|event| seen.insert(event["event_id"].to_string()));
    assert_eq!(replayed["new_events"], distinct.len());
    let count = distinct.len().to_string();
    let stored = lines(&mailtrail(folder, &["tail", "--after", "0", "--count", &count, "--json"]));
    for (stored, kept) in stored.iter().zip(&distinct) {
        for field in ["event_id", "stream", "type", "data", "occurred_at"] {
            assert_eq!(stored[field], kept[field], "{field} of {stored}");
        }
    }
    assert!(stored.iter().any(|event| event["type"] == "bounced"), "what failed is in it");
    text(&mailtrail(folder, &["verify"]));
    text(&mailtrail(folder, &["report", "email-log"]));
}
