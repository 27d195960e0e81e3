//! A log told row by row, for what a generated history doesn't show.

use chrono::{DateTime, TimeDelta, Utc};
use mailtrail_core::event::{ChainHash, Envelope, Opened, Queued, Row, Salt, Source};
use mailtrail_core::projection::Projection;
use mailtrail_core::{
    DeliveryId, Event, EventId, Fact, NewEvent, Position, Private, StreamId, Version,
};
use mailtrail_report::EmailLogState;

/// What happened, in order.
#[derive(Default)]
pub(crate) struct Story {
    pub(crate) envelopes: Vec<Envelope>,
}

/// A row of a story.
#[derive(Clone)]
pub(crate) struct Planned {
    pub(crate) broadcast: &'static str,
    pub(crate) kind: &'static str,
    pub(crate) contact: String,
    pub(crate) address: String,
    pub(crate) from: &'static str,
    pub(crate) zone: Option<&'static str>,
    pub(crate) school: &'static str,
    pub(crate) day: i64,
}

impl Planned {
    pub(crate) fn new(broadcast: &'static str, contact: &str, address: &str, day: i64) -> Self {
        let (contact, address) = (contact.to_owned(), address.to_owned());
        let (kind, from, school) = ("general", "office@school.example", "North");
        Self { broadcast, kind, contact, address, from, zone: None, school, day }
    }
}

/// Noon of a day of the story, in UTC: day 0 is a Monday.
pub(crate) fn noon(day: i64) -> DateTime<Utc> {
    let monday = DateTime::from_timestamp(1_699_876_800, 0).unwrap();
    monday + TimeDelta::days(day)
}

impl Story {
    pub(crate) fn plan(&mut self, planned: &Planned) -> DeliveryId {
        let number = u128::try_from(self.envelopes.len()).unwrap() + 1;
        let delivery = DeliveryId::from_bytes((number << 64 | 0xd).to_be_bytes());
        let broadcast = planned.broadcast.parse().unwrap();
        let contact = planned.contact.parse().unwrap();
        let mut row = Row::new(delivery, broadcast, contact, planned.kind.parse().unwrap());
        row.from = Some(planned.from.into());
        row.time_zone = planned.zone.map(Into::into);
        let mut private = Private::default();
        private.name = Some(format!("Name of {}", planned.contact).into());
        private.address = Some(planned.address.as_str().into());
        private.normal_address = Some(planned.address.to_lowercase().into());
        private.subject = Some("Closed today".into());
        private.labels = [("school".to_owned(), planned.school.to_owned())].into();
        self.add(
            StreamId::delivery(delivery),
            Queued::new(row).into(),
            &private,
            noon(planned.day),
        );
        delivery
    }

    pub(crate) fn says(
        &mut self,
        delivery: DeliveryId,
        event: impl Into<Event>,
        at: DateTime<Utc>,
    ) {
        self.add(StreamId::delivery(delivery), event.into(), &Private::default(), at);
    }

    pub(crate) fn opened(
        &mut self,
        delivery: DeliveryId,
        by: mailtrail_core::event::Agent,
        at: DateTime<Utc>,
    ) {
        let mut opened = Opened::default();
        opened.agent = by;
        self.says(delivery, opened, at);
    }

    pub(crate) fn add(
        &mut self,
        stream: StreamId,
        event: Event,
        private: &Private,
        at: DateTime<Utc>,
    ) {
        let number = u64::try_from(self.envelopes.len()).unwrap() + 1;
        let id = EventId::from_bytes(u128::from(number).to_be_bytes());
        let source = Source::known("story");
        let event = NewEvent::new(id, &Fact::new(event), private, source).unwrap();
        let place = (Position::new(number), stream, Version::new(0));
        let (event, previous) = (event.occurred_at(Some(at)), ChainHash::default());
        self.envelopes.push(Envelope::seal(place, at, event, Salt::default(), previous));
    }

    pub(crate) fn state(&self) -> EmailLogState {
        built(&mailtrail_report::EmailLog, &self.envelopes)
    }
}

pub(crate) fn built<P: Projection>(projection: &P, envelopes: &[Envelope]) -> P::State {
    let mut state = P::State::default();
    for envelope in envelopes {
        projection.apply(envelope, &mut state).unwrap();
    }
    state
}
