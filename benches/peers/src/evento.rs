//! evento on its fjall store.

use std::path::Path;

use ::evento::cursor::Args;
use ::evento::metadata::Metadata;
use ::evento::{Event, Executor, Fjall, TenantFilter};
use fjall::PersistMode;
use mailtrail_core::event::Envelope;
use mailtrail_core::fold::Fold;
use mailtrail_core::store::record;
use tokio::runtime::Runtime;
use ulid::Ulid;

use crate::ours::statuses;
use crate::peer::{Counts, Peer};

/// A store, and the runtime that it needs.
pub struct Evento {
    store: Fjall,
    runtime: Runtime,
}

impl Evento {
    /// As it comes: each write is synced before it returns.
    pub fn open(folder: &Path) -> Self {
        Self { store: Fjall::open(folder).unwrap(), runtime: Runtime::new().unwrap() }
    }

    /// Synced as ours are: the data, and of the file's own entry only what finds them.
    pub fn data_synced(folder: &Path) -> Self {
        Self::open(folder).with(PersistMode::SyncData)
    }

    /// Writes go to the operating system, and nothing waits for the disk.
    pub fn unsynced(folder: &Path) -> Self {
        Self::open(folder).with(PersistMode::Buffer)
    }

    fn with(self, mode: PersistMode) -> Self {
        Self { store: self.store.persist_mode(mode), ..self }
    }
}

impl Peer for Evento {
    type Ready = Event;

    /// Its payload is our record: so both sides decode the same bytes.
    fn ready(event: &Envelope) -> Event {
        Event {
            id: Ulid::generate(),
            aggregate_id: event.stream.to_string(),
            aggregate_type: "mailtrail/Delivery".to_owned(),
            version: u16::try_from(event.version.get()).unwrap() + 1,
            name: event.event.event_type.to_string(),
            routing_key: None,
            tenant: String::new(),
            data: record::encode(event),
            metadata: Metadata::default(),
            timestamp: 0,
            timestamp_subsec: 0,
        }
    }

    fn append(&mut self, batch: Vec<Event>) {
        self.runtime.block_on(self.store.write(batch)).unwrap();
    }

    /// In the order of its log, in pages as large as ours.
    fn replay(&self) -> Counts {
        let (mut fold, mut after) = (Fold::default(), None);
        loop {
            let page = Args::forward(4_096, after);
            let read = self.store.read(None, None, TenantFilter::All, page, None);
            let page = self.runtime.block_on(read).unwrap();
            for edge in page.edges {
                fold.add(&record::decode(&edge.node.data.into()).unwrap());
            }
            if !page.page_info.has_next_page {
                return statuses(&fold);
            }
            after = page.page_info.end_cursor;
        }
    }
}
