//! The owner ends: what was asked before is answered.

use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::thread;

use async_trait::async_trait;
use futures_channel::oneshot;
use futures_executor::block_on;
use mailtrail_core::event::Source;
use mailtrail_core::id::Category;
use mailtrail_core::store::{AppendError, Appended, ReadError};
use mailtrail_core::{AppendBatch, EventId, EventStore, Expected, NewEvent, Position, StreamId};
use mailtrail_memory::MemoryStore;
use mailtrail_remote::{RemoteStore, Share};
use mailtrail_testkit::{Double, Otherwise};

/// A store that says when it has begun to append, and ends with that when it is told to.
#[derive(Debug)]
struct Slow {
    store: MemoryStore,
    begun: Mutex<Sender<()>>,
    go_on: Mutex<Option<oneshot::Receiver<()>>>,
}

#[test]
fn what_was_asked_before_the_owner_ends_is_answered_and_who_waits_is_let_go() {
    let (folder, (begun, begins), (release, go_on)) =
        (tempfile::tempdir().unwrap(), channel(), oneshot::channel());
    let store = MemoryStore::new();
    let slow = Slow { store, begun: Mutex::new(begun), go_on: Mutex::new(Some(go_on)) };
    let slow = Double(slow);
    let share = Share::start(Arc::new(slow), folder.path()).unwrap();
    let remote = RemoteStore::connect(folder.path()).unwrap();
    let other = RemoteStore::connect(folder.path()).unwrap();
    let id = EventId::from_bytes([1; 16]);
    let event = NewEvent::from_bytes(id, "test".into(), 1, "{}".into(), Source::known("test"));
    let stream = StreamId::from_parts(Category::DELIVERY, [1; 16]);
    let batch = AppendBatch::new().write(stream, Expected::Any, vec![event]);
    thread::scope(|threads| {
        let appended = threads.spawn(|| block_on(remote.append(batch)));
        let waiting = threads.spawn(|| block_on(other.changed(Position::new(7))));
        begins.recv().unwrap();
        let ending = threads.spawn(move || drop(share));
        assert!(matches!(waiting.join().unwrap(), Err(ReadError::Unavailable { .. })));
        // Nor is anything more asked on the connection that is still to be answered.
        while block_on(remote.head()).is_ok() {
            thread::yield_now();
        }
        release.send(()).unwrap();
        assert_eq!(appended.join().unwrap().unwrap().events.len(), 1);
        ending.join().unwrap();
    });
}

#[async_trait]
impl Otherwise for Slow {
    fn store(&self) -> &dyn EventStore {
        &self.store
    }

    async fn append(&self, batch: AppendBatch) -> Result<Appended, AppendError> {
        self.begun.lock().unwrap_or_else(PoisonError::into_inner).send(()).unwrap();
        let go_on = self.go_on.lock().unwrap_or_else(PoisonError::into_inner).take();
        go_on.unwrap().await.unwrap();
        self.store.append(batch).await
    }
}
