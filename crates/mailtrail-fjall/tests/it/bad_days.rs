//! Bad days: whatever happens, nothing that was acknowledged is lost. `docs/bad-days.md` says what the user sees.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use chrono::TimeDelta;
use futures_executor::block_on;
use mailtrail_core::event::Source;
use mailtrail_core::id::Category;
use mailtrail_core::store::{
    Advice, AppendError, EventStore, EventStoreExt, Filter, OpenError, Outcome,
};
use mailtrail_core::{AppendBatch, EventId, Expected, NewEvent, Position, StreamId, Version};
use mailtrail_fjall::FjallStore;
use mailtrail_testkit::VirtualClock;
use mailtrail_testkit::crash::{self, SmallDisk};

fn record(store: &FjallStore, numbers: std::ops::Range<u64>) {
    block_on(store.record(numbers.map(crash::event).collect())).unwrap();
}

fn count(store: &FjallStore) -> u64 {
    block_on(store.head()).unwrap().position.get()
}

#[test]
fn a_folder_made_read_only_is_unavailable_and_loses_nothing() {
    let test =
        concat!(module_path!(), "::a_folder_made_read_only_is_unavailable_and_loses_nothing");
    let Some(disk) = SmallDisk::in_memory("64m") else {
        return crash::skipped(test, "a disk in memory can't be mounted: this needs root");
    };
    let folder = disk.path().join("trail");
    {
        let store = FjallStore::open(&folder).unwrap();
        record(&store, 0..200);
    }
    assert!(disk.set_read_only(true));
    let refused = FjallStore::open(&folder).unwrap_err();
    assert!(matches!(refused, OpenError::Io(_)), "{refused:?}");
    assert!(disk.set_read_only(false));
    let store = FjallStore::open(&folder).unwrap();
    assert_eq!(
        block_on(store.record((0..200).map(crash::event).collect())).unwrap().outcome,
        Outcome::AlreadyStored
    );
}

#[test]
fn a_clock_set_back_an_hour_moves_no_record_back() {
    let folder = tempfile::tempdir().unwrap();
    let clock = VirtualClock::default();
    let open = || FjallStore::options().clock(Arc::new(clock.clone())).open(folder.path()).unwrap();
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

#[test]
fn an_event_of_16_mebibytes_is_an_event() {
    let folder = tempfile::tempdir().unwrap();
    let facts: Vec<_> = (1..=5).map(|number| large(number, 16 << 20)).collect();
    {
        let store = FjallStore::open(folder.path()).unwrap();
        // Together they are over the limit of a batch; `record` divides them.
        let events = facts.iter().map(|(_, event)| event.clone()).collect();
        let whole = AppendBatch::new().write(facts[0].0, Expected::Any, events);
        let refused = block_on(store.append(whole)).unwrap_err();
        assert!(matches!(refused, AppendError::TooLarge { unit: "bytes", .. }), "{refused}");
        assert_eq!(refused.advice(), Advice::Smaller);
        assert_eq!(block_on(store.record(facts.clone())).unwrap().new_events(), 5);
    }
    let store = FjallStore::open(folder.path()).unwrap();
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

/// A million with `MAILTRAIL_SOAK`, ten million where it says `10m`.
#[test]
fn many_streams_soak() {
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
        let store = FjallStore::open(folder.path()).unwrap();
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
    let store = FjallStore::open(folder.path()).unwrap();
    assert_eq!(count(&store), streams);
    for number in (0..streams).step_by(997) {
        let page = block_on(store.read_stream(stream(number), Version::FIRST, 10)).unwrap();
        assert_eq!(page.events.len(), 1);
        assert_eq!(page.events[0].event.event_id, crash::event(number).1.event_id);
    }
    let resident = resident_bytes() / 1_048_576;
    println!("{streams} streams: written in {written:?}, {resident} MiB resident");
    // sled once kept 7 kB for each event that was ever written: see `read::apply`.
    assert!(resident < 150 + streams / 2_000, "{resident} MiB");
}

fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1_024
}
