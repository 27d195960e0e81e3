//! Fifty million events on fjall: how much disk and memory they take, and whether the last are appended as fast as the first.
//!
//! Takes some minutes and fifteen gigabytes: only for who names it.

use std::fs;
use std::path::Path;
use std::time::Instant;

use futures_executor::block_on;
use mailtrail_benches::{Figure, Wanted, peak_bytes};
use mailtrail_core::event::Source;
use mailtrail_core::store::EventStoreExt;
use mailtrail_core::{DeliveryId, EventId, EventStore, NewEvent, StreamId};
use mailtrail_fjall::FjallStore;

const EVENTS: u64 = 50_000_000;
const TENTH: u64 = EVENTS / 10;
const BATCH: u64 = 1_000;

mailtrail_benches::allocator!();

fn main() {
    if !Wanted::from_args().names("growth") {
        return;
    }
    let folder = mailtrail_benches::dataset::place().join("growth");
    fs::remove_dir_all(&folder).ok();
    let store = FjallStore::open(&folder).unwrap();
    let mut rates = Vec::new();
    for tenth in 0..10 {
        let since = Instant::now();
        for first in (tenth * TENTH..(tenth + 1) * TENTH).step_by(BATCH as usize) {
            block_on(store.record((first..first + BATCH).map(event).collect())).unwrap();
        }
        rates.push(TENTH as f64 / since.elapsed().as_secs_f64());
        let events = (tenth + 1) * TENTH;
        eprintln!(
            "{events} events: {:.0} a second, {} MiB at the peak, {} bytes an event on disk",
            rates[rates.len() - 1],
            peak_bytes() >> 20,
            bytes_in(&folder) / events,
        );
    }
    assert_eq!(block_on(store.head()).unwrap().position.get(), EVENTS);
    drop(store);
    let since = Instant::now();
    let store = FjallStore::open(&folder).unwrap();
    let opened = since.elapsed();
    assert_eq!(block_on(store.head()).unwrap().position.get(), EVENTS);
    let bytes = bytes_in(&folder) as f64 / EVENTS as f64;
    Figure::new("growth.bytes", bytes, "bytes an event on disk, of 50 M, index included").print();
    Figure::new("growth.peak", peak_bytes() as f64 / 1_048_576.0, "MiB at the peak").print();
    let slowest = rates.iter().copied().fold(f64::MAX, f64::min);
    let of_which = [
        ("growth.last", rates[9], "events/s of the last 5 M, batches of 1,000"),
        ("growth.slowest", slowest, "events/s of the slowest 5 M"),
    ];
    for (name, rate, unit) in of_which {
        Figure::new(name, rate, unit).against("the first 5 M", rates[0]).at_least(0.25).print();
    }
    Figure::new("growth.open", opened.as_secs_f64() * 1e3, "ms to open it again").print();
    drop(store);
    fs::remove_dir_all(&folder).unwrap();
}

/// Four of a delivery, those of many deliveries in turn: each as small as a provider's are.
fn event(number: u64) -> (StreamId, NewEvent) {
    let (round, place) = (number / (4 * BATCH), number % BATCH);
    let delivery = DeliveryId::from_bytes(id(round * BATCH + place));
    let data = format!(r#"{{"attempt":1,"provider":{{"message_id":"m-{number}","name":"p"}}}}"#);
    let source = Source::known("webhook:p");
    let id = EventId::from_bytes(id(number ^ (1 << 63)));
    let event = NewEvent::from_bytes(id, "delivered".into(), 1, data.into(), source);
    (StreamId::delivery(delivery), event)
}

/// As ids are: without an order.
fn id(number: u64) -> [u8; 16] {
    let mixed = |number: u64| {
        let mixed = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)).to_be_bytes()
    };
    let mut id = [0; 16];
    id[..8].copy_from_slice(&mixed(number));
    id[8..].copy_from_slice(&mixed(number ^ 0x9e37_79b9_7f4a_7c15));
    id
}

fn bytes_in(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let bytes = |entry: fs::DirEntry| match entry.metadata() {
        Ok(data) if data.is_dir() => bytes_in(&entry.path()),
        Ok(data) => data.len(),
        Err(_) => 0,
    };
    entries.map(bytes).sum()
}
