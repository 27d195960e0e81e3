//! A store with a broadcast whose rows have come to something.

use mailtrail::core::event::{
    Attempted, Bounced, Deferred, Delivered, Event, Private, Provenance, Sent, Source,
};
use mailtrail::core::plan::{Broadcast, Contact, ContactAddress};
use mailtrail::core::reason::Reason;
use mailtrail::core::store::Filter;
use mailtrail::core::{BroadcastId, Fact, NewEvent, Position, StreamId};
use mailtrail::memory::MemoryStore;
use mailtrail::prelude::*;
use mailtrail::{FollowUp, FollowUpReport};

/// What may become of a row that is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Waits,
    InDoubt,
    Taken,
    Deferred,
    DeferredThenInDoubt,
    Bounced,
    Failed,
    /// In doubt, until a report told of it.
    BouncedAfterDoubt,
    Arrived,
}

impl Fate {
    pub(crate) const ALL: [Self; 9] = [
        Self::Waits,
        Self::InDoubt,
        Self::Taken,
        Self::Deferred,
        Self::DeferredThenInDoubt,
        Self::Bounced,
        Self::Failed,
        Self::BouncedAfterDoubt,
        Self::Arrived,
    ];

    fn events(self) -> Vec<Event> {
        let attempted = |number| {
            let mut attempted = Attempted::default();
            attempted.attempt = number;
            attempted.into()
        };
        let deferred = || {
            let mut deferred = Deferred::because(Reason::Greylisted);
            deferred.attempt = Some(1);
            deferred.into()
        };
        let bounced = |reason| Bounced::because(reason).into();
        match self {
            Self::Waits => vec![],
            Self::InDoubt => vec![attempted(1)],
            Self::Taken => vec![Sent::default().into()],
            Self::Deferred => vec![attempted(1), deferred()],
            Self::DeferredThenInDoubt => vec![attempted(1), deferred(), attempted(2)],
            Self::Bounced => vec![bounced(Reason::MailboxFull)],
            Self::Failed => vec![bounced(Reason::UserUnknown)],
            Self::BouncedAfterDoubt => vec![attempted(1), bounced(Reason::MailboxFull)],
            Self::Arrived => vec![Delivered::default().into()],
        }
    }
}

pub(crate) struct World {
    pub(crate) tracker: Tracker,
}

impl World {
    pub(crate) fn new() -> Self {
        Self { tracker: Tracker::builder(MemoryStore::new()).open() }
    }

    /// A broadcast `old` of the kind `general` to these.
    pub(crate) async fn planned(people: impl IntoIterator<Item = Contact>) -> Self {
        let world = Self::new();
        let broadcast = Broadcast::new(id("old"), "general".parse().unwrap())
            .from_address("office@school.example")
            .subject("Closed today");
        world.tracker.plan(broadcast, people).await.unwrap();
        world
    }

    pub(crate) async fn happens(&self, delivery: DeliveryId, fate: Fate) {
        for event in fate.events() {
            let (fact, private) = (Fact::new(event), Private::default());
            let observed = self.tracker.observed().unwrap();
            let event = NewEvent::new(observed, &fact, &private, Source::known("testkit")).unwrap();
            let event = event.provenance(Provenance::observed());
            let stream = StreamId::delivery(delivery);
            self.tracker.store().record(vec![(stream, event)]).await.unwrap();
        }
    }

    /// The same, to the row of an address.
    pub(crate) async fn happens_to(&self, broadcast: &str, address: &str, fate: Fate) {
        let rows = self.rows(broadcast).await;
        let row = rows.iter().find(|(_, private)| private.address.as_deref() == Some(address));
        self.happens(row.unwrap().0.row().unwrap().delivery, fate).await;
    }

    /// The planning of a broadcast's rows, in order.
    pub(crate) async fn rows(&self, broadcast: &str) -> Vec<(Event, Private)> {
        let mut rows = Vec::new();
        let mut next = Some(Position::START);
        while let Some(after) = next {
            let page = self.tracker.store().read_all(&Filter::all(), after, 1_000).await.unwrap();
            for envelope in page.events {
                let Ok(fact) = envelope.fact() else { continue };
                if fact.event.row().is_some_and(|row| row.broadcast.as_str() == broadcast) {
                    rows.push((fact.event, envelope.private()));
                }
            }
            next = page.next;
        }
        rows
    }

    /// The types and addresses of a broadcast's rows.
    pub(crate) async fn planned_as(&self, broadcast: &str) -> Vec<(String, String)> {
        let rows = self.rows(broadcast).await;
        let told = |(event, private): &(Event, Private)| {
            (event.type_name().to_owned(), private.address.clone().unwrap_or_default().into())
        };
        rows.iter().map(told).collect()
    }

    pub(crate) async fn created(&self, broadcast: &str) -> Broadcast {
        let stream = StreamId::broadcast(&self.tracker.store().namespace(), &id(broadcast));
        Broadcast::of(&self.tracker.store().stream(stream).await.unwrap()).unwrap()
    }

    pub(crate) async fn plan(&self, follow_up: &FollowUp) -> FollowUpReport {
        self.tracker.plan_follow_up(follow_up, &mut |_| ()).await.unwrap()
    }

    pub(crate) async fn erase(&self, contact: &str) {
        let contact = contact.parse().unwrap();
        let store = &**self.tracker.store();
        let erasure = mailtrail::audit::Erasure::find(store, &contact).await.unwrap();
        let raw = mailtrail::memory::MemoryRaw::default();
        erasure.erase(store, &raw, None).await.unwrap();
    }
}

pub(crate) fn id(name: &str) -> BroadcastId {
    name.parse().unwrap()
}

pub(crate) fn person(contact: &str, address: &str) -> Contact {
    Contact::new(contact.parse().unwrap()).address(ContactAddress::new(address))
}

/// `new`, to those rows of `old`.
pub(crate) fn to(statuses: &[Status]) -> FollowUp {
    let follow_up = FollowUp::new(id("new"), id("old"));
    statuses.iter().fold(follow_up, |follow_up, status| follow_up.status(*status))
}
