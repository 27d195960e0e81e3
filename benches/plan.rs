//! How fast are a million contacts planned, and with how much memory beside the store?

use std::hint::black_box;
use std::time::Instant;

use futures_executor::block_on;
use mailtrail_benches::{Figure, Wanted};
use mailtrail_core::plan::{Broadcast, Contact, ContactAddress, Planner};
use mailtrail_core::store::EventStore;
use mailtrail_memory::MemoryStore;

const CONTACTS: u64 = 1_000_000;

fn main() {
    let wanted = Wanted::from_args();
    if !wanted.has("plan.million") {
        return;
    }
    let store = MemoryStore::new();
    let clock = || chrono::DateTime::UNIX_EPOCH;
    let start = Instant::now();
    let report = block_on(async {
        let broadcast = Broadcast::new(id("b"), id("general"));
        let mut planner = Planner::open(&store, broadcast, &clock).await?;
        for number in 0..CONTACTS {
            let address = ContactAddress::new(format!("person{number}@a.example"));
            planner.add(Contact::new(id(&format!("c{number}"))).address(address)).await?;
        }
        planner.finish().await
    })
    .unwrap();
    assert_eq!(report.queued, CONTACTS);
    let rate = CONTACTS as f64 / start.elapsed().as_secs_f64();
    black_box(block_on(store.head()).ok());
    Figure::new("plan.million", rate, "contacts/s").print();
    // The memory store holds what it stores; its two events a row are counted out by their number.
    let per_row = peak_bytes() as f64 / CONTACTS as f64;
    Figure::new("plan.million.peak", per_row, "bytes/row resident, the store's own included")
        .print();
}

fn id<T: std::str::FromStr<Err = E>, E: std::fmt::Debug>(text: &str) -> T {
    text.parse().unwrap()
}

/// The peak resident set, as the kernel counts it.
fn peak_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM"));
    let kilobytes = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
    kilobytes.unwrap_or(0) * 1_024
}
