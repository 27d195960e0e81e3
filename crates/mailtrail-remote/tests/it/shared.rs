//! A shared store and its user in one: what a test sees is the user's side.

use std::sync::Arc;

use mailtrail_core::EventStore;
use mailtrail_memory::MemoryStore;
use mailtrail_remote::{RemoteStore, Share};
use mailtrail_testkit::Otherwise;

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

impl Otherwise for Shared {
    fn store(&self) -> &dyn EventStore {
        &self.remote
    }
}
