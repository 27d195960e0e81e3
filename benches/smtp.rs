//! What does the trail cost a sender, and what do sick domains cost the healthy ones?
//!
//! Beside it, in the same run: the same client without a trail, lettre's pooled transport, and Postfix's
//! `smtp-source` where it is installed. The recipients' side is a process of its own.

mod sick;
mod sink;

use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use chrono::DateTime;
use lettre::transport::smtp::PoolConfig;
use lettre::{AsyncSmtpTransport, AsyncTransport, Tokio1Executor};
use mailtrail::Tracker;
use mailtrail::classify::Classifier;
use mailtrail::core::event::{Private, Row};
use mailtrail::core::plan::{Broadcast, Contact, ContactAddress};
use mailtrail::core::token::{Key, Keys};
use mailtrail::core::{BroadcastId, EmailAddress};
use mailtrail::sled::SledStore;
use mailtrail::smtp::message::{Compose, Letter, Message, message_id};
use mailtrail::smtp::return_path::ReturnPath;
use mailtrail::smtp::send::{Client, Dispatcher, Limits, Relay, Route, Sender};
use mailtrail_benches::{Figure, Wanted};
use mailtrail_fjall::FjallStore;

const MESSAGES: usize = 20_000;
/// As many as a dispatcher opens if nothing else is said: who waits for the disk leaves the processors to others.
const CONNECTIONS: usize = 200;
const FEW_CONNECTIONS: usize = 50;
const RUNS: usize = 6;

mailtrail_benches::allocator!();

fn main() {
    if std::env::args().nth(1).as_deref() == Some("sink") {
        return sink::serve();
    }
    let wanted = Wanted::from_args();
    if wanted.has("smtp.trail") {
        trail();
    }
    if wanted.has("smtp.sick_domains") {
        sick::domains();
    }
    if wanted.has("smtp.million_bytes") {
        sick::million();
    }
}

/// Messages a second of each, the best of some runs.
#[derive(Debug, Default)]
struct Best {
    trail: f64,
    few: f64,
    few_without: f64,
    sled: f64,
    without: f64,
    lettre: f64,
    source: Option<f64>,
}

fn trail() {
    let sink = sink::Sink::start();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut best = Best::default();
    for _ in 0..RUNS {
        let folder = tempfile::tempdir().unwrap();
        let (sled, fjall) = (folder.path().join("sled"), folder.path().join("fjall"));
        let tracker = Tracker::builder(SledStore::open(sled).unwrap()).open();
        runtime.block_on(plan(&tracker, people()));
        let rows = runtime.block_on(rows(&tracker));
        let run = runtime.block_on(plain(sink.port, &rows, CONNECTIONS));
        best.without = best.without.max(run);
        let run = runtime.block_on(tracked(sink.port, &tracker, CONNECTIONS));
        best.sled = best.sled.max(run);
        drop(tracker);
        best.lettre = best.lettre.max(runtime.block_on(lettre(sink.port, &rows)));
        for (connections, best) in
            [(CONNECTIONS, &mut best.trail), (FEW_CONNECTIONS, &mut best.few)]
        {
            let store = FjallStore::open(fjall.join(connections.to_string())).unwrap();
            let tracker = Tracker::builder(store).open();
            runtime.block_on(plan(&tracker, people()));
            *best = best.max(runtime.block_on(tracked(sink.port, &tracker, connections)));
        }
        let run = runtime.block_on(plain(sink.port, &rows, FEW_CONNECTIONS));
        best.few_without = best.few_without.max(run);
        let source = smtp_source(sink.port);
        best.source =
            source.map(|rate| best.source.map_or(rate, |best| best.max(rate))).or(best.source);
    }

    let plain = "the same client without a trail";
    Figure::new("smtp.trail", best.trail, "messages/s, 200 connections, fjall")
        .against(plain, best.without)
        .at_least(0.8)
        .print();
    Figure::new("smtp.trail.few", best.few, "messages/s, 50 connections, fjall")
        .against(plain, best.few_without)
        .print();
    Figure::new("smtp.trail.sled", best.sled, "messages/s, 200 connections, sled")
        .against(plain, best.without)
        .print();
    Figure::new("smtp.trail.lettre", best.trail, "messages/s")
        .against("lettre's pooled transport", best.lettre)
        .print();
    match best.source {
        Some(source) => Figure::new("smtp.trail.smtp_source", best.trail, "messages/s")
            .against("Postfix's smtp-source", source)
            .print(),
        None => println!("skipped: smtp.trail.smtp_source (no smtp-source here)"),
    }
}

pub(crate) fn keys() -> Keys {
    Keys::new(Key::new(1, [7; 32]))
}

pub(crate) fn return_path() -> ReturnPath {
    ReturnPath::new("bounces.school.example")
}

pub(crate) fn broadcast() -> BroadcastId {
    "b".parse().unwrap()
}

pub(crate) fn sender(tracker: &Tracker, route: impl Into<Route>) -> Sender {
    tracker.sender(keys(), return_path(), route, Classifier::builtin().unwrap())
}

/// Ten kilobytes.
pub(crate) fn message() -> Message {
    let line = "The school stays closed today because of the snow; please stay at home.\r\n";
    Message::new("office@school.example", "Closed today", line.repeat(10_000 / line.len()))
}

