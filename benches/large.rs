//! Ten million events on each embedded store: how fast are they read again, by one thread and by two; how fast does a report open, and
//! how fast is one delivery's status known?
//!
//! Beside the replay: a loop that reads the same records from a flat file, checks them and counts by stream, without
//! decoding them.

use std::collections::HashMap;
use std::fs::File;
use std::hint::black_box;
use std::io::{BufReader, Read};
use std::num::NonZero;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_executor::block_on;
use mailtrail::Tracker;
use mailtrail::projection::{Runner, build};
use mailtrail::report::{BroadcastSummary, EmailLog, Trails};
use mailtrail_benches::dataset::{BROADCAST, Dataset, Engine};
use mailtrail_benches::{Figure, Wanted, delivery, peak_bytes, percentile};
use mailtrail_core::fold::ById;
use mailtrail_core::projection::{AsOf, KeptState, Parted, Projection, StateStore};
use mailtrail_core::{EventStore, Status, StreamId};

const CHILD: &str = "MAILTRAIL_BENCH_CHILD";

mailtrail_benches::allocator!();

fn main() {
    if let Some(job) = std::env::var_os(CHILD) {
        return child(&job.to_string_lossy());
    }
    let wanted = Wanted::from_args();
    let names = ["replay.one", "replay.two", "open.ms", "status.cold.p99_us", "report.rebuild_all"];
    for engine in [Engine::Fjall, Engine::Sled] {
        let name = |figure: &str| match (engine, figure.split_once('.')) {
            (Engine::Sled, Some((what, of))) => format!("{what}.sled.{of}"),
            (Engine::Fjall | Engine::Sled, _) => figure.to_owned(),
        };
        if !names.iter().any(|figure| wanted.has(&name(figure))) {
            continue;
        }
        let set = Dataset::open(engine);
        if wanted.has(&name("replay.one")) || wanted.has(&name("replay.two")) {
            replay(&set, &name);
        }
        if wanted.has(&name("open.ms")) {
            open(&set, &name);
        }
        if wanted.has(&name("status.cold.p99_us")) {
            status(&set, &name);
        }
        if wanted.has(&name("report.rebuild_all")) {
            rebuild_all(&set, &name);
        }
    }
}

fn replay(set: &Dataset, name: &dyn Fn(&str) -> String) {
    let (flat, events) = flat(set);
    let store = set.engine().open(&set.store());
    let run = |threads: usize| {
        let start = Instant::now();
        let threads = NonZero::new(threads).unwrap();
        let built = build(&*store, &BroadcastSummary, AsOf::Now, threads, &|_| ()).unwrap();
        let time = start.elapsed();
        assert_eq!(built.0.of_all().unwrap().rows(), set.deliveries());
        time
    };
    // Once before, so that both find the same in the caches.
    run(1);
    let (one, two) = (run(1), run(2));
    let (one_again, two_again) = (run(1), run(2));
    let rate = |time: Duration| events as f64 / time.as_secs_f64() / 1e6;
    let (one, two) = (rate(one.min(one_again)), rate(two.min(two_again)));
    Figure::new("replay.flat", rate(flat), "M records/s, read, checked and counted").print();
    Figure::new(name("replay.one"), one, "M events/s, one thread")
        .against("replay.flat", rate(flat))
        .at_least(0.3)
        .print();
    Figure::new(name("replay.two"), two, "M events/s, two threads")
        .against("replay.one", one)
        .at_least(1.6)
        .print();
}

/// Reads the flat file once to warm the caches, then again.
fn flat(set: &Dataset) -> (Duration, u64) {
    let mut last = (Duration::ZERO, 0);
    for _ in 0..2 {
        let start = Instant::now();
        let mut file = BufReader::with_capacity(1 << 20, File::open(set.records()).unwrap());
        let mut counts: HashMap<StreamId, u32, ById> = HashMap::default();
        let (mut length, mut record, mut events) = ([0; 4], Vec::new(), 0_u64);
        while file.read_exact(&mut length).is_ok() {
            record.resize(u32::from_be_bytes(length) as usize, 0);
            file.read_exact(&mut record).unwrap();
            let (crc, rest) = record.split_first_chunk::<4>().unwrap();
            assert_eq!(crc32c::crc32c(rest), u32::from_be_bytes(*crc));
            // The stream's id stands behind: frame length, format, position, category.
            let category = u32::from_be_bytes(rest[13..17].try_into().unwrap()) as usize;
            let id: [u8; 16] = rest[17 + category..33 + category].try_into().unwrap();
            let stream = StreamId::from_parts(mailtrail_core::id::Category::DELIVERY, id);
            *counts.entry(stream).or_default() += 1;
            events += 1;
        }
        black_box(counts.len());
        last = (start.elapsed(), events);
    }
    last
}

