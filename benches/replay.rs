//! How fast is a log read, decoded and folded, on one core?

use std::hint::black_box;

use futures_executor::block_on;
use mailtrail_benches::{Figure, Wanted, best_of, history};
use mailtrail_core::fold::Fold;
use mailtrail_core::store::{EventStore, EventStoreExt, Filter, Position};
use mailtrail_memory::MemoryStore;

fn main() {
    let wanted = Wanted::from_args();
    if !wanted.has("replay.memory") {
        return;
    }
    let store = MemoryStore::new();
    let events = history(200_000);
    let count = events.len() as f64;
    for chunk in events.chunks(5_000) {
        block_on(store.record(chunk.to_vec())).unwrap();
    }
    let replay = best_of(3, || {
        black_box(fold(&store));
    });
    let value = count / replay.as_secs_f64() / 1e6;
    Figure::new("replay.memory", value, "M events/s").at_least(1.0).print();
}

fn fold(store: &MemoryStore) -> Fold {
    let mut fold = Fold::default();
    let mut next = Some(Position::START);
    while let Some(after) = next {
        let page = block_on(store.read_all(&Filter::all(), after, 4_096)).unwrap();
        for envelope in &page.events {
            fold.add(envelope);
        }
        next = page.next;
    }
    fold
}
