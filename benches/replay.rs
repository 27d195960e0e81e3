//! How fast is a log read, decoded and folded, on one core: from memory, and from each embedded store? How long does each
//! take to open?
//!
//! Beside the stores on disk: a loop that reads the same records from a flat file, checks their CRC and counts by stream,
//! without decoding them.

use std::collections::HashMap;
use std::fs::File;
use std::hint::black_box;
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::Path;
use std::time::Instant;

use futures_executor::block_on;
use mailtrail_benches::{Figure, History, Wanted, best_of, history};
use mailtrail_core::StreamId;
use mailtrail_core::fold::{ById, Fold};
use mailtrail_core::id::Category;
use mailtrail_core::store::{EventStore, EventStoreExt, Filter, Page, Position, record};
use mailtrail_fjall::FjallStore;
use mailtrail_memory::MemoryStore;
use mailtrail_sled::SledStore;

mailtrail_benches::allocator!();

fn main() {
    let wanted = Wanted::from_args();
    if wanted.has("replay.memory") {
        memory();
    }
    if wanted.has("replay.made") {
        made();
    }
    if ["replay.fjall", "replay.sled", "open.fjall", "open.sled"]
        .iter()
        .any(|name| wanted.has(name))
    {
        disk();
    }
}

fn memory() {
    let store = MemoryStore::new();
    let events = history(200_000);
    fill(&store, &events);
    let replay = best_of(3, || {
        black_box(fold(&store));
    });
    let value = events.len() as f64 / replay.as_secs_f64() / 1e6;
    Figure::new("replay.memory", value, "M events/s").at_least(1.0).print();
}

/// How fast events are made that a store takes.
fn made() {
    let mut count = 0;
    let time = best_of(3, || count = black_box(history(20_000)).len());
    let value = count as f64 / time.as_secs_f64() / 1e6;
    Figure::new("replay.made", value, "M events/s, of a fact to its stored JSON").print();
}

fn disk() {
    let folder = tempfile::tempdir().unwrap();
    let (fast, slow) = (folder.path().join("fjall"), folder.path().join("sled"));
    let events = history(200_000);
    fill(&FjallStore::open(&fast).unwrap(), &events);
    fill(&SledStore::open(&slow).unwrap(), &events);
    let since = Instant::now();
    let fjall = FjallStore::open(&fast).unwrap();
    let fjall_opened = since.elapsed().as_secs_f64() * 1e3;
    let since = Instant::now();
    let sled = SledStore::open(&slow).unwrap();
    let sled_opened = since.elapsed().as_secs_f64() * 1e3;
    let records = folder.path().join("records");
    write_flat(&fjall, &records);
    let rate = |run: &dyn Fn()| events.len() as f64 / best_of(3, run).as_secs_f64() / 1e6;
    let flat = rate(&|| read_flat(&records));
    Figure::new("replay.flat", flat, "M records/s, read, checked and counted").print();
    let value = rate(&|| drop(black_box(fold(&fjall))));
    Figure::new("replay.fjall", value, "M events/s, one core").against("replay.flat", flat).print();
    let value = rate(&|| each(&fjall, |page| drop(black_box(page))));
    Figure::new("replay.fjall.read", value, "M events/s of it, decoded and not folded")
        .against("replay.flat", flat)
        .print();
    let facts = |page: Page| page.events.iter().for_each(|event| drop(black_box(event.fact())));
    let value = rate(&|| each(&fjall, facts));
    Figure::new(
        "replay.fjall.facts",
        value,
        "M events/s of it, with their data read and not folded",
    )
    .against("replay.flat", flat)
    .print();
    let value = rate(&|| drop(black_box(fold(&sled))));
    Figure::new("replay.sled", value, "M events/s, one core").against("replay.flat", flat).print();
    Figure::new("open.fjall", fjall_opened, "ms, of 860 k events, closed before").print();
    Figure::new("open.sled", sled_opened, "ms, of the same").print();
}

fn fill(store: &dyn EventStore, events: &History) {
    for chunk in events.chunks(5_000) {
        block_on(store.record(chunk.to_vec())).unwrap();
    }
}

fn fold(store: &dyn EventStore) -> Fold {
    let mut fold = Fold::default();
    each(store, |page| {
        for envelope in &page.events {
            fold.add(envelope);
        }
    });
    fold
}

fn each(store: &dyn EventStore, mut visit: impl FnMut(Page)) {
    let mut next = Some(Position::START);
    while let Some(after) = next {
        let page = block_on(store.read_all(&Filter::all(), after, 4_096)).unwrap();
        next = page.next;
        visit(page);
    }
}

fn write_flat(store: &dyn EventStore, to: &Path) {
    let mut out = BufWriter::new(File::create(to).unwrap());
    each(store, |page| {
        for envelope in &page.events {
            let bytes = record::encode(envelope);
            out.write_all(&u32::try_from(bytes.len()).unwrap().to_be_bytes()).unwrap();
            out.write_all(&bytes).unwrap();
        }
    });
}

fn read_flat(records: &Path) {
    let mut file = BufReader::with_capacity(1 << 20, File::open(records).unwrap());
    let mut counts: HashMap<StreamId, u32, ById> = HashMap::default();
    let (mut length, mut record) = ([0; 4], Vec::new());
    while file.read_exact(&mut length).is_ok() {
        record.resize(u32::from_be_bytes(length) as usize, 0);
        file.read_exact(&mut record).unwrap();
        let (crc, rest) = record.split_first_chunk::<4>().unwrap();
        assert_eq!(crc32c::crc32c(rest), u32::from_be_bytes(*crc));
        // The stream's id stands behind: frame length, format, position, category.
        let category = u32::from_be_bytes(rest[13..17].try_into().unwrap()) as usize;
        let id: [u8; 16] = rest[17 + category..33 + category].try_into().unwrap();
        *counts.entry(StreamId::from_parts(Category::DELIVERY, id)).or_default() += 1;
    }
    black_box(counts.len());
}
