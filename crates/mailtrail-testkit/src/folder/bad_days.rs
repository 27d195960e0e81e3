//! Bad days: whatever happens, nothing that was acknowledged is lost. `docs/bad-days.md` says what the user sees.

use std::sync::Arc;
use std::time::Instant;

use super::Folder;
use crate::VirtualClock;
use crate::crash::{self, SmallDisk, memory};
use bytes::Bytes;
use chrono::TimeDelta;
use futures_executor::block_on;
use mailtrail_core::event::Source;
use mailtrail_core::id::Category;
use mailtrail_core::store::{
    Advice, AppendError, EventStore, EventStoreExt, Filter, OpenError, Outcome,
};
use mailtrail_core::{AppendBatch, EventId, Expected, NewEvent, Position, StreamId, Version};

fn record(store: &impl EventStore, numbers: std::ops::Range<u64>) {
    block_on(store.record(numbers.map(crash::event).collect())).unwrap();
}

fn count(store: &impl EventStore) -> u64 {
    block_on(store.head()).unwrap().position.get()
}

/// A folder that is made read-only can't be opened, and is whole when it can be written to again. Without root it is
/// skipped: `test` is its path.
pub fn a_folder_made_read_only_is_unavailable_and_loses_nothing<F: Folder>(test: &str) {
    let Some(disk) = SmallDisk::in_memory("64m") else {
        return crash::skipped(test, "a disk in memory can't be mounted: this needs root");
    };
    let folder = disk.path().join("trail");
    {
        let store = F::open(&folder).unwrap();
        record(&store, 0..200);
    }
    assert!(disk.set_read_only(true));
    let refused = F::open(&folder).unwrap_err();
    assert!(matches!(refused, OpenError::Io(_)), "{refused:?}");
    assert!(disk.set_read_only(false));
    let store = F::open(&folder).unwrap();
    assert_eq!(
        block_on(store.record((0..200).map(crash::event).collect())).unwrap().outcome,
        Outcome::AlreadyStored
    );
}

/// `recorded_at` stands still until a clock that was set back has caught up, also over a reopening.
pub fn a_clock_set_back_an_hour_moves_no_record_back<F: Folder>() {
    let folder = tempfile::tempdir().unwrap();
    let clock = VirtualClock::default();
    let open = || F::open_by(Arc::new(clock.clone()), folder.path()).unwrap();
    let store = open();
    record(&store, 0..10);
    clock.advance(-TimeDelta::hours(1));
    record(&store, 10..20);
    drop(store);
    clock.advance(-TimeDelta::hours(1));
    let store = open();
    record(&store, 20..30);
    clock.advance(TimeDelta::hours(5));
    record(&store, 30..40);
    let page = block_on(store.read_all(&Filter::all(), Position::START, 100)).unwrap();
    assert_eq!(page.events.len(), 40);
    let times: Vec<_> = page.events.iter().map(|envelope| envelope.recorded_at).collect();
    assert!(times.is_sorted(), "{times:?}");
    assert_eq!(times[0], times[29], "it stands still until the clock has caught up");
    assert!(times[39] > times[29]);
}

fn large(number: u8, bytes: usize) -> (StreamId, NewEvent) {
    let data = Bytes::from(vec![number; bytes]);
    let id = EventId::from_bytes([number; 16]);
    let event = NewEvent::from_bytes(id, "large".into(), 1, data, Source::known("test"));
    (StreamId::from_parts(Category::DELIVERY, [1; 16]), event)
}

/// Large events are stored and read like others; a batch over the limit is refused, and divided by `record`.
pub fn an_event_of_16_mebibytes_is_an_event<F: Folder>() {
    let folder = tempfile::tempdir().unwrap();
    let facts: Vec<_> = (1..=5).map(|number| large(number, 16 << 20)).collect();
    {
        let store = F::open(folder.path()).unwrap();
        // Together they are over the limit of a batch; `record` divides them.
        let events = facts.iter().map(|(_, event)| event.clone()).collect();
        let whole = AppendBatch::new().write(facts[0].0, Expected::Any, events);
        let refused = block_on(store.append(whole)).unwrap_err();
        assert!(matches!(refused, AppendError::TooLarge { unit: "bytes", .. }), "{refused}");
        assert_eq!(refused.advice(), Advice::Smaller);
        assert_eq!(block_on(store.record(facts.clone())).unwrap().new_events(), 5);
    }
    let store = F::open(folder.path()).unwrap();
    let (mut read, mut next, mut pages) = (Vec::new(), Some(Position::START), 0);
    while let Some(after) = next {
        let page = block_on(store.read_all(&Filter::all(), after, 1_000)).unwrap();
        read.extend(page.events.into_iter().map(|stored| (stored.stream, stored.event)));
        (next, pages) = (page.next, pages + 1);
    }
    assert!(read == facts, "all of them, whole");
    assert!(pages > 1, "a page is bounded by its bytes too");
    let of_stream = block_on(store.stream(facts[0].0)).unwrap();
    assert_eq!(of_stream.len(), 5);
}

/// Many streams of one event each: a million with `MAILTRAIL_SOAK`, ten million where it says `10m`. Memory must not grow
/// with them.
pub fn many_streams<F: Folder>() {
    let streams: u64 = match std::env::var_os("MAILTRAIL_SOAK") {
        None => 20_000,
        Some(text) if text == "10m" => 10_000_000,
        Some(_) => 1_000_000,
    };
    let stream = |number: u64| {
        let mut id = [0; 16];
        id[..8].copy_from_slice(&number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
        StreamId::from_parts(Category::DELIVERY, id)
    };
    let folder = tempfile::tempdir().unwrap();
    let since = Instant::now();
    {
        let store = F::open(folder.path()).unwrap();
        let mut numbers = 0..streams;
        loop {
            let batch = numbers.by_ref().take(2_000);
            let facts: Vec<_> = batch.map(|n| (stream(n), crash::event(n).1)).collect();
            if facts.is_empty() {
                break;
            }
            block_on(store.record(facts)).unwrap();
        }
    }
    let written = since.elapsed();
    let store = F::open(folder.path()).unwrap();
    assert_eq!(count(&store), streams);
    for number in (0..streams).step_by(997) {
        let page = block_on(store.read_stream(stream(number), Version::FIRST, 10)).unwrap();
        assert_eq!(page.events.len(), 1);
        assert_eq!(page.events[0].event.event_id, crash::event(number).1.event_id);
    }
    let resident = memory::resident_bytes(std::process::id()) / 1_048_576;
    println!("{streams} streams: written in {written:?}, {resident} MiB resident");
    assert!(resident < 150 + streams / 2_000, "{resident} MiB");
}
