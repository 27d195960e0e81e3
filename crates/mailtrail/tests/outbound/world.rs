//! A store with a subscriber of it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::Utc;
use mailtrail::Tracker;
use mailtrail::core::event::{Bounced, Delivered, Source};
use mailtrail::core::plan::{Broadcast, Contact, ContactAddress};
use mailtrail::core::reason::Reason;
use mailtrail::core::store::{Filter, Position};
use mailtrail::core::{
    DeliveryId, Envelope, Event, EventId, EventStoreExt, Fact, NewEvent, Private, StreamId,
};
use mailtrail::memory::{MemoryStates, MemoryStore};
use mailtrail::outbound::{HttpPoster, Outbound, Poster, Standing, Subscriber, SubscriberFolder};
use mailtrail::projection::{Live, Runner};
use mailtrail::report::EmailLog;
use mailtrail::webhook::outbound::{Guard, Schedule, Signer, Target};

use crate::receiver::{OLD_SECRET, Receiver, SECRET};

pub(crate) struct World {
    pub(crate) tracker: Tracker,
    log: Arc<Live<EmailLog>>,
    pub(crate) folder: tempfile::TempDir,
}

impl World {
    pub(crate) fn new() -> Self {
        let store = Arc::new(MemoryStore::new());
        let states = Arc::new(MemoryStates::default());
        let log = Runner::parted(store.clone(), states, EmailLog).spawn().unwrap();
        let tracker = Tracker::shared(store).open();
        Self { tracker, log: Arc::new(log), folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn start(&self, subscriber: Subscriber) -> Outbound {
        let folder = self.folder_of(subscriber.name());
        let started = Outbound::start(subscriber, &self.tracker, self.log.clone(), folder);
        pollster::block_on(started).unwrap()
    }

    pub(crate) fn folder_of(&self, name: &str) -> SubscriberFolder {
        SubscriberFolder::open(self.folder.path(), name).unwrap()
    }

    pub(crate) fn kept(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name).join("kept.json")
    }

    /// Plans a broadcast to these contacts: their deliveries.
    pub(crate) fn plan(&self, name: &str, contacts: &[&str]) -> Vec<DeliveryId> {
        let broadcast = Broadcast::new(name.parse().unwrap(), "general".parse().unwrap());
        let contact = |id: &&str| {
            let address = ContactAddress::new(format!("{id}@a.example").as_str());
            Contact::new(id.parse().unwrap()).address(address)
        };
        let before = self.events().len();
        pollster::block_on(self.tracker.plan(broadcast, contacts.iter().map(contact))).unwrap();
        let planned = self.events().split_off(before);
        planned.iter().filter_map(|event| event.stream.as_delivery()).collect()
    }

    pub(crate) fn delivered(&self, delivery: DeliveryId) {
        self.record(delivery, Delivered::default().into());
    }

    pub(crate) fn bounced(&self, delivery: DeliveryId) {
        self.record(delivery, Bounced::because(Reason::MailboxFull).into());
    }

    fn record(&self, delivery: DeliveryId, event: Event) {
        let number = u8::try_from(self.events().len()).unwrap();
        let (id, fact) = (EventId::from_bytes([number; 16]), Fact::new(event));
        let event = NewEvent::new(id, &fact, &Private::default(), Source::known("test")).unwrap();
        let stream = StreamId::delivery(delivery);
        pollster::block_on(self.tracker.store().record(vec![(stream, event)])).unwrap();
    }

    pub(crate) fn events(&self) -> Vec<Envelope> {
        let mut events = Vec::new();
        let mut after = Some(Position::START);
        while let Some(position) = after {
            let store = self.tracker.store();
            let page = pollster::block_on(store.read_all(&Filter::all(), position, 1_000)).unwrap();
            events.extend(page.events);
            after = page.next;
        }
        events
    }

    /// Waits until everything was taken, or is a dead letter.
    pub(crate) fn through(&self, outbound: &Outbound) -> Standing {
        let head = pollster::block_on(self.tracker.store().head()).unwrap().position;
        until(|| {
            let standing = outbound.standing();
            assert_eq!(standing.paused, None);
            (standing.position == head && standing.waiting == 0).then_some(standing)
        })
    }
}

/// Waits until there is something.
pub(crate) fn until<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(began.elapsed() < Duration::from_secs(30), "it never came");
        std::thread::sleep(Duration::from_millis(2));
    }
}

pub(crate) fn poster(url: &str, guard: Guard) -> HttpPoster {
    let signer = Signer::new([OLD_SECRET, SECRET]).unwrap();
    HttpPoster::new(Target::parse(url).unwrap(), signer, guard, Arc::new(clock))
}

#[expect(clippy::disallowed_methods, reason = "the receiver compares with the system's clock")]
fn clock() -> chrono::DateTime<Utc> {
    Utc::now()
}

pub(crate) fn loopback() -> Guard {
    Guard::new(["127.0.0.0/8".parse().unwrap()])
}

/// Tries so often, at these milliseconds.
pub(crate) fn tries<const N: usize>(millis: [u64; N]) -> Schedule {
    Schedule::new(millis.map(Duration::from_millis))
}

pub(crate) fn to(receiver: &Receiver) -> Subscriber {
    subscriber(poster(&receiver.url(), loopback())).schedule(tries([0, 1, 1]))
}

pub(crate) fn subscriber(poster: impl Poster + 'static) -> Subscriber {
    Subscriber::new("crm", poster).unwrap()
}

/// What changes of a status a receiver was told: from and to.
pub(crate) fn change(body: &serde_json::Value) -> (String, String) {
    let text = |name: &str| body["data"][name].as_str().unwrap().to_owned();
    (text("from"), text("to"))
}
