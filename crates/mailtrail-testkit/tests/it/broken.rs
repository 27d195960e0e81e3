//! Every fault is caught by the test that is named for it, and by no test that has nothing to do with it.

use std::collections::BTreeSet;
use std::sync::Arc;

use mailtrail_memory::MemoryStore;
use mailtrail_testkit::broken::{BrokenStore, Fault};
use mailtrail_testkit::conformance::{
    CASES, Case, it_answers_as_the_reference_store, what_is_acknowledged_survives,
};

/// The promises that a store with this fault breaks.
fn broken_promises(fault: Fault) -> &'static [&'static str] {
    match fault {
        Fault::LateCommit | Fault::PartOfBatchVisible => {
            &["every_history_is_linearizable", "readers_see_one_growing_log"]
        }
        Fault::LostConcurrentAppend => &[
            "every_history_is_linearizable",
            "readers_see_one_growing_log",
            "writers_lose_nothing",
        ],
        Fault::StaleExpectation => &["every_history_is_linearizable", "writers_lose_nothing"],
        Fault::ForgetsIds => &["a_known_batch_is_already_stored"],
        Fault::ErrorAsEnd => &[
            "a_filter_skips_and_the_checkpoint_moves_on",
            "every_history_is_linearizable",
            "pages_give_every_event_once",
            "readers_see_one_growing_log",
            "the_chain_verifies",
        ],
        Fault::OrderByTime => &[
            "every_history_is_linearizable",
            "pages_give_every_event_once",
            "readers_see_one_growing_log",
            "recorded_at_never_decreases",
            "the_chain_verifies",
        ],
        Fault::GapInVersions => &[
            "every_history_is_linearizable",
            "the_chain_verifies",
            "versions_count_without_gaps",
            "writers_lose_nothing",
        ],
        Fault::StaleStreamRead => &["every_history_is_linearizable"],
        Fault::LyingConflict => &["a_conflict_names_every_stream", "every_history_is_linearizable"],
        Fault::MissedWakeUp => &["changed_resolves_when_there_is_more"],
        // Seen only after a crash: the test below.
        Fault::AcknowledgedBeforeSync | _ => &[],
    }
}

fn breaks(case: &Case, fault: Fault) -> bool {
    case.run(Arc::new(BrokenStore::new(fault))).is_err()
}

/// What races shows in some of many runs.
fn breaks_in_some_run(case: &Case, fault: Fault) -> bool {
    (0..200).any(|_| breaks(case, fault))
}

#[test]
fn each_broken_store_fails_its_promises_and_keeps_the_others() {
    let mut wrong = Vec::new();
    for fault in Fault::ALL.into_iter().filter(|fault| *fault != Fault::DoesNothing) {
        let expected: BTreeSet<&str> = broken_promises(fault).iter().copied().collect();
        for case in CASES {
            let found = expected.contains(case.name);
            let breaks = if found { breaks_in_some_run } else { breaks };
            if breaks(case, fault) != found {
                wrong.push((fault, case.name, if found { "finds nothing" } else { "fails" }));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_store_that_does_nothing_fails_every_case() {
    let content = CASES.iter().filter(|case| !breaks(case, Fault::DoesNothing));
    let content: Vec<&str> = content.map(|case| case.name).collect();
    assert!(content.is_empty(), "content with a store that does nothing: {content:?}");
}

#[test]
#[should_panic(expected = "every store answers as the reference store")]
fn a_store_that_does_nothing_does_not_answer_as_the_reference() {
    it_answers_as_the_reference_store(|| BrokenStore::new(Fault::DoesNothing));
}

#[test]
fn what_was_acknowledged_too_early_is_missed_after_a_power_loss() {
    let survives = |fault: Fault| {
        what_is_acknowledged_survives(BrokenStore::new(fault), BrokenStore::after_power_loss)
    };
    assert!(survives(Fault::AcknowledgedBeforeSync).is_err());
    assert!(survives(Fault::DoesNothing).is_err());
    survives(Fault::MissedWakeUp).unwrap();
}

#[test]
fn the_reference_store_keeps_every_promise() {
    for case in CASES {
        if let Err(broken) = case.run(Arc::new(MemoryStore::new())) {
            panic!("{broken}");
        }
    }
    what_is_acknowledged_survives(MemoryStore::new(), |store| store).unwrap();
}

/// What a developer of a store reads when a promise is broken.
#[test]
fn a_broken_promise_says_the_rule_and_the_script() {
    let case = CASES.iter().find(|case| case.name == "versions_count_without_gaps").unwrap();
    let broken = case.run(Arc::new(BrokenStore::new(Fault::GapInVersions))).unwrap_err();
    let said = broken.to_string();
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines[0], "broken promise: versions_count_without_gaps");
    assert_eq!(lines[1], "rule: versions count from 0 without gaps");
    assert!(lines[2].starts_with("expected: "), "{said}");
    assert_eq!(
        lines[4],
        "   1 append s1(any):[e1] s2(any):[e2] s1(any):[e3] → New [e1=s1@0 p1 e2=s2@0 p2 e3=s1@1 p3]"
    );
    assert!(lines.last().unwrap().contains("read_stream s1 from 0, 1000 →"), "{said}");
    assert!(lines.len() < 32, "a script is short: {said}");
}
