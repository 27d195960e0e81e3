//! Mailtrail's own stores.

use std::path::Path;

use futures_executor::block_on;
use mailtrail_core::event::Envelope;
use mailtrail_core::fold::Fold;
use mailtrail_core::store::{EventStore, EventStoreExt, Filter, Position};
use mailtrail_core::{NewEvent, StreamId};
use mailtrail_fjall::FjallStore;
use mailtrail_sled::SledStore;

use crate::peer::{Counts, Peer, count};

/// Either of them.
pub struct Ours(Box<dyn EventStore>);

impl Ours {
    /// The fast one, in a folder of its own.
    pub fn fjall(folder: &Path) -> Self {
        Self(Box::new(FjallStore::open(folder).unwrap()))
    }

    /// The older one.
    pub fn sled(folder: &Path) -> Self {
        Self(Box::new(SledStore::open(folder).unwrap()))
    }

    /// The evidence of every delivery.
    pub fn fold(&self) -> Fold {
        let (mut fold, mut next) = (Fold::default(), Some(Position::START));
        while let Some(after) = next {
            let page = block_on(self.0.read_all(&Filter::all(), after, 4_096)).unwrap();
            next = page.next;
            for envelope in &page.events {
                fold.add(envelope);
            }
        }
        fold
    }
}

impl Peer for Ours {
    type Ready = (StreamId, NewEvent);

    /// Sealed, hashed and encoded by the store, within its time.
    fn ready(event: &Envelope) -> Self::Ready {
        (event.stream, event.event.clone())
    }

    fn append(&mut self, batch: Vec<Self::Ready>) {
        block_on(self.0.record(batch)).unwrap();
    }

    fn replay(&self) -> Counts {
        statuses(&self.fold())
    }
}

/// How many deliveries have each status.
pub fn statuses(fold: &Fold) -> Counts {
    count(fold.deliveries().map(|delivery| fold.evidence(delivery).status()))
}
