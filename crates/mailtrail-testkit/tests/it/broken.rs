//! Every fault is caught by the test that is named for it, and by no test that has nothing to do with it.

use std::collections::BTreeSet;
use std::sync::Arc;

use mailtrail_memory::MemoryStore;
use mailtrail_testkit::EventStore;
use mailtrail_testkit::broken::{BrokenStore, Fault};
use mailtrail_testkit::conformance::{CASES, Case, what_is_acknowledged_survives};

/// The promises that a store with this fault breaks.
fn broken_promises(fault: Fault) -> &'static [&'static str] {
    match fault {
        Fault::LateCommit | Fault::PartOfBatchVisible => &["readers_see_one_growing_log"],
        Fault::LostConcurrentAppend => &["readers_see_one_growing_log", "writers_lose_nothing"],
        Fault::StaleExpectation => &["writers_lose_nothing"],
        Fault::ForgetsIds => &["a_known_batch_is_already_stored"],
        Fault::ErrorAsEnd => &[
            "a_filter_skips_and_the_checkpoint_moves_on",
            "pages_give_every_event_once",
            "readers_see_one_growing_log",
            "the_chain_verifies",
        ],
        Fault::OrderByTime => &[
            "pages_give_every_event_once",
            "readers_see_one_growing_log",
            "recorded_at_never_decreases",
            "the_chain_verifies",
        ],
        Fault::GapInVersions => {
            &["the_chain_verifies", "versions_count_without_gaps", "writers_lose_nothing"]
        }
        Fault::MissedWakeUp => &["changed_resolves_when_there_is_more"],
        // Seen only after a crash: the test below.
        Fault::AcknowledgedBeforeSync | _ => &[],
    }
}

fn breaks(case: Case, fault: Fault) -> bool {
    let store: Arc<dyn EventStore> = Arc::new(BrokenStore::new(fault));
    case(&store).is_err()
}

/// What races shows in some of many runs.
fn breaks_in_some_run(case: Case, fault: Fault) -> bool {
    (0..200).any(|_| breaks(case, fault))
}

#[test]
fn each_broken_store_fails_its_promises_and_keeps_the_others() {
    let mut wrong = Vec::new();
    for fault in Fault::ALL.into_iter().filter(|fault| *fault != Fault::DoesNothing) {
        let expected: BTreeSet<&str> = broken_promises(fault).iter().copied().collect();
        for (name, case) in CASES {
            let found = expected.contains(name);
            let breaks = if found { breaks_in_some_run } else { breaks };
            if breaks(*case, fault) != found {
                wrong.push((fault, name, if found { "finds nothing" } else { "fails" }));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_store_that_does_nothing_fails_every_case() {
    let content = CASES.iter().filter(|(_, case)| !breaks(*case, Fault::DoesNothing));
    let content: Vec<&str> = content.map(|(name, _)| *name).collect();
    assert!(content.is_empty(), "content with a store that does nothing: {content:?}");
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
    for (name, case) in CASES {
        let store: Arc<dyn EventStore> = Arc::new(MemoryStore::new());
        assert!(case(&store).is_ok(), "{name}");
    }
    what_is_acknowledged_survives(MemoryStore::new(), |store| store).unwrap();
}
