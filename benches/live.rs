//! How soon does an open page show what was acknowledged, at 2,000 events a second? And do two hundred who look at one
//! broadcast all see its last state?
//!
//! As `serve` does it: each event is durable in an embedded store before it is acknowledged, two projections follow on
//! threads of their own, and whoever looks holds a stream over HTTP. All are in one process, on the same cores.

use std::collections::HashMap;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use futures_executor::block_on;
use mailtrail::Tracker;
use mailtrail::page::{OpenPage, Page, Role, User};
use mailtrail::projection::{Live, Runner};
use mailtrail::report::{BroadcastSummary, EmailLog, Trails};
use mailtrail::serve::{Running, Server};
use mailtrail_benches::server::now;
use mailtrail_benches::viewer::Viewer;
use mailtrail_benches::{Figure, Wanted, broadcast, delivery, percentile, resident_bytes};
use mailtrail_core::event::{Delivered, Provenance, Source};
use mailtrail_core::projection::{Parted, Projection};
use mailtrail_core::store::EventStoreExt;
use mailtrail_core::{
    DeliveryId, EventId, EventStore, Fact, NewEvent, Position, Private, StreamId,
};
use mailtrail_sled::{SledStates, SledStore};
use tokio::runtime::Runtime;

const CHILD: &str = "MAILTRAIL_BENCH_CHILD";
const SECRET: &str = "a-secret-of-the-bench-0123456789";

mailtrail_benches::allocator!();

fn main() {
    if let Some(job) = std::env::var_os(CHILD) {
        let viewers = job.to_str().unwrap().parse().unwrap();
        let (grown, worst) = runtime().block_on(many(viewers));
        return println!("{grown} {worst}");
    }
    let wanted = Wanted::from_args();
    // The first rows of the log, and those that changed last.
    for (name, query) in
        [("report.live", "limit=1000"), ("report.live.sorted", "limit=1000&sort=last_change:desc")]
    {
        if wanted.has(&format!("{name}.p95_ms")) {
            print(name, &runtime().block_on(latencies(query)));
        }
    }
    if wanted.has("report.live.viewers") {
        viewers();
    }
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap()
}

/// Milliseconds from the acknowledgement of an event until it is seen.
struct Latencies {
    /// In its row: of events of rows that are shown.
    row: Vec<f64>,
    /// In the counts: of all events.
    counts: Vec<f64>,
}

fn print(name: &str, latencies: &Latencies) {
    let figure =
        |name: String, values: &[f64], part| Figure::new(name, percentile(values, part), "ms");
    figure(format!("{name}.p95_ms"), &latencies.row, 0.95).at_most(500.0).print();
    figure(format!("{name}.p50_ms"), &latencies.row, 0.5).print();
    figure(format!("{name}.p99_ms"), &latencies.row, 0.99).print();
    figure(format!("{name}.counts.p95_ms"), &latencies.counts, 0.95).print();
    eprintln!("{name}: {} events of rows that were shown", latencies.row.len());
}

async fn latencies(query: &str) -> Latencies {
    let folder = tempfile::tempdir().unwrap();
    let site = Site::open(folder.path()).await;
    let mut viewer = site.viewer(query).await;
    viewer.fragment().await;
    let load = site.load();
    let watching = tokio::spawn(async move {
        let (mut rows, mut counts) = (HashMap::new(), Vec::new());
        while counts.last().is_none_or(|(_, count)| *count < EVENTS) {
            let (at, shown) = viewer.fragment().await;
            counts.push((at, shown.delivered()));
            for row in shown.delivered_rows() {
                rows.entry(row).or_insert(at);
            }
        }
        (rows, counts)
    });
    let acknowledged = load.await.unwrap();
    let (rows, counts) = watching.await.unwrap();
    site.close().await;
    let shown = |(_, delivery, at): &Acknowledged| Some(ms(*at, *rows.get(delivery)?));
    let mut row: Vec<f64> = acknowledged.iter().filter_map(shown).collect();
    row.sort_by(f64::total_cmp);
    Latencies { row, counts: of_counts(&acknowledged, &counts) }
}

