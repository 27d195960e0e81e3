//! How fast are a million contacts planned, and with how much memory beside the store?

use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use async_trait::async_trait;
use futures_executor::block_on;
use mailtrail_benches::{Figure, Wanted, peak_bytes};
use mailtrail_core::plan::{Broadcast, Contact, ContactAddress, Planner};
use mailtrail_core::store::{
    AppendError, Appended, Capabilities, Durability, Filter, Head, ImportError, Known, Page,
    ReadError, RedactError, StoredAt, StreamPage,
};
use mailtrail_core::{
    AppendBatch, EventId, EventStore, Namespace, NewEvent, Position, StreamId, Version,
};
use mailtrail_memory::MemoryStore;

const CONTACTS: u64 = 1_000_000;
const MEBIBYTE: f64 = 1_048_576.0;

mailtrail_benches::allocator!();

fn main() {
    let wanted = Wanted::from_args();
    if !wanted.has("plan.million") {
        return;
    }
    // The planner alone comes first: the peak only ever grows.
    let before = peak_bytes();
    plan(&Forgets::default());
    let own = peak_bytes().saturating_sub(before);
    Figure::new("plan.million.planner", own as f64 / MEBIBYTE, "MiB, the planner's own peak")
        .at_most(16.0)
        .print();

    let store = MemoryStore::new();
    let start = Instant::now();
    plan(&store);
    let rate = CONTACTS as f64 / start.elapsed().as_secs_f64();
    black_box(block_on(store.head()).ok());
    Figure::new("plan.million", rate, "contacts/s").print();
    // Mostly what the memory store holds: two events a row.
    let per_row = peak_bytes() as f64 / CONTACTS as f64;
    Figure::new("plan.million.peak", per_row, "bytes/row resident, the store's own included")
        .print();
}

fn plan(store: &dyn EventStore) {
    let clock = || chrono::DateTime::UNIX_EPOCH;
    let report = block_on(async {
        let broadcast = Broadcast::new(id("b"), id("general"));
        let mut planner = Planner::open(store, broadcast, &clock).await?;
        for number in 0..CONTACTS {
            let address = ContactAddress::new(format!("person{number}@a.example"));
            planner.add(Contact::new(id(&format!("c{number}"))).address(address)).await?;
        }
        planner.finish().await
    })
    .unwrap();
    assert_eq!(report.queued, CONTACTS);
}

/// Takes every event and keeps none, so that only the planner's memory is seen.
#[derive(Debug, Default)]
struct Forgets(AtomicU64);

#[async_trait]
impl EventStore for Forgets {
    fn capabilities(&self) -> Capabilities {
        Capabilities::new(Durability::Volatile)
    }

    fn namespace(&self) -> Namespace {
        Namespace::from_bytes([1; 16])
    }

    async fn append(&self, batch: AppendBatch) -> Result<Appended, AppendError> {
        let place = |(stream, event): (StreamId, &NewEvent)| {
            let position = Position::new(self.0.fetch_add(1, Ordering::Relaxed) + 1);
            StoredAt::new(event.event_id, stream, Version::FIRST, position, Known::No)
        };
        Ok(Appended::of(batch.events().map(place).collect()))
    }

    async fn read_stream(
        &self,
        _: StreamId,
        from: Version,
        _: usize,
    ) -> Result<StreamPage, ReadError> {
        Ok(StreamPage::new(Vec::new(), from, None))
    }

    async fn read_all(&self, _: &Filter, _: Position, _: usize) -> Result<Page, ReadError> {
        Ok(Page::new(Vec::new(), Position::START, Position::START))
    }

    async fn changed(&self, _: Position) -> Result<Position, ReadError> {
        Ok(Position::START)
    }

    async fn head(&self) -> Result<Head, ReadError> {
        Ok(Head::default())
    }

    async fn redact(&self, _: &[EventId]) -> Result<(), RedactError> {
        Err(RedactError::Unsupported)
    }

    async fn import(&self, _: AppendBatch) -> Result<Appended, ImportError> {
        Err(ImportError::Unsupported)
    }
}

fn id<T: std::str::FromStr<Err = E>, E: std::fmt::Debug>(text: &str) -> T {
    text.parse().unwrap()
}