/// Each in a process of its own; the caches of the operating system are warm.
fn open(set: &Dataset, name: &dyn Fn(&str) -> String) {
    let mut times: Vec<[f64; 4]> = (0..3).map(|_| ask("open", set)).collect();
    times.sort_by(|a, b| a[3].total_cmp(&b[3]));
    let [store, states, asked, all] = times[1];
    Figure::new(name("open.ms"), all, "ms: the store, then a summary and a status from kept state")
        .print();
    Figure::new(name("open.ms.store"), store, "ms of it to open the log").print();
    Figure::new(name("open.ms.states"), states, "ms of it to open the kept states").print();
    Figure::new(name("open.ms.report"), asked, "ms of it for the summary and the status").print();
}

fn status(set: &Dataset, name: &dyn Fn(&str) -> String) {
    let [p50, p99, p999, _] = ask("status", set);
    Figure::new(name("status.cold.p50_us"), p50, "µs").print();
    Figure::new(name("status.cold.p99_us"), p99, "µs").at_most(1_000.0).print();
    Figure::new(name("status.cold.p999_us"), p999, "µs").print();
    let [p50, p99, _, _] = ask("events", set);
    Figure::new(name("status.events.p50_us"), p50, "µs, from the events").print();
    Figure::new(name("status.events.p99_us"), p99, "µs, from the events").print();
}

/// As after an update that reads events anew: each state is built from the whole log by all cores, and kept on disk.
fn rebuild_all(set: &Dataset, name: &dyn Fn(&str) -> String) {
    let [alone, alone_peak, ..] = ask("rebuild_alone", set);
    let [all, peak, ..] = ask("rebuild_all", set);
    Figure::new(name("report.rebuild_all"), all, "s for the states of all reports, kept")
        .against("the Email Log alone", alone)
        .at_most(3.0)
        .print();
    let gib = |bytes: f64| bytes / f64::from(1 << 30);
    Figure::new(name("report.rebuild_all.peak"), gib(peak), "GiB resident at most")
        .against("the Email Log alone", gib(alone_peak))
        .print();
}

fn ask(job: &str, set: &Dataset) -> [f64; 4] {
    let mut command = Command::new(std::env::current_exe().unwrap());
    let output = command
        .env(CHILD, format!("{job} {}", set.engine().name()))
        .env("MAILTRAIL_BENCH_FOLDER", set.store())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let numbers: Vec<f64> = text.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    numbers
        .try_into()
        .unwrap_or_else(|_| panic!("{text}{}", String::from_utf8_lossy(&output.stderr)))
}

fn child(job: &str) {
    let (job, engine) = job.split_once(' ').unwrap();
    let engine = Engine::of(engine).unwrap();
    let folder = std::path::PathBuf::from(std::env::var_os("MAILTRAIL_BENCH_FOLDER").unwrap());
    if let Some(which) = job.strip_prefix("rebuild_") {
        return rebuild(engine, &folder, which == "all");
    }
    let start = Instant::now();
    let ms = |since: Instant| since.elapsed().as_secs_f64() * 1_000.0;
    let store = engine.open(&folder);
    let opened = ms(start);
    if job == "open" {
        let since = Instant::now();
        let states = engine.states(&folder);
        let states_opened = ms(since);
        let since = Instant::now();
        let tracker = Tracker::shared(store).states(states).open();
        let summaries = block_on(tracker.broadcast_summary()).unwrap();
        let summary = summaries.of(&"b0001".parse().unwrap()).unwrap();
        assert_eq!(summary.rows(), BROADCAST);
        assert!(summaries.status(delivery(17)).unwrap() >= Status::Unsent);
        println!("{opened} {states_opened} {} {}", ms(since), ms(start));
        return;
    }
    let tracker = Tracker::shared(store);
    let tracker = if job == "status" {
        tracker.states(engine.states(&folder)).open()
    } else {
        tracker.open()
    };
    let count = block_on(tracker.store().head()).unwrap().position.get() / 43 * 10;
    // What the summary keeps in memory is there from the first call on.
    block_on(tracker.status(delivery(3))).unwrap();
    let mut times: Vec<f64> = (0..20_000_u64)
        .map(|number| {
            // Spread over all, none twice.
            let id = delivery(number.wrapping_mul(7_919) % count);
            let since = Instant::now();
            black_box(block_on(tracker.status(id)).unwrap());
            since.elapsed().as_secs_f64() * 1e6
        })
        .collect();
    times.sort_by(f64::total_cmp);
    let at = |part| percentile(&times, part);
    println!("{} {} {} {}", at(0.5), at(0.99), at(0.999), at(1.0));
}

fn rebuild(engine: Engine, folder: &Path, all: bool) {
    let kept = tempfile::tempdir_in(folder).unwrap();
    let (store, states) = (engine.open(folder), engine.states(kept.path()));
    let start = Instant::now();
    keep(&store, &states, EmailLog);
    if all {
        keep(&store, &states, BroadcastSummary);
        keep(&store, &states, Trails);
    }
    println!("{} {} 0 0", start.elapsed().as_secs_f64(), peak_bytes());
}

fn keep<P>(store: &Arc<dyn EventStore>, states: &Arc<dyn StateStore>, projection: P)
where
    P: Projection + 'static,
    P::State: Parted + KeptState,
{
    let runner = Runner::parted(Arc::clone(store), Arc::clone(states), projection);
    block_on(runner.catch_up(&mut |_| ())).unwrap();
}
