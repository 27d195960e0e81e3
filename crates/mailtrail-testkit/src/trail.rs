//! Events of one delivery in a word each, for [`given`](crate::given).
//!
//! The delivery is that of contact `c1` in the broadcast `trail`, to `ann@a.example`.

use chrono::{DateTime, Utc};
use mailtrail_core::correlation::{Attribution, CorrelationKey};
use mailtrail_core::event::{
    Agent, Attempted, Authenticity, Bounced, Clicked, Complained, Deferred, Delivered, Opened,
    Provenance, Queued, Row, Sent, Source,
};
use mailtrail_core::id::{Endpoint, Kind};
use mailtrail_core::reason::Reason;
use mailtrail_core::{
    BroadcastId, ContactId, DeliveryId, Event, EventId, Fact, Namespace, NewEvent, Private,
    StreamId,
};

/// One event of the trail, until it is fed.
///
/// ```
/// use mailtrail_core::Status;
/// use mailtrail_testkit::{given, trail};
/// given([trail::queued(), trail::sent()])
///     .when(trail::delivered().at("2026-11-24T10:00:00Z").on_key())
///     .then_status(Status::Delivered);
/// ```
#[derive(Debug, Clone)]
pub struct Step {
    fact: Fact,
    newer: Option<&'static str>,
    at: Option<DateTime<Utc>>,
    on_key: bool,
    provenance: Provenance,
}

impl Step {
    /// Any event.
    pub fn of(event: impl Into<Event>) -> Self {
        Self {
            fact: Fact::new(event.into()),
            newer: None,
            at: None,
            on_key: false,
            provenance: Provenance::observed(),
        }
    }

    /// At the time that its source claims, as in `2026-11-24T10:00:00Z`.
    ///
    /// # Panics
    /// If the text is no time in RFC 3339.
    #[track_caller]
    #[expect(clippy::panic, reason = "a mistake in a test, which should fail")]
    pub fn at(mut self, time: &str) -> Self {
        match DateTime::parse_from_rfc3339(time) {
            Ok(at) => self.at = Some(at.to_utc()),
            Err(error) => panic!("{time:?} is no time: {error}"),
        }
        self
    }

    /// On the stream of the message's key, as feedback without a token comes. What
    /// [`attempted`] and [`sent`] bring names that key.
    pub fn on_key(mut self) -> Self {
        self.on_key = true;
        self
    }

    /// Of a message, perhaps to others: it raises nobody.
    pub fn of_message(mut self) -> Self {
        self.fact = self.fact.attributed(Attribution::Message);
        self
    }

    /// Authenticated by nothing.
    pub fn forged(mut self) -> Self {
        self.provenance = Provenance::of(Authenticity::None);
        self
    }

    /// As it is appended, with an id for its place in the trail.
    pub(crate) fn event(&self, number: u8) -> (StreamId, NewEvent) {
        let id = EventId::from_bytes([number; 16]);
        let source = Source::known("testkit");
        #[expect(
            clippy::expect_used,
            reason = "events in a word hold nothing that JSON can't express"
        )]
        let event = NewEvent::new(id, &self.fact, &Private::default(), source)
            .expect("canonical JSON")
            .occurred_at(self.at)
            .provenance(self.provenance.clone());
        let mut event = event;
        if let Some(name) = self.newer {
            event.event_type = name.into();
        }
        (if self.on_key { key() } else { StreamId::delivery(delivery()) }, event)
    }
}

/// The delivery that all is about.
pub fn delivery() -> DeliveryId {
    DeliveryId::from_bytes([1; 16])
}

/// It was planned.
pub fn queued() -> Step {
    Step::of(Queued::new(row()))
}

/// This attempt began.
pub fn attempted(number: u32) -> Step {
    let mut attempted = Attempted::default();
    (attempted.attempt, attempted.keys) = (number, vec![key()]);
    Step::of(attempted)
}

/// It was handed over.
pub fn sent() -> Step {
    let mut sent = Sent::default();
    sent.keys = vec![key()];
    Step::of(sent)
}

/// An attempt failed, another will follow.
pub fn deferred(reason: Reason) -> Step {
    Step::of(Deferred::because(reason))
}

/// It was given up.
pub fn bounced(reason: Reason) -> Step {
    Step::of(Bounced::because(reason))
}

/// The recipient's server confirmed it.
pub fn delivered() -> Step {
    Step::of(Delivered::default())
}

/// It was opened.
pub fn opened(agent: Agent) -> Step {
    let mut opened = Opened::default();
    opened.agent = agent;
    Step::of(opened)
}

/// A link of it was followed.
pub fn clicked(agent: Agent) -> Step {
    let mut clicked = Clicked::default();
    clicked.agent = agent;
    Step::of(clicked)
}

/// Its recipient called it spam.
pub fn complained() -> Step {
    Step::of(Complained::default())
}

/// Something of a type that this version doesn't know.
pub fn unknown(event_type: &'static str) -> Step {
    Step { newer: Some(event_type), ..Step::of(Delivered::default()) }
}

fn key() -> StreamId {
    let key = CorrelationKey::new(Endpoint::message_id(), "m1@school.example", "ann@a.example");
    StreamId::key(&Namespace::from_random([7; 16]), &key)
}

#[expect(clippy::expect_used, reason = "constant ids that are valid")]
fn row() -> Row {
    let broadcast = BroadcastId::new("trail").expect("an id");
    let contact = ContactId::new("c1").expect("an id");
    Row::new(delivery(), broadcast, contact, Kind::new("general").expect("an id"))
}
