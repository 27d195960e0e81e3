//! The contract itself.

use async_trait::async_trait;

use super::append::{AppendBatch, Appended};
use super::capability::Capabilities;
use super::error::{AppendError, ImportError, ReadError, RedactError};
use super::head::Head;
use super::position::{Position, Version};
use super::read::{Filter, Page, StreamPage};
use crate::id::{EventId, Namespace, StreamId};

/// An append-only store of events. `Arc<dyn EventStore>` is what everyone passes around.
///
/// # For users
/// Append with ids that are derived from the facts: bringing a fact again is always safe. Read in
/// pages, keep [`Page::scanned_to`] as checkpoint, wait with [`changed`](Self::changed).
/// [`EventStoreExt`](super::EventStoreExt) has what one does all day.
///
/// # For implementors
/// - *Positions* are monotone in visibility: once a reader has seen one, nothing ever appears at or
///   before it, also when writers finish in another order than they began.
/// - *Acknowledged ⇒ durable* and *observed ⇒ durable*, as far as [`Capabilities::durability`] says.
/// - *Idempotency* is exact, in every mode, and comes before versions.
/// - Never look into `data` or `private`.
/// - The conformance suite of `mailtrail-testkit` has a test per promise.
#[async_trait]
pub trait EventStore: Send + Sync + std::fmt::Debug {
    /// What this store promises beyond the least.
    fn capabilities(&self) -> Capabilities;

    /// The salt of all ids derived for this store: drawn at its creation, kept with it.
    fn namespace(&self) -> Namespace;

    /// Stores a batch of events in one step: all of it or nothing.
    ///
    /// A batch names each stream that it writes and what it [expects](super::Expected) of it; it may
    /// also require something of streams that it leaves alone. Ids are compared before versions: if
    /// all of them are stored already, the batch is, whatever it expects.
    ///
    /// # Guarantees
    /// - **Atomic**: no reader ever sees a part of a batch.
    /// - **Idempotent**: a batch that is stored already gives
    ///   [`AlreadyStored`](super::Outcome::AlreadyStored) and its first positions.
    /// - **Durable** as far as [`capabilities`](Self::capabilities) says, before `Ok` and before any
    ///   reader sees it.
    ///
    /// # Errors
    /// [`Conflict`](AppendError::Conflict): streams have moved on; read them and decide again.
    /// [`IdReused`](AppendError::IdReused), [`PartialDuplicate`](AppendError::PartialDuplicate): ids
    /// are known; the places say where.
    /// [`OutcomeUnknown`](AppendError::OutcomeUnknown): stored or not; append the same batch again.
    ///
    /// # Cancellation
    /// A dropped future leaves the outcome unknown, never half done.
    ///
    /// # Example
    /// ```
    /// # futures_executor::block_on(async {
    /// # use mailtrail_core::{event::{Delivered, Source}, AppendBatch, Event, EventId, EventStore, Expected, Fact, NewEvent, Private, StreamId, DeliveryId};
    /// # use mailtrail_core::store::Outcome;
    /// # let store = mailtrail_memory::MemoryStore::new();
    /// # let stream = StreamId::delivery(DeliveryId::from_bytes([1; 16]));
    /// # let event = NewEvent::new(EventId::from_bytes([2; 16]), &Fact::new(Event::Delivered(Delivered::default())), &Private::default(), Source::known("smtp"))?;
    /// let batch = AppendBatch::new().write(stream, Expected::NoStream, vec![event]);
    /// assert_eq!(store.append(batch.clone()).await?.outcome, Outcome::New);
    /// assert_eq!(store.append(batch).await?.outcome, Outcome::AlreadyStored);
    /// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
    /// ```
    async fn append(&self, batch: AppendBatch) -> Result<Appended, AppendError>;

    /// Reads one stream from a version on, oldest first.
    ///
    /// # Errors
    /// [`ReadError`], which is never shown as the end of the stream.
    async fn read_stream(
        &self,
        stream: StreamId,
        from: Version,
        limit: usize,
    ) -> Result<StreamPage, ReadError>;

    /// Reads everything that matches after a position, oldest first.
    ///
    /// # Errors
    /// [`ReadError`], which is never shown as the end of the log.
    async fn read_all(
        &self,
        filter: &Filter,
        after: Position,
        limit: usize,
    ) -> Result<Page, ReadError>;

    /// Resolves when there is something after `past`, with the last position.
    ///
    /// # Errors
    /// [`ReadError::Unavailable`] if the store is closed.
    async fn changed(&self, past: Position) -> Result<Position, ReadError>;

    /// The end of the log.
    ///
    /// # Errors
    /// [`ReadError`] if it can't be read.
    async fn head(&self) -> Result<Head, ReadError>;

    /// Erases `private` and its salt of these events. Ids, facts, statuses and the chain stay.
    ///
    /// # Errors
    /// [`RedactError::Unsupported`] unless [`Capabilities::redacts`].
    async fn redact(&self, ids: &[EventId]) -> Result<(), RedactError>;

    /// Appends events of another store: the only way to set `origin`.
    ///
    /// # Errors
    /// [`ImportError::Unsupported`] unless [`Capabilities::imports`].
    async fn import(&self, batch: AppendBatch) -> Result<Appended, ImportError>;
}
