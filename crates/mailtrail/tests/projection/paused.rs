//! An event that can't be applied: the projection stands still before it, and says so.

use std::sync::Arc;
use std::time::Duration;

use mailtrail::core::projection::StateStore;
use mailtrail::core::{EventStore, Position};
use mailtrail::memory::{MemoryStates, MemoryStore};
use mailtrail::projection::Runner;
use mailtrail::sled::SledStates;

use crate::counting::{APPLIES, Counting, PANICS, REFUSES, counts, record};

fn runner(
    store: &Arc<MemoryStore>,
    states: &Arc<dyn StateStore>,
    counting: &Counting,
) -> Runner<Counting> {
    Runner::new(store.clone(), states.clone(), counting.clone())
}

fn stores() -> [Arc<dyn StateStore>; 2] {
    let folder = tempfile::tempdir().unwrap().keep();
    [Arc::new(MemoryStates::default()), Arc::new(SledStates::open(folder).unwrap())]
}

#[tokio::test]
async fn it_pauses_before_the_event_whether_it_is_refused_or_panics() {
    for states in stores() {
        for (failing, why) in [
            (REFUSES, "this one is beyond me"),
            (PANICS, "the projection panicked: this one is beyond me"),
        ] {
            let (store, counting) = (Arc::new(MemoryStore::new()), Counting::new(failing));
            record(&*store, 0..40, &[20, 33]).await;
            states.discard_all().unwrap();
            let runner = runner(&store, &states, &counting);
            runner.catch_up(&mut |_| ()).await.unwrap();
            let pause = runner.checkpoint().unwrap().unwrap().paused.unwrap();
            assert_eq!((pause.position, &*pause.why), (Position::new(21), why));
            assert_eq!(runner.state().unwrap().unwrap(), counts(20, 0), "all before it is there");
            // It stays so, also in another process.
            let again = self::runner(&store, &states, &counting);
            record(&*store, 40..50, &[]).await;
            assert!(again.catch_up(&mut |_| ()).await.unwrap().paused.is_some());
            assert_eq!(again.state().unwrap().unwrap(), counts(20, 0));

            // Left out by choice: it goes on to the next one, and names what is left out.
            assert_eq!(again.skip().unwrap().unwrap(), pause);
            let next = again.catch_up(&mut |_| ()).await.unwrap();
            assert_eq!(next.paused.as_ref().unwrap().position, Position::new(34));
            assert_eq!(next.skipped, [pause.event]);
            assert_eq!(again.state().unwrap().unwrap(), counts(32, 0));

            // Mended: it goes on with that very event.
            counting.will(APPLIES);
            assert!(again.resume().unwrap().is_some());
            let done = again.catch_up(&mut |_| ()).await.unwrap();
            assert_eq!((done.paused, done.position), (None, Position::new(50)));
            assert_eq!(again.state().unwrap().unwrap(), counts(48, 1));
            assert_eq!(again.resume().unwrap(), None, "nothing to resume");
            let (digest, checkpoint) = again.digest().unwrap().unwrap();
            assert_eq!(again.digest_anew(&checkpoint, &|_| ()).await.unwrap(), digest);

            // Built anew it is the same: the choice stands.
            let mut rebuilt = again.rebuild(&mut |_| ()).await.unwrap();
            assert_eq!(again.digest().unwrap().unwrap(), (digest, rebuilt.clone()));
            assert_ne!(rebuilt.begun, checkpoint.begun, "yet it is another one");
            rebuilt.begun = checkpoint.begun;
            assert_eq!(rebuilt, checkpoint);
        }
    }
}

#[tokio::test]
async fn a_live_one_notices_when_someone_else_ends_the_pause() {
    let states: Arc<dyn StateStore> = Arc::new(MemoryStates::default());
    let (store, counting) = (Arc::new(MemoryStore::new()), Counting::new(PANICS));
    record(&*store, 0..10, &[3]).await;
    let live = runner(&store, &states, &counting).spawn().unwrap();
    while live.progress().paused.is_none() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(live.progress().time_left(), None, "it is not under way");
    // The log goes on, nothing of it is lost.
    record(&*store, 10..20, &[]).await;
    let other = runner(&store, &states, &counting);
    other.skip().unwrap().unwrap();
    live.reached(store.head().await.unwrap().position).await;
    assert_eq!(live.state().unwrap().unwrap(), counts(19, 0));
    assert_eq!(live.progress().lag(), 0);
}