fn people() -> impl Iterator<Item = String> {
    (0..MESSAGES).map(|n| format!("p{n}@a.example"))
}

pub(crate) async fn planned(
    addresses: impl Iterator<Item = String>,
) -> (tempfile::TempDir, Tracker) {
    let folder = tempfile::tempdir().unwrap();
    let tracker = Tracker::builder(SledStore::open(folder.path()).unwrap()).open();
    plan(&tracker, addresses).await;
    (folder, tracker)
}

async fn plan(tracker: &Tracker, addresses: impl Iterator<Item = String>) {
    let contacts = addresses.enumerate().map(|(n, address)| {
        let contact = Contact::new(format!("c{n}").parse().unwrap());
        contact.address(ContactAddress::new(address))
    });
    let plan = Broadcast::new(broadcast(), "general".parse().unwrap());
    tracker.plan(plan, contacts).await.unwrap();
}

async fn rows(tracker: &Tracker) -> Arc<Vec<(Row, EmailAddress)>> {
    let mut rows = Vec::new();
    let mut queued = tracker.queued(broadcast());
    while let Some(delivery) = queued.next().await.unwrap() {
        rows.push((delivery.row, delivery.address));
    }
    Arc::new(rows)
}

async fn tracked(port: u16, tracker: &Tracker, connections: usize) -> f64 {
    let limits = Limits::default().connections(connections).per_next_hop(connections);
    let relay = Relay::new("127.0.0.1", port);
    let dispatcher = Dispatcher::new(sender(tracker, relay), message()).limits(limits);
    let begun = Instant::now();
    let dispatched = dispatcher.run(&broadcast(), |_| {}).await.unwrap();
    assert_eq!(dispatched.sent as usize, MESSAGES);
    MESSAGES as f64 / begun.elapsed().as_secs_f64()
}

fn composed(message: &Message, keys: &Keys, row: &Row, address: &EmailAddress) -> Vec<u8> {
    let (private, id) = (Private::default(), message_id(keys, row.delivery, "a.example"));
    let letter = Letter::new(row, &private, address, &id, DateTime::UNIX_EPOCH);
    message.compose(&letter).unwrap()
}

async fn plain(port: u16, rows: &Arc<Vec<(Row, EmailAddress)>>, connections: usize) -> f64 {
    let client = Arc::new(Client::new(Relay::new("127.0.0.1", port)));
    together(rows, connections, move |mail_from, address, bytes| {
        let client = Arc::clone(&client);
        async move {
            client.send(&mail_from, &address, &bytes).await.unwrap();
        }
    })
    .await
}

async fn lettre(port: u16, rows: &Arc<Vec<(Row, EmailAddress)>>) -> f64 {
    let pool = PoolConfig::new().max_size(CONNECTIONS as u32);
    let transport = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous("127.0.0.1")
        .port(port)
        .pool_config(pool)
        .build();
    together(rows, CONNECTIONS, move |mail_from, address, bytes| {
        let transport = transport.clone();
        async move {
            let mail_from = mail_from.parse().unwrap();
            let to = vec![address.as_given().parse().unwrap()];
            let envelope = lettre::address::Envelope::new(Some(mail_from), to).unwrap();
            transport.send_raw(&envelope, &bytes).await.unwrap();
        }
    })
    .await
}

/// Each row by one of as many tasks as there are connections.
async fn together<F: Future<Output = ()> + Send>(
    rows: &Arc<Vec<(Row, EmailAddress)>>,
    connections: usize,
    send: impl Fn(String, EmailAddress, Vec<u8>) -> F + Clone + Send + 'static,
) -> f64 {
    let next = Arc::new(AtomicUsize::new(0));
    let begun = Instant::now();
    let tasks: Vec<_> = (0..connections)
        .map(|_| {
            let (rows, next, send) = (Arc::clone(rows), Arc::clone(&next), send.clone());
            tokio::spawn(async move {
                let (message, keys, return_path) = (message(), keys(), return_path());
                while let Some((row, address)) = rows.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let mail_from = return_path.address(&keys, row.delivery);
                    let bytes = composed(&message, &keys, row, address);
                    send(mail_from, address.clone(), bytes).await;
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    rows.len() as f64 / begun.elapsed().as_secs_f64()
}

/// `None` where it isn't there: installed, or as `cargo xtask test --install` unpacks it.
fn smtp_source(port: u16) -> Option<f64> {
    let unpacked = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/servers/postfix/root/usr");
    let mut command = match std::fs::exists("/usr/sbin/smtp-source") {
        Ok(true) => Command::new("/usr/sbin/smtp-source"),
        _ => Command::new(format!("{unpacked}/sbin/smtp-source")),
    };
    let begun = Instant::now();
    let ended = command
        .env("LD_LIBRARY_PATH", format!("{unpacked}/lib/postfix"))
        .args(["-s", &CONNECTIONS.to_string(), "-m", &MESSAGES.to_string(), "-l", "10000", "-d"])
        .args(["-f", "b@bounces.school.example", "-t", "p@a.example"])
        .arg(format!("inet:127.0.0.1:{port}"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    let rate = MESSAGES as f64 / begun.elapsed().as_secs_f64();
    ended.ok().filter(std::process::ExitStatus::success).map(|_| rate)
}
