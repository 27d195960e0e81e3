//! Several runners of one projection, while others write: every event is counted once.

use std::sync::Arc;

use mailtrail::Tracker;
use mailtrail::core::event::{Delivered, Source};
use mailtrail::core::plan::{Broadcast, Contact, ContactAddress};
use mailtrail::core::projection::{AsOf, StateStore};
use mailtrail::core::{
    DeliveryId, EventId, EventStore, EventStoreExt, Fact, NewEvent, Position, Private, StreamId,
};
use mailtrail::memory::{MemoryStates, MemoryStore};
use mailtrail::projection::Runner;
use mailtrail::report::{EmailLog, Query};
use mailtrail::sled::SledStates;

use crate::counting::{APPLIES, Counting, counts, record};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn runners_of_one_projection_never_count_an_event_twice() {
    let folder = tempfile::tempdir().unwrap();
    let on_disk = SledStates::open(folder.path().join("projections")).unwrap();
    let stores: [Arc<dyn StateStore>; 2] = [Arc::new(MemoryStates::default()), Arc::new(on_disk)];
    for states in stores {
        let (store, counting) = (Arc::new(MemoryStore::new()), Counting::new(APPLIES));
        let runner = || Runner::new(store.clone(), states.clone(), counting.clone());
        let live: Vec<_> = (0..3).map(|_| runner().spawn().unwrap()).collect();
        for batch in 0..100 {
            record(&*store, batch * 7..batch * 7 + 7, &[]).await;
            if batch % 9 == 0 {
                tokio::task::yield_now().await;
            }
        }
        // One of them is stopped in the middle of it, without harm.
        let mut live = live.into_iter();
        drop(live.next());
        let head = store.head().await.unwrap().position;
        assert_eq!(head, Position::new(700));
        let live: Vec<_> = live.collect();
        for one in &live {
            one.reached(head).await;
        }
        assert_eq!(live[0].state().unwrap().unwrap(), counts(700, 0));
    }
}

/// A report is read entry by entry, while the runner of `serve` saves newer ones.
#[tokio::test]
async fn a_report_that_is_read_while_newer_states_are_saved_is_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let on_disk = SledStates::open(folder.path().join("projections")).unwrap();
    let stores: [Arc<dyn StateStore>; 2] = [Arc::new(MemoryStates::default()), Arc::new(on_disk)];
    for states in stores {
        let tracker = Tracker::builder(MemoryStore::new()).states(states).open();
        let plan = async |number: usize| {
            let contact = |n: usize| {
                Contact::new(format!("c{n}").parse().unwrap())
                    .address(ContactAddress::new(format!("p{n}@a.example")))
            };
            let kind = "general".parse().unwrap();
            let broadcast = Broadcast::new(format!("b{number}").parse().unwrap(), kind);
            tracker.plan(broadcast, (0..300).map(contact)).await.unwrap();
        };
        plan(0).await;
        let reported = tracker.current(EmailLog, &mut |_| ()).await.unwrap();
        let as_of = AsOf::Position(reported.head.position);
        let summary = tracker.broadcast_summary().await.unwrap();
        let before = reported.state.rows(&Query::default()).unwrap();
        for number in 1..4 {
            plan(number).await;
            for delivery in [before[0].delivery, before[299].delivery] {
                deliver(&tracker, delivery, number).await;
            }
            // This saves the state up to here, and overwrites rows of what is read above.
            assert_eq!(
                tracker.email_log().await.unwrap().rows(&Query::default()).unwrap().len(),
                300 * (number + 1)
            );
            tracker.broadcast_summary().await.unwrap();
            let rows = reported.state.rows(&Query::default()).unwrap();
            assert_eq!(rows, before);
            assert_eq!(summary.broadcasts().unwrap().len(), 1);
        }
        let replayed = tracker.email_log_as_of(&as_of).await.unwrap();
        assert_eq!(replayed.rows(&Query::default()).unwrap(), before);
    }
}

/// Somebody says that it was delivered, as often as there are numbers.
async fn deliver(tracker: &Tracker, delivery: DeliveryId, number: usize) {
    let (fact, private) = (Fact::new(Delivered::default().into()), Private::default());
    let mut id = *delivery.as_bytes();
    id[15] ^= u8::try_from(number).unwrap();
    let event = NewEvent::new(EventId::from_bytes(id), &fact, &private, Source::known("test"));
    let stream = StreamId::delivery(delivery);
    tracker.store().record(vec![(stream, event.unwrap())]).await.unwrap();
}
