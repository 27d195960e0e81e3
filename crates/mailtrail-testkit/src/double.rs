//! A store that is another one, but for a few calls.

use std::fmt;
use std::ops::Deref;

use async_trait::async_trait;
use mailtrail_core::store::{
    AppendBatch, AppendError, Appended, Capabilities, Filter, Head, ImportError, Page, ReadError,
    RedactError, StreamPage, Version,
};
use mailtrail_core::{EventId, EventStore, Namespace, Position, StreamId};

/// What a test double of a store does otherwise than the store within: every call that is not written goes there.
/// [`Double`] makes a store of it.
///
/// ```
/// # futures_executor::block_on(async {
/// use mailtrail_core::EventStore;
/// use mailtrail_core::store::{AppendBatch, AppendError, Appended};
/// use mailtrail_memory::MemoryStore;
/// use mailtrail_testkit::{Double, Otherwise};
///
/// #[derive(Debug)]
/// struct Full(MemoryStore);
///
/// #[async_trait::async_trait]
/// impl Otherwise for Full {
///     fn store(&self) -> &dyn EventStore {
///         &self.0
///     }
///
///     async fn append(&self, _: AppendBatch) -> Result<Appended, AppendError> {
///         Err(AppendError::Unavailable { cause: "no space left".into() })
///     }
/// }
///
/// let full = Double(Full(MemoryStore::new()));
/// assert!(full.append(AppendBatch::new()).await.is_err());
/// assert_eq!(full.head().await?, full.0.0.head().await?);
/// # Ok::<(), mailtrail_core::store::ReadError>(()) }).unwrap();
/// ```
#[async_trait]
#[expect(clippy::missing_errors_doc, reason = "those of the store")]
pub trait Otherwise: Send + Sync + fmt::Debug {
    /// The store within.
    fn store(&self) -> &dyn EventStore;

    /// As of [`EventStore::append`].
    async fn append(&self, batch: AppendBatch) -> Result<Appended, AppendError> {
        self.store().append(batch).await
    }

    /// Before anything is read but the head: with an error nothing is.
    fn read(&self) -> Result<(), ReadError> {
        Ok(())
    }
}

/// A store that does what is written [`Otherwise`], and all else as the store within.
#[derive(Debug, Clone, Default)]
#[expect(clippy::exhaustive_structs, reason = "it has one part, whatever comes")]
pub struct Double<D>(pub D);

impl<D> Deref for Double<D> {
    type Target = D;

    fn deref(&self) -> &D {
        &self.0
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<D: Otherwise> EventStore for Double<D> {
    fn capabilities(&self) -> Capabilities {
        self.store().capabilities()
    }

    fn namespace(&self) -> Namespace {
        self.store().namespace()
    }

    async fn append(&self, batch: AppendBatch) -> Result<Appended, AppendError> {
        Otherwise::append(&self.0, batch).await
    }

    async fn read_stream(
        &self,
        stream: StreamId,
        from: Version,
        limit: usize,
    ) -> Result<StreamPage, ReadError> {
        self.read()?;
        self.store().read_stream(stream, from, limit).await
    }

    async fn read_all(
        &self,
        filter: &Filter,
        after: Position,
        limit: usize,
    ) -> Result<Page, ReadError> {
        self.read()?;
        self.store().read_all(filter, after, limit).await
    }

    async fn changed(&self, past: Position) -> Result<Position, ReadError> {
        self.store().changed(past).await
    }

    async fn head(&self) -> Result<Head, ReadError> {
        self.store().head().await
    }

    async fn redact(&self, ids: &[EventId]) -> Result<(), RedactError> {
        self.store().redact(ids).await
    }

    async fn import(&self, batch: AppendBatch) -> Result<Appended, ImportError> {
        self.store().import(batch).await
    }
}
