//! A planned broadcast, and senders for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use mailtrail_classify::Classifier;
use mailtrail_core::clock::Clock;
use mailtrail_core::event::Row;
use mailtrail_core::plan::{Broadcast, Contact, ContactAddress, Planner};
use mailtrail_core::store::Filter;
use mailtrail_core::token::{Key, Keys};
use mailtrail_core::{EventStore, EventStoreExt, Evidence, Position, Status, StreamId};
use mailtrail_memory::MemoryStore;
use mailtrail_smtp::message::Message;
use mailtrail_smtp::return_path::ReturnPath;
use mailtrail_smtp::send::{Outcome, Route, Schedule, SendError, Sender};
use mailtrail_testkit::VirtualClock;

/// Ids of two senders never meet.
static COUNTER: AtomicU64 = AtomicU64::new(1);

pub(crate) struct Planned {
    pub(crate) store: Arc<MemoryStore>,
    pub(crate) clock: VirtualClock,
    pub(crate) rows: Vec<Row>,
}

pub(crate) fn keys() -> Keys {
    Keys::new(Key::new(1, [7; 32]))
}

impl Planned {
    pub(crate) async fn new(addresses: &[&str]) -> Self {
        let store = Arc::new(MemoryStore::new());
        let clock = VirtualClock::default();
        let broadcast = Broadcast::new("b".parse().unwrap(), "general".parse().unwrap());
        let mut planner = Planner::open(&*store, broadcast, &clock).await.unwrap();
        for (number, address) in addresses.iter().enumerate() {
            let contact = Contact::new(format!("c{number}").parse().unwrap());
            planner.add(contact.address(ContactAddress::new(*address))).await.unwrap();
        }
        planner.finish().await.unwrap();
        let queued = store
            .read_all(&Filter::all().event_type("queued"), Position::START, 10_000)
            .await
            .unwrap();
        let rows = queued
            .events
            .iter()
            .map(|envelope| envelope.fact().unwrap().event.row().unwrap().clone());
        let rows = rows.collect();
        Self { store, clock, rows }
    }

    pub(crate) fn sender(&self, route: impl Into<Route>) -> Sender {
        self.sender_by(Arc::new(self.clock.clone()), route)
    }

    pub(crate) fn sender_by(&self, clock: Arc<dyn Clock>, route: impl Into<Route>) -> Sender {
        let random = || {
            let mut bytes = [0; 10];
            let count = COUNTER.fetch_add(1, Ordering::Relaxed);
            bytes[2..].copy_from_slice(&count.to_be_bytes());
            Ok(bytes)
        };
        let path = ReturnPath::new("bounces.school.example");
        let classifier = Classifier::builtin().unwrap();
        let store: Arc<dyn EventStore> = Arc::clone(&self.store) as _;
        Sender::new(store, keys(), path, route, classifier, clock, Box::new(random))
            .schedule("1m,5m".parse::<Schedule>().unwrap())
    }

    pub(crate) async fn deliver(
        &self,
        sender: &Sender,
        number: usize,
    ) -> Result<Outcome, SendError> {
        let message = Message::new("office@school.example", "Closed", ".one dot\r\n..two")
            .html("<p>Closed</p>");
        sender.deliver(self.rows[number].delivery, &message).await
    }

    pub(crate) async fn evidence(&self, number: usize) -> Evidence {
        let mut evidence = Evidence::default();
        let stream = StreamId::delivery(self.rows[number].delivery);
        for envelope in self.store.stream(stream).await.unwrap() {
            evidence.add_envelope(&envelope);
        }
        evidence
    }

    /// Nothing has happened to it but its planning.
    pub(crate) async fn is_untouched(&self, number: usize) -> bool {
        let stream = StreamId::delivery(self.rows[number].delivery);
        let events = self.store.stream(stream).await.unwrap().len();
        events == 1 && self.evidence(number).await.status() == Status::Unsent
    }
}
