//! How many hits a second does one server take over HTTP, all of them durable?
//!
//! Requests are sent at the moments at which a rate asks for them, whether those before are answered or not: a server
//! that falls behind shows it as latency, which is counted from those moments.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mailtrail_benches::server::{Served, now, random};
use mailtrail_benches::{Figure, Wanted, percentile};
use mailtrail_core::store::{EventStore, Filter, Position};
use mailtrail_core::token::{Key, Keys};
use mailtrail_sled::SledStore;
use mailtrail_webhook::hits_router;
use mailtrail_webhook::track::{Hits, pixel_url};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

mailtrail_benches::allocator!();

fn main() {
    let wanted = Wanted::from_args();
    if ["pixel.burst", "pixel.p50", "pixel.p99", "pixel.p999"].iter().any(|name| wanted.has(name)) {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        burst(&runtime);
    }
}

fn burst(runtime: &tokio::runtime::Runtime) {
    let folder = tempfile::tempdir().unwrap();
    let keys = Keys::new(Key::new(1, [7; 32]));
    let requests: Vec<String> = (0..RATE * SECONDS).map(|n| request(&keys, n)).collect();
    let (took, mut latencies, kept) =
        runtime.block_on(serve_and_ask(folder.path(), keys, &requests));
    // Opened again: what is there now is what was durable.
    let store = SledStore::open(folder.path()).unwrap();
    let durable = futures_executor::block_on(count(&store));
    assert_eq!(durable, kept, "hits that were kept are missing");
    assert_eq!(kept, (RATE * SECONDS) as usize);

    latencies.sort_by(f64::total_cmp);
    Figure::new("pixel.burst", kept as f64 / took.as_secs_f64(), "hits/s")
        .at_least(0.95 * RATE as f64)
        .print();
    for (name, part) in [("pixel.p50", 0.5), ("pixel.p99", 0.99), ("pixel.p999", 0.999)] {
        Figure::new(name, percentile(&latencies, part), "ms").at_most(250.0).print();
    }
}

async fn serve_and_ask(
    folder: &Path,
    keys: Keys,
    requests: &[String],
) -> (Duration, Vec<f64>, usize) {
    let store: Arc<dyn EventStore> = Arc::new(SledStore::open(folder).unwrap());
    let hits = Arc::new(Hits::new(store, keys, Arc::new(now), random));
    let server = Served::start(hits_router(Arc::clone(&hits)));

    let begin = Instant::now() + Duration::from_millis(100);
    let mut clients = Vec::new();
    for client in 0..CONNECTIONS {
        let own: Vec<(usize, String)> =
            requests.iter().cloned().enumerate().skip(client).step_by(CONNECTIONS).collect();
        clients.push(tokio::spawn(ask(server.address, begin, own)));
    }
    let mut latencies = Vec::new();
    for client in clients {
        latencies.extend(client.await.unwrap());
    }
    while hits.counts().waiting > 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    // From the first request until the last hit was durable.
    let took = begin.elapsed();
    let counts = hits.counts();
    assert_eq!((counts.failed, counts.dropped, counts.no_token), (0, 0, 0), "{counts:?}");
    server.end().await;
    (took, latencies, counts.recorded as usize)
}

/// Over one connection, pipelined: a request goes out when it is due.
async fn ask(address: SocketAddr, begin: Instant, own: Vec<(usize, String)>) -> Vec<f64> {
    let stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let (mut read, mut write) = stream.into_split();
    let due = move |n: usize| begin + Duration::from_secs_f64(n as f64 / RATE as f64);
    let numbers: Vec<usize> = own.iter().map(|(n, _)| *n).collect();
    let sender = tokio::spawn(async move {
        for (n, request) in own {
            tokio::time::sleep_until(due(n).into()).await;
            write.write_all(request.as_bytes()).await.unwrap();
        }
        write
    });
    let (mut latencies, mut buffer, mut held) = (Vec::new(), vec![0; 64 * 1024], Vec::new());
    for n in numbers {
        while !held.windows(END.len()).any(|window| window == END) {
            let length = read.read(&mut buffer).await.unwrap();
            assert!(length > 0, "the server has closed");
            held.extend_from_slice(&buffer[..length]);
        }
        let end = held.windows(END.len()).position(|window| window == END).unwrap() + END.len();
        assert!(held.starts_with(b"HTTP/1.1 200"));
        held.drain(..end);
        latencies.push(due(n).elapsed().as_secs_f64() * 1_000.0);
    }
    drop(sender.await.unwrap());
    latencies
}

async fn count(store: &dyn EventStore) -> usize {
    let (filter, mut after, mut hits) = (Filter::all().event_type("hit"), Position::START, 0);
    loop {
        let page = store.read_all(&filter, after, 1_000).await.unwrap();
        hits += page.events.len();
        match page.next {
            Some(next) => after = next,
            None => return hits,
        }
    }
}

fn request(keys: &Keys, n: u64) -> String {
    let path = pixel_url("", keys, mailtrail_benches::delivery(n % DELIVERIES));
    let agent = n / DELIVERIES;
    format!(
        "GET {path} HTTP/1.1\r\nHost: mail.example\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:{agent}.0) Gecko/20100101 Firefox/{agent}.0\r\n\r\n"
    )
}

const RATE: u64 = 10_000;
const SECONDS: u64 = 5;
const CONNECTIONS: usize = 64;
const DELIVERIES: u64 = 10_000;
/// How the picture ends.
const END: &[u8] = &[1, 0, 0, 2, 1, 0x44, 0, 0x3b];
