//! A report that is wrong fails, and what is left behind fails it again.

use futures_executor::block_on;
use mailtrail_core::EventStoreExt;
use mailtrail_core::event::{Envelope, EnvelopeLine};
use mailtrail_core::projection::{ApplyError, AsOf, Checkpoint, Projection, replay};
use mailtrail_core::store::Filter;
use mailtrail_testkit::proptest::prelude::*;
use mailtrail_testkit::proptest::test_runner::{TestError, TestRunner};
use mailtrail_testkit::strategy::{Shape, history};
use mailtrail_testkit::{Feeder, reproduction};

/// Counts what was delivered, and takes one back for each bounce: so it goes back.
struct GoesBack;

impl Projection for GoesBack {
    type State = i64;
    fn name(&self) -> &'static str {
        "goes_back"
    }
    fn revision(&self) -> u32 {
        1
    }
    fn filter(&self) -> Filter {
        Filter::all().event_type("delivered").event_type("bounced")
    }
    fn apply(&self, envelope: &Envelope, state: &mut i64) -> Result<(), ApplyError> {
        *state += if envelope.event.event_type.as_str() == "delivered" { 1 } else { -1 };
        Ok(())
    }
}

#[test]
fn the_shrunk_history_is_left_as_json_lines_and_fails_again() {
    let config = ProptestConfig { failure_persistence: None, ..Default::default() };
    let shape = Shape::adversarial().late(0.05).repeats(1..=5);
    let failed = TestRunner::new(config).run(&history(shape), |h| {
        Feeder::new(h).shuffled().into(GoesBack).assert_each_step(|before, after| after >= before)
    });
    let Err(TestError::Fail(why, least)) = failed else { panic!("it must fail: {failed:?}") };
    let file = reproduction::file();
    let why = why.to_string();
    assert!(why.contains(&format!("mailtrail ingest events {}", file.display())), "{why}");
    assert!(why.contains(&format!("seed {}", least.seed)), "{why}");

    let lines: Vec<_> =
        std::fs::read_to_string(&file).unwrap().lines().map(str::to_owned).collect();
    let read =
        |line: &String| serde_json::from_str::<EnvelopeLine>(line).unwrap().into_event().unwrap();
    let events: Vec<_> = lines.iter().map(read).collect();
    let brought: Vec<_> = Feeder::new(&least).shuffled().stored();
    let prefix: Vec<_> =
        brought.into_iter().map(|e| (e.stream, e.event)).take(events.len()).collect();
    assert_eq!(events, prefix, "the last run that fails is the least");
    let bounces = events.iter().filter(|(_, e)| e.event_type.as_str() == "bounced").count();
    assert_eq!(bounces, 1, "shrunk to what matters: {lines:#?}");

    let store = mailtrail_memory::MemoryStore::new();
    let mut states = vec![0];
    block_on(async {
        for event in events {
            store.record(vec![event]).await.unwrap();
            let (mut state, from) = (0, Checkpoint::default());
            replay(&store, &GoesBack, &mut state, from, &AsOf::Now).await.unwrap();
            states.push(state);
        }
    });
    assert!(states.windows(2).any(|step| step[1] < step[0]), "it goes back again: {states:?}");
}

#[test]
fn what_an_earlier_run_failed_with_is_gone_after_one_that_passes() {
    let file = reproduction::file();
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    let left = || std::fs::write(&file, "of an earlier run").unwrap();
    left();
    let config = ProptestConfig { cases: 4, failure_persistence: None, ..Default::default() };
    let run = |holds: bool| {
        TestRunner::new(config.clone()).run(&history(Shape::realistic()), |h| {
            Feeder::new(h).into(GoesBack).assert_end(|_| holds)
        })
    };
    run(true).unwrap();
    assert!(!file.exists());
    // What the same run has failed with stays, also if something else passes after it.
    run(false).unwrap_err();
    run(true).unwrap();
    assert!(file.exists());
}

proptest! {
    #[test]
    fn what_is_fed_is_what_a_store_holds(h in history(Shape::adversarial().repeats(1..=4).broadcasts(2))) {
        let feeder = Feeder::new(&h).shuffled();
        let stored = feeder.stored();
        let store = mailtrail_memory::MemoryStore::new();
        block_on(feeder.into_store(&store)).unwrap();
        let page = block_on(mailtrail_core::EventStore::read_all(
            &store, &Filter::all(), mailtrail_core::Position::default(), 10_000,
        )).unwrap();
        prop_assert_eq!(stored.len(), h.events.len());
        prop_assert_eq!(page.events.len(), stored.len());
        for (held, fed) in page.events.iter().zip(&stored) {
            prop_assert_eq!((held.version, held.stream, &held.event), (fed.version, fed.stream, &fed.event));
        }
    }
}
