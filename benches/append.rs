//! How many events a second become durable: alone, with 64 writers that share syncs, and in batches of 100; on both
//! embedded stores, and through the socket.
//!
//! Beside each: a plain loop that writes as many bytes of events to a file that was filled with zeros, and syncs as often.
//! It encodes, checks and indexes nothing.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_executor::block_on;
use futures_util::future::join_all;
use mailtrail_benches::{Figure, History, Wanted, envelopes, history, percentile};
use mailtrail_core::store::{EventStore, EventStoreExt, record};
use mailtrail_fjall::FjallStore;
use mailtrail_remote::{RemoteStore, Share};
use mailtrail_sled::SledStore;

const RUN: Duration = Duration::from_secs(3);
const WRITERS: usize = 64;
const BATCH: usize = 100;

mailtrail_benches::allocator!();

fn main() {
    let wanted = Wanted::from_args();
    let names =
        ["append.raw", "append.single", "append.group64", "append.batch100", "remote.append64"];
    if !names.iter().any(|name| wanted.has(name)) {
        return;
    }
    let events = history(300_000);
    let size = size(&events);
    if wanted.has("append.single") || wanted.has("append.group64.scale") {
        single(&events, size);
    }
    if wanted.has("append.group64") {
        group(&events, size);
    }
    if wanted.has("append.batch100") {
        batch(&events, size);
    }
    if wanted.has("remote.append64") {
        remote(&events);
    }
}

fn single(events: &History, size: usize) {
    let raw = raw(size);
    let (ours, sled) = (run(fjall(), events, 1, 1), run(sled(), events, 1, 1));
    Figure::new("append.raw", raw.rate, "writes of one event's bytes + fdatasync/s").print();
    let figure = Figure::new("append.single", ours.rate, "events/s, fjall");
    figure.against("append.raw", raw.rate).at_least(0.7).print();
    let figure = Figure::new("append.single.sled", sled.rate, "events/s, sled");
    figure.against("append.raw", raw.rate).print();
}

fn group(events: &History, size: usize) {
    let raw = raw(size * WRITERS);
    let bare = raw.rate * WRITERS as f64;
    Figure::new("append.raw64", bare, "events' bytes/s, 64 a write + fdatasync").print();
    let one = run(fjall(), events, 1, 1).rate;
    let (ours, sled) = (run(fjall(), events, WRITERS, 1), run(self::sled(), events, WRITERS, 1));
    let events = "events/s, 64 writers, each answered when it is durable";
    let times = "ms until 99 of 100 were answered";
    let p99 = ("the loop's p99", raw.p99 * 1e3);
    let figure = Figure::new("append.group64", ours.rate, events);
    figure.against("append.raw64", bare).at_least(0.4).print();
    let figure = Figure::new("append.group64.p99_ms", ours.p99 * 1e3, times);
    figure.against(p99.0, p99.1).at_most(4.0).print();
    let figure = Figure::new("append.group64.scale", ours.rate, "events/s");
    figure.against("one writer", one).at_least(10.0).print();
    let figure = Figure::new("append.group64.sled", sled.rate, events);
    figure.against("append.raw64", bare).print();
    let figure = Figure::new("append.group64.sled.p99_ms", sled.p99 * 1e3, times);
    figure.against(p99.0, p99.1).print();
}

fn batch(events: &History, size: usize) {
    let raw = raw(size * BATCH).rate * BATCH as f64;
    Figure::new("append.raw100", raw, "events' bytes/s, 100 a write + fdatasync").print();
    let (ours, sled) = (run(fjall(), events, 1, BATCH), run(sled(), events, 1, BATCH));
    let figure = Figure::new("append.batch100", ours.rate, "events/s, fjall");
    figure.against("append.raw100", raw).at_least(0.2).print();
    let figure = Figure::new("append.batch100.sled", sled.rate, "events/s, sled");
    figure.against("append.raw100", raw).print();
}

/// The same through the socket, by one connection.
fn remote(events: &History) {
    let direct = run(sled(), events, WRITERS, 1).rate;
    let folder = tempfile::tempdir().unwrap();
    let _share = Share::start(sled(), folder.path()).unwrap();
    let remote: Arc<dyn EventStore> = Arc::new(RemoteStore::connect(folder.path()).unwrap());
    let rate = run(remote, events, WRITERS, 1).rate;
    let figure = Figure::new("remote.append64", rate, "events/s, sled");
    figure.against("append.group64.sled", direct).at_least(0.5).print();
}

fn fjall() -> Arc<dyn EventStore> {
    Arc::new(FjallStore::temporary().unwrap())
}

fn sled() -> Arc<dyn EventStore> {
    Arc::new(SledStore::temporary().unwrap())
}

/// What a run came to.
struct Run {
    /// A second.
    rate: f64,
    /// Seconds that 99 of 100 took at most.
    p99: f64,
}

/// Events a second, by so many writers, each with one batch at a time.
fn run(store: Arc<dyn EventStore>, events: &History, writers: usize, batch: usize) -> Run {
    let parts: Vec<Vec<_>> =
        events.chunks(events.len() / writers).take(writers).map(<[_]>::to_vec).collect();
    let start = Instant::now();
    let writer = |part: Vec<_>| {
        let store = Arc::clone(&store);
        async move {
            let (mut written, mut times) = (0, Vec::new());
            for events in part.chunks(batch) {
                let since = Instant::now();
                if since - start > RUN {
                    break;
                }
                store.record(events.to_vec()).await.unwrap();
                written += events.len();
                times.push(since.elapsed().as_secs_f64());
            }
            (written, times)
        }
    };
    let done = block_on(join_all(parts.into_iter().map(writer)));
    let taken = start.elapsed().as_secs_f64();
    let written: usize = done.iter().map(|(written, _)| written).sum();
    let mut times: Vec<f64> = done.into_iter().flat_map(|(_, times)| times).collect();
    times.sort_by(f64::total_cmp);
    Run { rate: written as f64 / taken, p99: percentile(&times, 0.99) }
}

/// Writes of so many bytes a second, each synced.
fn raw(size: usize) -> Run {
    let file = tempfile::tempfile().unwrap();
    fill(&file);
    let bytes = vec![7; size];
    let (start, mut at, mut times) = (Instant::now(), 0, Vec::new());
    while start.elapsed() < RUN && at + size < ROOM {
        let since = Instant::now();
        file.write_all_at(&bytes, at as u64).unwrap();
        file.sync_data().unwrap();
        times.push(since.elapsed().as_secs_f64());
        at += size;
    }
    let rate = times.len() as f64 / start.elapsed().as_secs_f64();
    times.sort_by(f64::total_cmp);
    Run { rate, p99: percentile(&times, 0.99) }
}

fn fill(file: &File) {
    let zeros = vec![0; 1 << 20];
    (0..ROOM).step_by(zeros.len()).for_each(|at| file.write_all_at(&zeros, at as u64).unwrap());
    file.sync_all().unwrap();
}

/// How long a record is, on average.
fn size(events: &History) -> usize {
    let some: History = events.iter().step_by(events.len() / 1_000).cloned().collect();
    let some = envelopes(&some);
    some.iter().map(|envelope| record::encode(envelope).len()).sum::<usize>() / some.len()
}

const ROOM: usize = 1 << 30;
