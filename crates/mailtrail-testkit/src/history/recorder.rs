//! Calls as they were made, and what was answered.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use mailtrail_core::store::{
    AppendError, Appended, Filter, Head, Mismatch, Page, ReadError, StoredAt, StreamPage,
};
use mailtrail_core::{AppendBatch, EventId, EventStore, Position, StreamId, Version};

/// One call.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Call {
    /// When it was made, by a clock that all threads share.
    pub begun: u64,
    /// When it was answered.
    pub ended: u64,
    /// What was asked and answered.
    pub what: What,
}

impl Call {
    /// A call.
    pub fn new(begun: u64, ended: u64, what: What) -> Self {
        Self { begun, ended, what }
    }
}

/// What was asked and answered.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum What {
    /// A batch that was taken: where each event is.
    Appended {
        /// The batch.
        batch: AppendBatch,
        /// The places, in the order of the batch.
        places: Vec<StoredAt>,
    },
    /// A batch that was refused, as streams were not as it expects.
    Conflict {
        /// What was said of them.
        streams: Vec<Mismatch>,
    },
    /// A batch of which nobody knows, or that was refused for another reason: it may be in the log.
    Unknown {
        /// The batch.
        batch: AppendBatch,
    },
    /// A page of a stream.
    Stream {
        /// The stream.
        stream: StreamId,
        /// From which version.
        from: Version,
        /// The events.
        events: Vec<(Version, EventId)>,
        /// The last version that was said.
        last: Option<Version>,
    },
    /// A page of the log, unfiltered.
    Log {
        /// After which position.
        after: Position,
        /// The events.
        events: Vec<(Position, EventId)>,
        /// Everything up to here was looked at.
        scanned_to: Position,
        /// The end of the log that was said.
        head: Position,
    },
    /// The end of the log.
    Head {
        /// Its position.
        position: Position,
    },
    /// A wait for more.
    Changed {
        /// Than this.
        past: Position,
        /// What was said to be there.
        to: Position,
    },
}

/// The calls of all threads.
#[derive(Debug, Clone, Default)]
pub struct Calls(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    clock: AtomicU64,
    calls: Mutex<Vec<Call>>,
}

impl Calls {
    /// A recorder for one thread.
    pub fn recorder(&self, store: Arc<dyn EventStore>) -> Recorder {
        Recorder { store, calls: self.clone() }
    }

    /// All calls that were answered, in the order of their answers.
    pub fn take(&self) -> Vec<Call> {
        std::mem::take(&mut self.0.calls.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn tick(&self) -> u64 {
        self.0.clock.fetch_add(1, Ordering::SeqCst)
    }

    fn note(&self, begun: u64, what: What) {
        let mut calls = self.0.calls.lock().unwrap_or_else(PoisonError::into_inner);
        // The answer is there by now: a later time would only make the check weaker, never wrong.
        let ended = self.tick();
        calls.push(Call { begun, ended, what });
    }
}

/// A store whose calls are recorded.
#[derive(Debug, Clone)]
pub struct Recorder {
    store: Arc<dyn EventStore>,
    calls: Calls,
}

#[expect(clippy::missing_errors_doc, reason = "those of the store")]
impl Recorder {
    /// Appends.
    pub async fn append(&self, batch: AppendBatch) -> Result<Appended, AppendError> {
        let begun = self.calls.tick();
        let answer = self.store.append(batch.clone()).await;
        self.calls.note(
            begun,
            match &answer {
                Ok(appended) => What::Appended { batch, places: appended.events.clone() },
                Err(AppendError::Conflict { streams }) => {
                    What::Conflict { streams: streams.clone() }
                }
                Err(_) => What::Unknown { batch },
            },
        );
        answer
    }

    /// Reads a stream.
    pub async fn read_stream(
        &self,
        stream: StreamId,
        from: Version,
        limit: usize,
    ) -> Result<StreamPage, ReadError> {
        let begun = self.calls.tick();
        let page = self.store.read_stream(stream, from, limit).await?;
        let events = page.events.iter().map(|e| (e.version, e.event.event_id)).collect();
        self.calls.note(begun, What::Stream { stream, from, events, last: page.last });
        Ok(page)
    }

    /// Reads the log.
    pub async fn read_all(&self, after: Position, limit: usize) -> Result<Page, ReadError> {
        let begun = self.calls.tick();
        let page = self.store.read_all(&Filter::all(), after, limit).await?;
        let events = page.events.iter().map(|e| (e.position, e.event.event_id)).collect();
        let (scanned_to, head) = (page.scanned_to, page.head);
        self.calls.note(begun, What::Log { after, events, scanned_to, head });
        Ok(page)
    }

    /// Asks for the head.
    pub async fn head(&self) -> Result<Head, ReadError> {
        let begun = self.calls.tick();
        let head = self.store.head().await?;
        self.calls.note(begun, What::Head { position: head.position });
        Ok(head)
    }

    /// Waits for more.
    pub async fn changed(&self, past: Position) -> Result<Position, ReadError> {
        let begun = self.calls.tick();
        let to = self.store.changed(past).await?;
        self.calls.note(begun, What::Changed { past, to });
        Ok(to)
    }
}
