//! The rows add up: a broadcast that is planned and sent by halves, killed between, and resumed.
//! Every row has one status, the counts sum to the list, and nobody gets it twice.

use std::sync::Arc;

use mailtrail::Tracker;
use mailtrail::classify::Classifier;
use mailtrail::core::Status;
use mailtrail::core::plan::{Broadcast, Contact, ContactAddress};
use mailtrail::core::token::{Key, Keys};
use mailtrail::report::Query;
use mailtrail::sled::SledStore;
use mailtrail::smtp::message::Message;
use mailtrail::smtp::return_path::ReturnPath;
use mailtrail::smtp::send::{Relay, Sender};
use mailtrail::smtp::sink::Sink;

const PEOPLE: usize = 60;

async fn send_some(tracker: &Tracker, sink: &Sink, most: usize) {
    let relay = Relay::new(sink.addr().ip().to_string(), sink.addr().port());
    let ids = tracker.clone();
    let random = Box::new(move || {
        let mut bytes = [0; 10];
        bytes.copy_from_slice(&ids.observed().map_err(Box::new)?.as_bytes()[6..]);
        Ok(bytes)
    });
    let (store, clock) = (Arc::clone(tracker.store()), Arc::clone(tracker.clock()));
    let keys = Keys::new(Key::new(1, [7; 32]));
    let path = ReturnPath::new("bounces.school.example");
    let classifier = Classifier::builtin().unwrap();
    let sender = Sender::new(store, keys, path, relay, classifier, clock, random);
    let message = Message::new("office@school.example", "Closed today", "Stay at home.");
    let mut queued = tracker.queued("b".parse().unwrap());
    for _ in 0..most {
        let Some(delivery) = queued.next().await.unwrap() else { break };
        sender.deliver(delivery.id(), &message).await.unwrap();
    }
}

#[tokio::test]
async fn a_broadcast_that_was_cut_off_goes_on_where_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let sink = Sink::builder().start().await.unwrap();
    let list = |count: usize| {
        (0..count).map(|n| {
            let contact = Contact::new(format!("c{n}").parse().unwrap());
            contact.address(ContactAddress::new(format!("p{n}@a.example")))
        })
    };
    for (planned, sent) in [(PEOPLE / 2, 10), (PEOPLE, 25), (PEOPLE, PEOPLE)] {
        // Each round is a process of its own: what it knows is what the folder holds.
        let tracker = Tracker::builder(SledStore::open(folder.path()).unwrap()).open();
        let plan = Broadcast::new("b".parse().unwrap(), "general".parse().unwrap());
        tracker.plan(plan, list(planned)).await.unwrap();
        send_some(&tracker, &sink, sent).await;
        let summary = tracker.email_log().await.unwrap().summary(&Query::default()).unwrap();
        assert_eq!(summary.rows(), planned as u64);
        let by_status: u64 = Status::ALL.iter().map(|status| summary.of(*status)).sum();
        assert_eq!(by_status, planned as u64);
    }
    let mut recipients: Vec<String> =
        sink.messages().iter().map(|m| m.envelope.recipients[0].address.clone()).collect();
    assert_eq!(recipients.len(), PEOPLE, "everyone");
    recipients.sort();
    recipients.dedup();
    assert_eq!(recipients.len(), PEOPLE, "nobody twice");
}
