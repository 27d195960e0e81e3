//! How long does a page of the Email Log take at a million deliveries, and what do all reports cost to build beside the
//! Email Log alone?

use std::hint::black_box;
use std::time::{Duration, Instant};

use mailtrail::core::projection::Projection;
use mailtrail::report::{BroadcastSummary, EmailLog, EmailLogState, Paging, Query, Trails};
use mailtrail_benches::{Figure, Wanted, best_of, broadcast, envelopes, peak_bytes, percentile};
use mailtrail_core::{Envelope, Status};

/// Deliveries of each broadcast.
const EACH: u64 = 10_000;
const BROADCASTS: u64 = 100;

fn main() {
    let wanted = Wanted::from_args();
    if wanted.has("report.rebuild_all") {
        rebuild_all();
    }
    if wanted.has("report.page.p99_ms") {
        pages();
    }
}

/// A hundred rows, filtered and sorted, of one broadcast and of all.
fn pages() {
    let mut state = EmailLogState::default();
    for number in 0..BROADCASTS {
        build(&EmailLog, &mut state, &envelopes(&broadcast(number, EACH)));
    }
    let one = Query::of("b0042".parse().unwrap()).status(Status::Delivered);
    let paging = |sort: &str| Paging::default().sort(sort.parse().unwrap()).limit(100);
    let all = Query::default().status(Status::Delivered);
    for (name, query, paging, times) in [
        ("report.page.p99_ms", &all, paging("last_change:desc"), 20),
        ("report.page.unsorted.p99_ms", &all, Paging::default().limit(100), 20),
        ("report.page.broadcast.p99_ms", &one, paging("last_change:desc"), 200),
    ] {
        let mut took: Vec<f64> = (0..times).map(|_| page(&state, query, &paging)).collect();
        took.sort_by(f64::total_cmp);
        Figure::new(name, percentile(&took, 0.99), "ms").at_most(20.0).print();
    }
}

fn page(state: &EmailLogState, query: &Query, paging: &Paging) -> f64 {
    let start = Instant::now();
    let page = state.page(query, paging).unwrap();
    assert_eq!(page.rows.len(), 100);
    black_box(page);
    start.elapsed().as_secs_f64() * 1_000.0
}

/// The states from which all reports are made, in one process after the other.
fn rebuild_all() {
    let events = envelopes(&(0..20).flat_map(|number| broadcast(number, EACH)).collect());
    let alone = timed(&EmailLog, &events);
    let all = alone + timed(&BroadcastSummary, &events) + timed(&Trails, &events);
    Figure::new("report.rebuild_all", all.as_secs_f64(), "s")
        .against("the Email Log alone", alone.as_secs_f64())
        .at_most(3.0)
        .print();
    Figure::new("report.rebuild_all.peak", peak_bytes() as f64, "bytes, with the events").print();
}

fn timed<P: Projection>(projection: &P, events: &[Envelope]) -> Duration {
    best_of(3, || {
        let mut state = P::State::default();
        build(projection, &mut state, events);
        black_box(&state);
    })
}

fn build<P: Projection>(projection: &P, state: &mut P::State, events: &[Envelope]) {
    for envelope in events {
        projection.apply(envelope, state).unwrap();
    }
}