/// When which count was seen first.
type Counts = Vec<(Instant, usize)>;

/// In order. Events are applied in the log's order: a count of n is that of the first n of them.
fn of_counts(acknowledged: &[Acknowledged], counts: &Counts) -> Vec<f64> {
    let (mut counted, mut latencies) = (0, Vec::new());
    for (seen, count) in counts {
        let events = &acknowledged[counted..*count];
        latencies.extend(events.iter().map(|(_, _, at)| ms(*at, *seen)));
        counted = *count;
    }
    latencies.sort_by(f64::total_cmp);
    latencies
}

/// None, where it was seen before the writer was told.
fn ms(acknowledged: Instant, seen: Instant) -> f64 {
    seen.saturating_duration_since(acknowledged).as_secs_f64() * 1_000.0
}

fn viewers() {
    let ask = |viewers: usize| -> [f64; 2] {
        let mut command = Command::new(std::env::current_exe().unwrap());
        let output = command.env(CHILD, viewers.to_string()).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let numbers: Vec<f64> =
            text.split(' ').filter_map(|word| word.trim().parse().ok()).collect();
        numbers
            .try_into()
            .unwrap_or_else(|_| panic!("{text}{}", String::from_utf8_lossy(&output.stderr)))
    };
    let ([one, _], [all, worst]) = (ask(1), ask(VIEWERS));
    let saw = "viewers saw the last state, and none an older one again";
    Figure::new("report.live.viewers", VIEWERS as f64, saw).at_least(VIEWERS as f64).print();
    Figure::new("report.live.viewers.p95_ms", worst, "ms, that of the worst viewer").print();
    let grown = "MiB more in memory, when all has come in";
    Figure::new("report.live.viewers.growth", all / MEBIBYTE, grown).print();
    Figure::new("report.live.viewers.growth_one", one / MEBIBYTE, "MiB more, with one viewer")
        .print();
    let each = (all - one) / (VIEWERS - 1) as f64 / 1_024.0;
    Figure::new("report.live.viewers.each", each, "KiB a viewer, of both ends of its connection")
        .at_most(1_024.0)
        .print();
}

/// How many bytes more are in memory when all events have come in and all viewers have seen them, and the worst viewer's
/// 95th percentile.
async fn many(viewers: usize) -> (u64, f64) {
    let folder = tempfile::tempdir().unwrap();
    let site = Site::open(folder.path()).await;
    let before = resident_bytes();
    let mut watching = Vec::new();
    for _ in 0..viewers {
        let mut viewer = site.viewer("").await;
        watching.push(tokio::spawn(async move {
            let mut counts = Counts::new();
            let mut last = 0;
            while last < EVENTS {
                let (at, shown) = viewer.fragment().await;
                let count = shown.delivered();
                assert!(count >= last, "a viewer saw {last}, then {count}");
                counts.push((at, count));
                last = count;
            }
            (viewer, counts)
        }));
    }
    let acknowledged = site.load().await.unwrap();
    let mut held = Vec::new();
    for viewer in watching {
        let seen = tokio::time::timeout(Duration::from_secs(10), viewer).await;
        held.push(seen.expect("each sees the last state").unwrap());
    }
    let grown = resident_bytes().saturating_sub(before);
    let p95 = |counts| percentile(&of_counts(&acknowledged, counts), 0.95);
    let worst = held.iter().map(|(_, counts)| p95(counts)).fold(0.0, f64::max);
    drop(held);
    site.close().await;
    (grown, worst)
}

/// A page that is served, with a broadcast whose messages were all handed over.
struct Site {
    store: Arc<dyn EventStore>,
    live: (Followed<EmailLog>, Followed<BroadcastSummary>, Followed<Trails>),
    page: OpenPage,
    running: Running,
}

fn follow<P: Projection<State: Parted> + 'static>(
    store: &Arc<dyn EventStore>,
    states: &Arc<SledStates>,
    projection: P,
) -> Followed<P>
where
    P::State: 'static,
{
    Arc::new(Runner::parted(store.clone(), states.clone(), projection).spawn().unwrap())
}

