//! What does the trail cost a sender, and what do sick domains cost the healthy ones?
//!
//! Beside it, in the same run: the same client without a trail, lettre's pooled transport, and Postfix's
//! `smtp-source` where it is installed. The recipients' side is a process of its own.

mod sink;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use mailtrail::Tracker;
use mailtrail::classify::Classifier;
use mailtrail::core::plan::{Broadcast, Contact, ContactAddress};
use mailtrail::core::token::{Key, Keys};
use mailtrail::core::{EmailAddress, EventStore};
use mailtrail::sled::SledStore;
use mailtrail::smtp::message::{Compose, Message};
use mailtrail::smtp::return_path::ReturnPath;
use mailtrail::smtp::send::{Client, Dispatcher, Limits, Relay};
use mailtrail_benches::{Figure, Wanted};

const MESSAGES: usize = 20_000;
const CONNECTIONS: usize = 50;

fn main() {
    if std::env::args().nth(1).as_deref() == Some("sink") {
        return sink::serve();
    }
    let wanted = Wanted::from_args();
    if wanted.has("smtp.trail") {
        trail();
    }
}

fn trail() {
    let sink = sink::Sink::start();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut best = (0.0_f64, 0.0_f64);
    for _ in 0..3 {
        let without = runtime.block_on(plain(sink.port));
        let with = runtime.block_on(tracked(sink.port));
        eprintln!("without {without:.0}/s, with {with:.0}/s: {:.2}", with / without);
        best = (best.0.max(with), best.1.max(without));
    }
    Figure::new("smtp.trail", best.0, "messages/s")
        .against("the same client without a trail", best.1)
        .at_least(0.8)
        .print();
}

fn relay(port: u16) -> Relay {
    Relay::new("127.0.0.1", port)
}

fn keys() -> Keys {
    Keys::new(Key::new(1, [7; 32]))
}

/// Ten kilobytes.
fn message() -> Message {
    let line = "The school stays closed today because of the snow; please stay at home.\r\n";
    Message::new("office@school.example", "Closed today", line.repeat(10_000 / line.len()))
}

async fn planned() -> (tempfile::TempDir, Tracker) {
    let folder = tempfile::tempdir().unwrap();
    let tracker = Tracker::builder(SledStore::open(folder.path()).unwrap()).open();
    let contacts = (0..MESSAGES).map(|n| {
        let contact = Contact::new(format!("c{n}").parse().unwrap());
        contact.address(ContactAddress::new(format!("p{n}@a.example")))
    });
    let plan = Broadcast::new("b".parse().unwrap(), "general".parse().unwrap());
    tracker.plan(plan, contacts).await.unwrap();
    (folder, tracker)
}

async fn tracked(port: u16) -> f64 {
    let (_folder, tracker) = planned().await;
    let path = ReturnPath::new("bounces.school.example");
    let sender = tracker.sender(keys(), path, relay(port), Classifier::builtin().unwrap());
    let limits = Limits::default().per_next_hop(CONNECTIONS);
    let dispatcher = Dispatcher::new(sender, message()).limits(limits);
    let begun = Instant::now();
    let dispatched = dispatcher.run(&"b".parse().unwrap(), |_| {}).await.unwrap();
    assert_eq!(dispatched.sent as usize, MESSAGES);
    MESSAGES as f64 / begun.elapsed().as_secs_f64()
}

async fn plain(port: u16) -> f64 {
    let (_folder, tracker) = planned().await;
    let mut rows = Vec::new();
    let mut queued = tracker.queued("b".parse().unwrap());
    while let Some(delivery) = queued.next().await.unwrap() {
        rows.push((delivery.row, delivery.address));
    }
    let rows = Arc::new(rows);
    let client = Arc::new(Client::new(relay(port)));
    let next = Arc::new(AtomicUsize::new(0));
    let begun = Instant::now();
    let mut tasks = Vec::new();
    for _ in 0..CONNECTIONS {
        let (rows, client, next) = (Arc::clone(&rows), Arc::clone(&client), Arc::clone(&next));
        tasks.push(tokio::spawn(async move {
            let (message, keys) = (message(), keys());
            let path = ReturnPath::new("bounces.school.example");
            let private = mailtrail::core::event::Private::default();
            loop {
                let Some((row, address)) = rows.get(next.fetch_add(1, Ordering::Relaxed)) else { return };
                let id = mailtrail::smtp::message::message_id(&keys, row.delivery, path.domain());
                let letter = mailtrail::smtp::message::Letter::new(row, &private, address, &id, chrono::Utc::now());
                let bytes = message.compose(&letter).unwrap();
                client.send(&path.address(&keys, row.delivery), address, &bytes).await.unwrap();
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    MESSAGES as f64 / begun.elapsed().as_secs_f64()
}
