//! How long does a page of the Email Log take at a million deliveries, and what do all reports cost to build beside the
//! Email Log alone?

use std::hint::black_box;
use std::time::Instant;

use mailtrail::core::projection::Projection;
use mailtrail::projection::Runner;
use mailtrail::report::{EmailLog, EmailLogIndex, EmailLogState, Paging, Query};
use mailtrail_benches::dataset::{Dataset, Engine};
use mailtrail_benches::{Figure, Wanted, broadcast, envelopes, percentile, resident_bytes};
use mailtrail_core::{Envelope, Status};

/// Deliveries of each broadcast.
const EACH: u64 = 10_000;
const BROADCASTS: u64 = 100;

mailtrail_benches::allocator!();

fn main() {
    let wanted = Wanted::from_args();
    if wanted.has("report.index.kept") {
        index();
    }
    if wanted.has("report.page.p99_ms") {
        pages();
    }
}

/// The index, as whoever starts makes it: from the state that is kept on disk.
fn index() {
    let set = Dataset::of(Engine::Fjall, 3);
    let store = set.engine().open(&set.store());
    let states = set.engine().states(&set.store());
    let state = Runner::parted(store, states, EmailLog).state().unwrap().unwrap();
    let start = Instant::now();
    let index = EmailLogIndex::of(&state, &Query::default()).unwrap();
    let rate = index.len() as f64 / start.elapsed().as_secs_f64();
    Figure::new("report.index.kept", rate, "rows/s of 300,000, from fjall").print();
}

/// A hundred rows, filtered and sorted, of one broadcast and of all.
fn pages() {
    let mut state = EmailLogState::default();
    for number in 0..BROADCASTS {
        build(&EmailLog, &mut state, &envelopes(&broadcast(number, EACH)));
    }
    let (before, start) = (resident_bytes(), Instant::now());
    let index = EmailLogIndex::of(&state, &Query::default()).unwrap();
    Figure::new("report.index.s", start.elapsed().as_secs_f64(), "s").print();
    let bytes = resident_bytes().saturating_sub(before) as f64;
    Figure::new("report.index.bytes_per_row", bytes / index.len() as f64, "bytes").print();
    let one = Query::of("b0042".parse().unwrap()).status(Status::Delivered);
    let paging = |sort: &str| Paging::default().sort(sort.parse().unwrap()).limit(100);
    let all = Query::default().status(Status::Delivered);
    let text = Query::default().search("no such mailbox");
    for (name, query, paging) in [
        ("report.page.p99_ms", &all, paging("last_change:desc")),
        ("report.page.by_text.p99_ms", &all, paging("email_address:desc")),
        ("report.page.unsorted.p99_ms", &all, Paging::default().limit(100)),
        ("report.page.search.p99_ms", &text, paging("last_change:desc")),
        ("report.page.broadcast.p99_ms", &one, paging("last_change:desc")),
    ] {
        let mut took: Vec<f64> = (0..200).map(|_| page(&index, &state, query, &paging)).collect();
        took.sort_by(f64::total_cmp);
        Figure::new(name, percentile(&took, 0.99), "ms").at_most(20.0).print();
    }
}

/// A page as it is shown: found in the index, read from the state, and how many there are.
fn page(index: &EmailLogIndex, state: &EmailLogState, query: &Query, paging: &Paging) -> f64 {
    let start = Instant::now();
    index.check(query, paging.sort.as_ref()).unwrap();
    let found = index.find(query, paging).unwrap();
    let rows = state.rows_of(&found.deliveries, query.now).unwrap();
    assert!(rows.len() == 100 && found.count >= 100, "{} of {}", rows.len(), found.count);
    black_box(rows);
    start.elapsed().as_secs_f64() * 1_000.0
}

fn build<P: Projection>(projection: &P, state: &mut P::State, events: &[Envelope]) {
    for envelope in events {
        projection.apply(envelope, state).unwrap();
    }
}
