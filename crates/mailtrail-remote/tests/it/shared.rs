//! A shared store and its user in one: what a test sees is the user's side.

use std::sync::Arc;

use async_trait::async_trait;
use mailtrail_core::store::{
    AppendError, Appended, Capabilities, Filter, Head, ImportError, Page, ReadError, RedactError,
    StreamPage,
};
use mailtrail_core::{AppendBatch, EventId, EventStore, Namespace, Position, StreamId, Version};
use mailtrail_memory::MemoryStore;
use mailtrail_remote::{RemoteStore, Share};

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) remote: RemoteStore,
    pub(crate) store: Arc<MemoryStore>,
    pub(crate) share: Share,
    pub(crate) folder: tempfile::TempDir,
}

impl Shared {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(MemoryStore::new());
        let share = Share::start(Arc::clone(&store) as Arc<dyn EventStore>, folder.path()).unwrap();
        let remote = RemoteStore::connect(folder.path()).unwrap();
        Self { remote, store, share, folder }
    }
}

#[async_trait]
impl EventStore for Shared {
    fn capabilities(&self) -> Capabilities {
        self.remote.capabilities()
    }

    fn namespace(&self) -> Namespace {
        self.remote.namespace()
    }

    async fn append(&self, batch: AppendBatch) -> Result<Appended, AppendError> {
        self.remote.append(batch).await
    }

    async fn read_stream(
        &self,
        stream: StreamId,
        from: Version,
        limit: usize,
    ) -> Result<StreamPage, ReadError> {
        self.remote.read_stream(stream, from, limit).await
    }

    async fn read_all(
        &self,
        filter: &Filter,
        after: Position,
        limit: usize,
    ) -> Result<Page, ReadError> {
        self.remote.read_all(filter, after, limit).await
    }

    async fn changed(&self, past: Position) -> Result<Position, ReadError> {
        self.remote.changed(past).await
    }

    async fn head(&self) -> Result<Head, ReadError> {
        self.remote.head().await
    }

    async fn redact(&self, ids: &[EventId]) -> Result<(), RedactError> {
        self.remote.redact(ids).await
    }

    async fn import(&self, batch: AppendBatch) -> Result<Appended, ImportError> {
        self.remote.import(batch).await
    }
}
