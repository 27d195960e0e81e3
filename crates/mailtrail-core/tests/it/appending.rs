//! A batch of unknown outcome is brought again, and what is said at the end is true.

use std::sync::Mutex;

use async_trait::async_trait;
use futures_executor::block_on;
use mailtrail_core::event::Source;
use mailtrail_core::id::Category;
use mailtrail_core::store::{AppendError, Appended, Outcome};
use mailtrail_core::{
    AppendBatch, EventId, EventStore, EventStoreExt, Expected, NewEvent, StreamId,
};
use mailtrail_memory::MemoryStore;
use mailtrail_testkit::{Double, Otherwise};

/// A store whose answers to appends are lost, the last first; what it then says of others is as it is.
#[derive(Debug)]
struct Lossy {
    store: MemoryStore,
    answers: Mutex<Vec<AppendError>>,
}

fn unknown(why: &str) -> AppendError {
    AppendError::OutcomeUnknown { cause: why.into() }
}

fn gone() -> AppendError {
    AppendError::Unavailable { cause: "the owner has gone".into() }
}

fn append(answers: Vec<AppendError>) -> Result<Appended, AppendError> {
    let store = Double(Lossy { store: MemoryStore::new(), answers: Mutex::new(answers) });
    let stream = StreamId::from_parts(Category::DELIVERY, [1; 16]);
    let id = EventId::from_bytes([1; 16]);
    let event = NewEvent::from_bytes(id, "test".into(), 1, "{}".into(), Source::known("test"));
    let batch = AppendBatch::new().write(stream, Expected::Any, vec![event]);
    block_on(store.append_again(batch))
}

#[test]
fn what_was_stored_is_found_out() {
    let appended = append(vec![unknown("two"), unknown("one")]).unwrap();
    assert_eq!(appended.outcome, Outcome::AlreadyStored);
}

#[test]
fn what_can_not_be_found_out_stays_unknown_with_the_first_cause() {
    for later in [gone as fn() -> AppendError, || unknown("the connection ended")] {
        let answers = vec![later(), later(), unknown("the disk is full")];
        let Err(AppendError::OutcomeUnknown { cause }) = append(answers) else {
            panic!("it may be stored");
        };
        assert_eq!(cause.to_string(), "the disk is full");
    }
    // What was never taken is not unknown.
    assert!(matches!(append(vec![gone()]), Err(AppendError::Unavailable { .. })));
}

#[async_trait]
impl Otherwise for Lossy {
    fn store(&self) -> &dyn EventStore {
        &self.store
    }

    async fn append(&self, batch: AppendBatch) -> Result<Appended, AppendError> {
        let lost = self.answers.lock().unwrap().pop();
        match lost {
            Some(error @ AppendError::Unavailable { .. }) => Err(error),
            Some(error) => {
                self.store.append(batch).await?;
                Err(error)
            }
            None => self.store.append(batch).await,
        }
    }
}
