//! How many webhooks a second does one server take over HTTP, each answered when its event is durable?
//!
//! As `serve` takes them: verified, the body kept, the event recorded, then answered. One event a request, over
//! connections that stay, each of which asks again when it has its answer.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mailtrail_benches::dataset::Engine;
use mailtrail_benches::server::{Served, now, random};
use mailtrail_benches::{Figure, Wanted, percentile};
use mailtrail_classify::Classifier;
use mailtrail_core::id::Endpoint;
use mailtrail_core::token::{Key, Keys, Purpose};
use mailtrail_fjall::FjallRaw;
use mailtrail_webhook::provider::{Access, Account};
use mailtrail_webhook::{Intake, router};
use ring::hmac;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

mailtrail_benches::allocator!();

fn main() {
    let wanted = Wanted::from_args();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    for (name, engine, bodies, at_least) in [
        ("webhook.http64", Engine::Fjall, true, Some(10_000.0)),
        ("webhook.http64_sled", Engine::Sled, true, None),
        ("webhook.http64_log", Engine::Fjall, false, None),
    ] {
        if wanted.has(name) {
            measure(&runtime, name, (engine, bodies), at_least);
        }
    }
}

fn measure(
    runtime: &tokio::runtime::Runtime,
    name: &'static str,
    (engine, bodies): (Engine, bool),
    at_least: Option<f64>,
) {
    let folder = tempfile::tempdir().unwrap();
    let (took, mut latencies) = runtime.block_on(serve_and_post(folder.path(), engine, bodies));
    // Opened again: what is there now is what was durable.
    let store = engine.open(folder.path());
    let head = futures_executor::block_on(store.head()).unwrap().position;
    assert!(head.get() >= latencies.len() as u64, "events that were answered are missing");
    latencies.sort_by(f64::total_cmp);
    let figure = Figure::new(name, latencies.len() as f64 / took.as_secs_f64(), "requests/s");
    match at_least {
        Some(bound) => figure.at_least(bound).print(),
        None => figure.print(),
    }
    for (part, percent) in [(0.5, "p50"), (0.99, "p99"), (0.999, "p999")] {
        let name = format!("{name}.{percent}");
        Figure::new(name, percentile(&latencies, part), "ms").print();
    }
}

async fn serve_and_post(folder: &Path, engine: Engine, bodies: bool) -> (Duration, Vec<f64>) {
    let store = engine.open(folder);
    let account = Account::new(Endpoint::new("mailtrap").unwrap(), "mailtrap", Access::new());
    let account = account.unwrap().signing_key("secret").unwrap();
    let keys = Keys::new(Key::new(1, [7; 32]));
    let mut intake = Intake::new(store, keys.clone(), Classifier::builtin().unwrap(), now, random)
        .provider(account);
    if bodies {
        intake = intake.raw_store(Arc::new(FjallRaw::open(folder.join("raw")).unwrap()));
    }
    let intake = Arc::new(intake);
    let server = Served::start(router(Arc::clone(&intake)));

    // Written before: the client is no part of what is measured.
    let requests: Vec<Vec<Vec<u8>>> = (0..CONNECTIONS)
        .map(|client| (0..EACH).map(|n| request(&keys, client * EACH + n)).collect())
        .collect();
    let begin = Instant::now();
    let clients: Vec<_> =
        requests.into_iter().map(|own| tokio::spawn(post(server.address, own))).collect();
    let mut latencies = Vec::new();
    for client in clients {
        latencies.extend(client.await.unwrap());
    }
    let took = begin.elapsed();
    let counts = intake.counts("mailtrap").unwrap();
    assert_eq!(counts.new_events as usize, CONNECTIONS * EACH, "{counts:?}");
    server.end().await;
    (took, latencies)
}

/// One after the other over one connection.
async fn post(address: SocketAddr, own: Vec<Vec<u8>>) -> Vec<f64> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let (mut latencies, mut buffer) = (Vec::with_capacity(own.len()), vec![0; 4_096]);
    for request in own {
        let began = Instant::now();
        stream.write_all(&request).await.unwrap();
        let mut held = 0;
        while !buffer[..held].ends_with(b"\r\n\r\n") {
            let length = stream.read(&mut buffer[held..]).await.unwrap();
            assert!(length > 0, "the server has closed");
            held += length;
        }
        assert!(buffer.starts_with(b"HTTP/1.1 200"));
        latencies.push(began.elapsed().as_secs_f64() * 1_000.0);
    }
    latencies
}

fn request(keys: &Keys, n: usize) -> Vec<u8> {
    let token = keys.sign(Purpose::Metadata, mailtrail_benches::delivery(n as u64));
    let body = format!(
        r#"{{"events":[{{"event":"delivery","email":"person{n}@parents.example","timestamp":1700000000,"event_id":"e-{n}","message_id":"m-{n}","custom_variables":{{"mt_delivery":"{token}"}},"response":"250 2.0.0 OK"}}]}}"#
    );
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, b"secret"), body.as_bytes());
    let signature = data_encoding::HEXLOWER.encode(tag.as_ref());
    let length = body.len();
    format!(
        "POST /webhooks/mailtrap HTTP/1.1\r\nHost: mail.example\r\nContent-Type: application/json\r\nMailtrap-Signature: {signature}\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

const CONNECTIONS: usize = 64;
const EACH: usize = 400;
