//! How many events a second become durable, alone, with 64 writers that share syncs, and through the
//! socket?
//!
//! Beside it: a plain loop that appends as many bytes to a preallocated file and syncs each time.

use std::io::{Seek, SeekFrom, Write};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use futures_executor::block_on;
use mailtrail_benches::{Figure, Wanted, history};
use mailtrail_core::StreamId;
use mailtrail_core::event::NewEvent;
use mailtrail_core::store::{EventStore, EventStoreExt};
use mailtrail_remote::{RemoteStore, Share};
use mailtrail_sled::SledStore;

const RUN: Duration = Duration::from_secs(4);
const WRITERS: usize = 64;

fn main() {
    let wanted = Wanted::from_args();
    let names = ["append.raw", "sled.single", "sled.group64", "remote.append64"];
    if !names.iter().any(|name| wanted.has(name)) {
        return;
    }
    let raw = raw();
    let single = rate(sled(), 1);
    let group = rate(sled(), WRITERS);
    let remote = remote();
    Figure::new("append.raw", raw, "appends + fdatasync/s").print();
    Figure::new("sled.single", single, "events/s").against("append.raw", raw).print();
    Figure::new("sled.group64", group, "events/s")
        .against("sled.single", single)
        .at_least(8.0)
        .print();
    Figure::new("remote.append64", remote, "events/s")
        .against("sled.group64", group)
        .at_least(0.5)
        .print();
}

fn sled() -> Arc<dyn EventStore> {
    Arc::new(SledStore::temporary().unwrap())
}

/// The same through the socket, by one connection.
fn remote() -> f64 {
    let folder = tempfile::tempdir().unwrap();
    let _share = Share::start(sled(), folder.path()).unwrap();
    rate(Arc::new(RemoteStore::connect(folder.path()).unwrap()), WRITERS)
}

/// Events a second, each acknowledged for itself.
fn rate(store: Arc<dyn EventStore>, writers: usize) -> f64 {
    let events = history(200_000);
    let start = Instant::now();
    let parts: Vec<Vec<(StreamId, NewEvent)>> =
        events.chunks(events.len() / writers).map(<[_]>::to_vec).collect();
    let threads: Vec<_> = parts
        .into_iter()
        .take(writers)
        .map(|part| {
            let store = Arc::clone(&store);
            thread::spawn(move || {
                let mut written = 0_u32;
                for event in part {
                    if start.elapsed() > RUN {
                        break;
                    }
                    block_on(store.record(vec![event])).unwrap();
                    written += 1;
                }
                written
            })
        })
        .collect();
    let written: u32 = threads.into_iter().map(|thread| thread.join().unwrap()).sum();
    f64::from(written) / start.elapsed().as_secs_f64()
}

fn raw() -> f64 {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&vec![0; 64 << 20]).unwrap();
    file.sync_all().unwrap();
    file.seek(SeekFrom::Start(0)).unwrap();
    let record = [7_u8; 400];
    let start = Instant::now();
    let mut written = 0_u32;
    while start.elapsed() < RUN {
        file.write_all(&record).unwrap();
        file.sync_data().unwrap();
        written += 1;
    }
    f64::from(written) / start.elapsed().as_secs_f64()
}
