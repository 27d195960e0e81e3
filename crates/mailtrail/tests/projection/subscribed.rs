//! Subscriptions: every event once, in order, also where old ones pass into new ones.

use std::sync::Arc;
use std::thread;

use futures_util::{FutureExt, StreamExt};
use mailtrail::core::projection::CheckpointStore;
use mailtrail::core::store::Filter;
use mailtrail::core::{EventStore, Position};
use mailtrail::memory::{MemoryCheckpoints, MemoryStore};
use mailtrail::projection::Subscription;
use mailtrail::sled::{SledCheckpoints, SledStore};
use mailtrail_testkit::Feeder;
use mailtrail_testkit::strategy::{Shape, history};
use proptest::prelude::*;

use crate::counting::record;

fn open(
    store: &Arc<dyn EventStore>,
    checkpoints: &Arc<dyn CheckpointStore>,
    filter: Filter,
) -> Subscription {
    Subscription::open(store.clone(), checkpoints.clone(), "crm", filter).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// A writer races; the subscriber is opened again now and then, and acknowledges as it likes.
    #[test]
    fn old_events_pass_into_new_ones_without_a_gap_or_a_repeat(
        h in history(Shape::adversarial()), before in 0_usize..20, restarts: u64, of_type: bool,
    ) {
        let store: Arc<dyn EventStore> = Arc::new(MemoryStore::new());
        let checkpoints: Arc<dyn CheckpointStore> = Arc::new(MemoryCheckpoints::default());
        let filter = || if of_type { Filter::all().event_type("delivered") } else { Filter::all() };
        let fed = Feeder::new(&h).shuffled_by(restarts).batched(1..=5);
        let writer = {
            let store = store.clone();
            thread::spawn(move || futures_executor::block_on(fed.into_store(&*store)).unwrap())
        };
        let mut subscription = open(&store, &checkpoints, filter());
        let mut seen = Vec::new();
        let mut acknowledged = Position::START;
        while !writer.is_finished() || seen.len() < before {
            let Some(next) = subscription.next().now_or_never() else {
                if writer.is_finished() { break }
                thread::yield_now();
                continue;
            };
            let event = next.unwrap();
            seen.push(event.position);
            if (restarts >> (seen.len() % 60)) & 1 == 1 {
                subscription.acknowledge(event.position).unwrap();
                acknowledged = event.position;
            }
            if (restarts >> (seen.len() % 57)) & 7 == 7 {
                subscription = open(&store, &checkpoints, filter());
                prop_assert_eq!(subscription.acknowledged(), acknowledged);
                // What was not acknowledged comes again, and nothing else.
                seen.retain(|position| *position <= acknowledged);
            }
        }
        writer.join().unwrap();
        while let Some(next) = subscription.next().now_or_never() {
            seen.push(next.unwrap().position);
        }
        let all = futures_executor::block_on(store.read_all(&filter(), Position::START, 100_000)).unwrap();
        let all: Vec<Position> = all.events.iter().map(|event| event.position).collect();
        prop_assert_eq!(seen, all);
    }
}

#[tokio::test]
async fn a_subscriber_that_never_reads_holds_nobody_up() {
    let store: Arc<dyn EventStore> = Arc::new(SledStore::temporary().unwrap());
    let checkpoints: Arc<dyn CheckpointStore> = Arc::new(MemoryCheckpoints::default());
    let mut idle = open(&store, &checkpoints, Filter::all());
    let mut begun = Subscription::open(store.clone(), checkpoints, "begun", Filter::all()).unwrap();
    record(&*store, 0..1, &[]).await;
    begun.next().await.unwrap();
    for batch in 0..40 {
        record(&*store, batch * 500 + 1..batch * 500 + 501, &[]).await;
    }
    // Both find everything that they left, page by page.
    let mut read = 0_u64;
    while let Some(next) = idle.next().now_or_never() {
        read += 1;
        assert_eq!(next.unwrap().position, Position::new(read));
    }
    assert_eq!(read, 20_001);
    assert_eq!(begun.next().await.unwrap().position, Position::new(2));
}

#[tokio::test]
async fn a_place_survives_the_process_and_a_stream_goes_on_there() {
    let (store, folder) = (Arc::new(MemoryStore::new()), tempfile::tempdir().unwrap());
    let store: Arc<dyn EventStore> = store;
    record(&*store, 0..30, &[]).await;
    let checkpoints =
        || -> Arc<dyn CheckpointStore> { Arc::new(SledCheckpoints::open(folder.path()).unwrap()) };
    let mut first = open(&store, &checkpoints(), Filter::all());
    for _ in 0..10 {
        let event = first.next().await.unwrap();
        first.acknowledge(event.position).unwrap();
    }
    // Read, but not acknowledged: it comes again.
    first.next().await.unwrap();
    drop(first);
    let stream = open(&store, &checkpoints(), Filter::all()).into_stream();
    let rest: Vec<u64> = stream.take(20).map(|event| event.unwrap().position.get()).collect().await;
    assert_eq!(rest, (11..=30).collect::<Vec<_>>());
}
