//! Built anew where what is kept is of no use: damaged, half built, of another log, of an older revision.

use std::num::NonZero;
use std::sync::Arc;

use mailtrail::core::projection::{
    AsOf, Checkpoint, Entry, Projection, ReplayError, StateId, StateStore,
};
use mailtrail::core::{EventStore, Position};
use mailtrail::memory::{MemoryStates, MemoryStore};
use mailtrail::projection::{RunError, Runner, build};
use mailtrail::report::{EmailLog, EmailLogState, Query};
use mailtrail_testkit::Feeder;
use mailtrail_testkit::strategy::{Shape, history};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;

use crate::counting::{APPLIES, Counting, counts, record};

async fn filled(deliveries: usize) -> Arc<MemoryStore> {
    let shape = Shape::adversarial().deliveries(deliveries..=deliveries);
    let week = history(shape).new_tree(&mut TestRunner::deterministic()).unwrap().current();
    let store = Arc::new(MemoryStore::new());
    Feeder::new(&week).shuffled_by(3).batched(200..=900).into_store(&*store).await.unwrap();
    store
}

#[tokio::test]
async fn any_number_of_threads_builds_the_same_state() {
    let store = filled(6_000).await;
    let head = store.head().await.unwrap().position;
    assert!(head.get() > 3 * 8_192, "several chunks: {head}");
    let built = |threads| {
        let threads = NonZero::new(threads).unwrap();
        let heard = std::sync::atomic::AtomicU64::new(0);
        let progress = |at: Position| heard.store(at.get(), std::sync::atomic::Ordering::Relaxed);
        let (state, to) = build(&*store, &EmailLog, AsOf::Now, threads, &progress).unwrap();
        assert_eq!((to, heard.into_inner()), (head, head.get()));
        state
    };
    let mut in_order = EmailLogState::default();
    let from = Checkpoint::default();
    mailtrail::core::projection::replay(&*store, &EmailLog, &mut in_order, from, &AsOf::Now)
        .await
        .unwrap();
    for threads in [1, 2, 3, 5] {
        assert!(built(threads) == in_order, "{threads} threads");
    }
}

#[tokio::test]
async fn an_event_that_fails_in_one_thread_stops_all() {
    struct Fails;
    impl Projection for Fails {
        type State = EmailLogState;
        fn name(&self) -> &'static str {
            "fails"
        }
        fn revision(&self) -> u32 {
            1
        }
        fn filter(&self) -> mailtrail::core::store::Filter {
            EmailLog.filter()
        }
        fn apply(
            &self,
            envelope: &mailtrail::core::Envelope,
            state: &mut EmailLogState,
        ) -> Result<(), mailtrail::core::projection::ApplyError> {
            assert!(envelope.position != Position::new(9_000), "the nine thousandth");
            EmailLog.apply(envelope, state)
        }
    }
    let store = filled(6_000).await;
    let threads = NonZero::new(3).unwrap();
    let failed = build(&*store, &Fails, AsOf::Now, threads, &|_| ()).unwrap_err();
    assert!(matches!(failed, ReplayError::Apply { position, .. } if position.get() == 9_000));
    // Run, it pauses there, with all before it.
    let runner = Runner::parted(store.clone(), Arc::new(MemoryStates::default()), Fails);
    let pause = runner.catch_up(&mut |_| ()).await.unwrap().paused.unwrap();
    assert_eq!(pause.position, Position::new(9_000));
    assert!(!runner.state().unwrap().unwrap().rows(&Query::default()).unwrap().is_empty());
}

#[tokio::test]
async fn what_is_kept_of_another_log_is_not_gone_on_with() {
    let states: Arc<dyn StateStore> = Arc::new(MemoryStates::default());
    let counting = Counting::new(APPLIES);
    for (events, custom) in [(0..30, 4), (0..50, 9), (0..20, 7)] {
        let store = Arc::new(MemoryStore::new());
        let count = u64::from(events.end);
        record(&*store, events, &[custom]).await;
        let runner = Runner::new(store, states.clone(), counting.clone());
        runner.catch_up(&mut |_| ()).await.unwrap();
        assert_eq!(runner.state().unwrap().unwrap(), counts(count - 1, 1));
    }
}

#[tokio::test]
async fn a_damaged_state_is_no_error_of_a_report() {
    let states: Arc<dyn StateStore> = Arc::new(MemoryStates::default());
    let (store, counting) = (Arc::new(MemoryStore::new()), Counting::new(APPLIES));
    record(&*store, 0..30, &[]).await;
    let runner = Runner::new(store.clone(), states.clone(), counting);
    let kept = runner.catch_up(&mut |_| ()).await.unwrap();
    let spoilt = Entry { key: "whole".into(), value: "{ no state".into() };
    states.save(&runner.id(), Some(&kept), vec![spoilt], &kept).unwrap();
    record(&*store, 30..40, &[]).await;
    runner.catch_up(&mut |_| ()).await.unwrap();
    assert_eq!(runner.state().unwrap().unwrap(), counts(40, 0));
}

#[tokio::test]
async fn a_raised_revision_is_built_beside_the_old_one_which_is_read_meanwhile() {
    let states: Arc<dyn StateStore> = Arc::new(MemoryStates::default());
    let (store, old) = (Arc::new(MemoryStore::new()), Counting::new(APPLIES));
    record(&*store, 0..30, &[]).await;
    let first = Runner::new(store.clone(), states.clone(), old.clone());
    first.catch_up(&mut |_| ()).await.unwrap();
    record(&*store, 30..40, &[]).await;

    let new = Counting { revision: 2, ..old };
    let second = Runner::new(store.clone(), states.clone(), new).meanwhile(1);
    assert_eq!(second.state().unwrap().unwrap(), counts(30, 0), "what there is");
    // Half built: another one is at it.
    let mut building = Checkpoint::default();
    building.building = Some(1);
    states.save(&second.id(), None, Vec::new(), &building).unwrap();
    assert!(matches!(second.catch_up(&mut |_| ()).await, Err(RunError::BeingBuilt)));
    assert_eq!(second.state().unwrap().unwrap(), counts(30, 0), "still");
    states.discard(&second.id()).unwrap();
    second.catch_up(&mut |_| ()).await.unwrap();
    assert_eq!(second.state().unwrap().unwrap(), counts(40, 0), "switched");
    let kept: Vec<StateId> = states.states().unwrap().into_iter().map(|(id, _)| id).collect();
    assert_eq!(kept, [second.id()], "the old one is gone");
}
