//! Several runners of one projection, while others write: every event is counted once.

use std::sync::Arc;

use mailtrail::core::projection::StateStore;
use mailtrail::core::{EventStore, Position};
use mailtrail::memory::{MemoryStates, MemoryStore};
use mailtrail::projection::Runner;
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