type Followed<P> = Arc<Live<P>>;

/// What was acknowledged: where it is, whose, and when.
type Acknowledged = (Position, DeliveryId, Instant);

impl Site {
    async fn open(folder: &Path) -> Self {
        let store: Arc<dyn EventStore> = Arc::new(SledStore::open(folder.join("trail")).unwrap());
        let states = Arc::new(SledStates::open(folder.join("projections")).unwrap());
        let mut planned = broadcast(0, EVENTS as u64);
        planned.retain(|(_, event)| {
            ["queued", "attempted", "sent"].contains(&event.event_type.as_str())
        });
        for events in planned.chunks(1_000) {
            store.record(events.to_vec()).await.unwrap();
        }
        let live = (
            follow(&store, &states, EmailLog),
            follow(&store, &states, BroadcastSummary),
            follow(&store, &states, Trails),
        );
        let head = store.head().await.unwrap().position;
        live.0.reached(head).await;
        live.1.reached(head).await;
        live.2.reached(head).await;
        let tracker = Tracker::shared(store.clone()).states(states).open();
        let page = Page::new(tracker, live.0.clone(), live.1.clone(), live.2.clone())
            .user(User::new("bench", Role::ReadOnly, SECRET).unwrap())
            .open();
        let running = Server::new(page.router()).bind(([127, 0, 0, 1], 0).into()).unwrap();
        Self { store, live, page, running }
    }

    async fn viewer(&self, query: &str) -> Viewer {
        let path = format!("/live/broadcast?id=b0000&{query}");
        Viewer::of(self.running.local_addr(), &path, SECRET).await
    }

    /// All are delivered, in an order that is not that of the log's rows; in order of position.
    fn load(&self) -> tokio::task::JoinHandle<Vec<Acknowledged>> {
        let store = self.store.clone();
        tokio::task::spawn_blocking(move || {
            let start = Instant::now();
            let writers: Vec<_> = (0..WRITERS)
                .map(|writer| {
                    let store = store.clone();
                    thread::spawn(move || write(&*store, writer, start))
                })
                .collect();
            let of_all = writers.into_iter().flat_map(|writer| writer.join().unwrap());
            let mut acknowledged: Vec<Acknowledged> = of_all.collect();
            let rate = EVENTS as f64 / start.elapsed().as_secs_f64();
            assert!(rate > 0.95 * RATE, "only {rate:.0} events/s came in");
            acknowledged.sort_unstable();
            acknowledged
        })
    }

    async fn close(self) {
        self.page.close();
        drop((self.page, self.live));
        assert!(self.running.stop(Duration::from_secs(10)).await);
    }
}

/// One event after the other, each acknowledged for itself.
fn write(store: &dyn EventStore, writer: usize, start: Instant) -> Vec<Acknowledged> {
    let own = (writer..EVENTS).step_by(WRITERS);
    own.map(|number| {
        let due = start + Duration::from_secs_f64(number as f64 / RATE);
        thread::sleep(due.saturating_duration_since(Instant::now()));
        let id = delivery((number * 7_919 % EVENTS) as u64);
        let mut event_id = *id.as_bytes();
        event_id[0] ^= 0xff;
        let fact = Fact::new(Delivered::default().into());
        let (id_of, source) = (EventId::from_bytes(event_id), Source::known("bench"));
        let event = NewEvent::new(id_of, &fact, &Private::default(), source)
            .unwrap()
            .occurred_at(Some(now()))
            .provenance(Provenance::observed());
        let appended = block_on(store.record(vec![(StreamId::delivery(id), event)])).unwrap();
        (appended.last_position().unwrap(), id, Instant::now())
    })
    .collect()
}

const EVENTS: usize = 40_000;
const RATE: f64 = 2_000.0;
const WRITERS: usize = 16;
const VIEWERS: usize = 200;
const MEBIBYTE: f64 = 1_048_576.0;
