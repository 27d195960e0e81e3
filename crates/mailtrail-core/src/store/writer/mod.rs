//! The group commit that embedded stores share: one thread takes all queued batches, checks each,
//! writes them as one group with one sync, then answers each and publishes. It needs no runtime.

mod committer;
mod pace;
mod restore;

use std::fmt;
use std::sync::{Arc, mpsc};
use std::thread;

use chrono::{DateTime, Utc};
use futures_channel::oneshot;

pub use self::restore::{Restore, RestoreError};

use self::committer::{Committer, Job};
use crate::clock::Clock;
use crate::event::{Envelope, EventType, Salt};
use crate::id::{EventId, StreamId};
use crate::store::append::{AppendBatch, Appended};
use crate::store::capability::Limits;
use crate::store::error::{AppendError, BoxError, ReadError, RedactError};
use crate::store::head::{Head, HeadWatch};
use crate::store::position::{Position, Version};
use crate::store::record;

/// What an embedded store does for its writer. Only the writer's thread calls it.
pub trait Engine: Send + 'static {
    /// Where an event is, if it is stored.
    ///
    /// # Errors
    /// [`ReadError`], which fails the batch that asked.
    fn find(&self, id: EventId) -> Result<Option<Found>, ReadError>;

    /// The version of a stream's last event.
    ///
    /// # Errors
    /// [`ReadError`], which fails the batch that asked.
    fn last_version(&self, stream: StreamId) -> Result<Option<Version>, ReadError>;

    /// Writes a group, all of it or nothing, and returns when it is as durable as the store promises.
    ///
    /// # Errors
    /// Whatever happened: the group's outcome is then unknown, and the writer takes no more.
    fn commit(&mut self, group: &[Envelope]) -> Result<(), BoxError>;

    /// Erases `private` and salt of these events, so that no file of the store holds them any more.
    ///
    /// # Errors
    /// [`RedactError`]; nothing is erased, or all of it will be when the store is opened again.
    fn redact(&mut self, ids: &[EventId]) -> Result<(), RedactError>;
}

/// Where an event is, and of which type.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Found {
    /// Its stream.
    pub stream: StreamId,
    /// Its type.
    pub event_type: EventType,
    /// Its place in the stream.
    pub version: Version,
    /// Its place in the store.
    pub position: Position,
}

impl From<&Envelope> for Found {
    fn from(envelope: &Envelope) -> Self {
        Self {
            stream: envelope.stream,
            event_type: envelope.event.event_type.clone(),
            version: envelope.version,
            position: envelope.position,
        }
    }
}

/// What a writer starts from.
#[non_exhaustive]
pub struct WriterOptions {
    /// The end of the log on disk.
    pub head: Head,
    /// `recorded_at` of the record there: the next one is never earlier.
    pub last_recorded_at: Option<DateTime<Utc>>,
    /// Where time comes from.
    pub clock: Arc<dyn Clock>,
    /// Draws the salt of each record that has a private part.
    pub salt: Box<dyn FnMut() -> Salt + Send>,
    /// The bounds of one batch.
    pub limits: Limits,
}

impl WriterOptions {
    /// For a log that ends here.
    pub fn new(head: Head, clock: Arc<dyn Clock>, salt: Box<dyn FnMut() -> Salt + Send>) -> Self {
        Self { head, last_recorded_at: None, clock, salt, limits: Limits::default() }
    }
}

impl fmt::Debug for WriterOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WriterOptions").field("head", &self.head).finish_non_exhaustive()
    }
}

/// The writer's thread. Dropping it waits for what is queued, then ends the thread.
#[derive(Debug)]
pub struct Writer {
    queue: Option<mpsc::Sender<Job>>,
    thread: Option<thread::JoinHandle<()>>,
    watch: Arc<HeadWatch>,
}

impl Writer {
    /// Starts the thread.
    ///
    /// # Errors
    /// That of the operating system, if it gives no thread.
    pub fn start(engine: impl Engine, options: WriterOptions) -> std::io::Result<Self> {
        let watch = Arc::new(HeadWatch::new(options.head));
        let (queue, jobs) = mpsc::channel();
        let published = Arc::clone(&watch);
        let thread = thread::Builder::new().name("mailtrail-writer".into()).spawn(move || {
            Committer::new(engine, options, published).run(&jobs);
        })?;
        Ok(Self { queue: Some(queue), thread: Some(thread), watch })
    }

    /// The end of the log as readers may see it: what lies behind is not durable yet.
    pub fn watch(&self) -> &Arc<HeadWatch> {
        &self.watch
    }

    /// Queues a batch and waits for its answer.
    ///
    /// # Errors
    /// As [`EventStore::append`](crate::store::EventStore::append) says.
    pub async fn append(&self, batch: AppendBatch) -> Result<Appended, AppendError> {
        self.queue_batch(batch, false).await
    }

    /// Queues a batch of another store's events, which may name their origin, and waits for its answer.
    ///
    /// # Errors
    /// As of [`append`](Self::append).
    pub async fn import(&self, batch: AppendBatch) -> Result<Appended, AppendError> {
        self.queue_batch(batch, true).await
    }

    /// Erases `private` of these events, after all batches that were queued before.
    ///
    /// # Errors
    /// As [`EventStore::redact`](crate::store::EventStore::redact) says.
    pub async fn redact(&self, ids: &[EventId]) -> Result<(), RedactError> {
        let (answer, answered) = oneshot::channel();
        let gone = || RedactError::Unavailable { cause: GONE.into() };
        let queue = self.queue.as_ref().ok_or_else(gone)?;
        queue.send(Job::Redact { ids: ids.to_vec(), answer }).map_err(|_| gone())?;
        answered.await.map_err(|cause| RedactError::Unavailable { cause: cause.into() })?
    }

    async fn queue_batch(&self, batch: AppendBatch, import: bool) -> Result<Appended, AppendError> {
        let (answer, answered) = oneshot::channel();
        let gone = || AppendError::Unavailable { cause: GONE.into() };
        let queue = self.queue.as_ref().ok_or_else(gone)?;
        // Here, as many callers can do it at once, and the writer is alone.
        let data_hashes = batch.events().map(|(_, event)| record::data_hash(&event.data)).collect();
        let job = Job::Append { batch, data_hashes, import, answer };
        queue.send(job).map_err(|_| gone())?;
        let unknown =
            |cause: oneshot::Canceled| AppendError::OutcomeUnknown { cause: cause.into() };
        answered.await.map_err(unknown)?
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            // A panic of the engine has answered every caller with OutcomeUnknown already.
            thread.join().ok();
        }
    }
}

const GONE: &str = "the store's writer has ended";

#[cfg(test)]
#[expect(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    reason = "small numbers of a test"
)]
mod tests;
