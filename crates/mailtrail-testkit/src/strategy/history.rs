//! Generated histories: all that happens to one broadcast, from plan to late contradictions.

use std::ops::RangeInclusive;

use mailtrail_core::correlation::CorrelationKey;
use mailtrail_core::event::{
    Attempted, Custom, Duplicated, Malformed, NotSelected, Provenance, Queued, Row, Source,
    Suppressed, SuppressedBy,
};
use mailtrail_core::id::{ContactId, Destination, Endpoint, Identity, Kind};
use mailtrail_core::{
    BroadcastId, DeliveryId, EmailAddress, Event, EventId, Fact, Namespace, NewEvent, Private,
    StreamId,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::fact::{fact, time};

/// What histories look like.
///
/// ```
/// use mailtrail_testkit::strategy::Shape;
/// let shape = Shape::adversarial().deliveries(1..=3);
/// # let _ = shape;
/// ```
#[derive(Debug, Clone)]
pub struct Shape {
    deliveries: RangeInclusive<usize>,
    events: RangeInclusive<usize>,
    unknown_types: bool,
}

impl Shape {
    /// Few events a delivery, all of types that this version knows.
    pub fn realistic() -> Self {
        Self { deliveries: 1..=8, events: 0..=5, unknown_types: false }
    }

    /// Many events a delivery, contradictory, some of types that nobody knows.
    pub fn adversarial() -> Self {
        Self { deliveries: 1..=8, events: 0..=12, unknown_types: true }
    }

    /// With so many deliveries.
    pub fn deliveries(mut self, count: RangeInclusive<usize>) -> Self {
        self.deliveries = count;
        self
    }

    /// With so many events a delivery, beside its planning.
    pub fn events(mut self, count: RangeInclusive<usize>) -> Self {
        self.events = count;
        self
    }
}

/// Events of one broadcast, in the order in which they happened, each on its stream.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct History {
    /// The salt of its ids.
    pub namespace: Namespace,
    /// The events.
    pub events: Vec<(StreamId, NewEvent)>,
    /// The deliveries that have a planning event.
    pub planned: Vec<DeliveryId>,
}

/// Histories of a shape.
pub fn history(shape: Shape) -> impl Strategy<Value = History> {
    let trail = (any::<prop::sample::Index>(), vec(happening(), shape.events));
    vec(trail, shape.deliveries).prop_map(move |trails| {
        let namespace = Namespace::from_random([7; 16]);
        let mut history = History { namespace, events: Vec::new(), planned: Vec::new() };
        for (number, (plan, happenings)) in trails.iter().enumerate() {
            history.add_delivery(number, plan.index(6), happenings, shape.unknown_types);
        }
        history
    })
}

#[derive(Debug, Clone)]
struct Happening {
    fact: Fact,
    at: Option<chrono::DateTime<chrono::Utc>>,
    on_key: bool,
    again: Option<prop::sample::Index>,
    unknown: bool,
}

fn happening() -> impl Strategy<Value = Happening> {
    let parts = (
        fact(Vec::new(), Vec::new()),
        option::weighted(0.9, time()),
        any::<bool>(),
        option::of(any::<prop::sample::Index>()),
        prop::bool::weighted(0.05),
    );
    parts.prop_map(|(fact, at, on_key, again, unknown)| Happening {
        fact,
        at,
        on_key,
        again,
        unknown,
    })
}

impl History {
    fn add_delivery(
        &mut self,
        number: usize,
        plan: usize,
        happenings: &[Happening],
        unknown: bool,
    ) {
        let Some((delivery, key)) = self.plan(number, plan) else { return };
        let own = StreamId::delivery(delivery);
        let mut known: Vec<EventId> = Vec::new();
        for (index, happening) in happenings.iter().enumerate() {
            let mut fact = happening.fact.clone();
            if let (Event::Reclassified(reread), Some(again), false) =
                (&mut fact.event, &happening.again, known.is_empty())
            {
                reread.of = *again.get(&known);
            }
            if let Event::Attempted(attempted) = &mut fact.event {
                attempted.keys = vec![key];
            }
            let id = event_id(number, index);
            known.push(id);
            let stream = if happening.on_key { key } else { own };
            let mut event = sealed(id, &fact, &Private::default(), happening.at);
            if unknown && happening.unknown {
                event.event_type = "from_the_future".into();
            }
            self.events.push((stream, event));
        }
    }

    fn plan(&mut self, number: usize, plan: usize) -> Option<(DeliveryId, StreamId)> {
        let broadcast = BroadcastId::new("history").ok()?;
        let contact = ContactId::new(format!("c{number:06}")).ok()?;
        let text = format!("person{number}@a.example");
        let address = EmailAddress::parse(&text).ok()?;
        let destination = Destination::Address(&address);
        let delivery = DeliveryId::derive(&self.namespace, &broadcast, &contact, destination);
        let message_id = format!("m{number}@school.example");
        let key = CorrelationKey::new(Endpoint::message_id(), &message_id, &text);
        let key = StreamId::key(&self.namespace, &key);
        let row = Row::new(delivery, broadcast, contact, Kind::new("general").ok()?);
        let planned: Event = match plan {
            0 => NotSelected::new(row, 1).into(),
            1 => Duplicated::new(row, DeliveryId::from_bytes([1; 16])).into(),
            2 => Malformed::new(row).into(),
            3 => {
                let mut suppressed = Suppressed::default();
                (suppressed.by, suppressed.row) = (SuppressedBy::Planner, Some(row));
                suppressed.into()
            }
            // Evidence of a delivery that nobody planned: unmatched feedback.
            4 if number % 5 == 4 => Custom::default().into(),
            _ => Queued::new(row).into(),
        };
        if planned.row().is_some() {
            self.planned.push(delivery);
        }
        let mut private = Private::default();
        private.address = Some(text.into());
        private.name = Some(format!("Person {number}").into());
        private.labels.insert("school".into(), ["North", "South"][number % 2].into());
        let id = Identity::Plan(delivery).event_id(&self.namespace);
        let stream = StreamId::delivery(delivery);
        self.events.push((stream, sealed(id, &Fact::new(planned), &private, None)));
        let mut attempted = Attempted::default();
        attempted.keys = vec![key];
        let fact = Fact::new(attempted.into());
        self.events
            .push((stream, sealed(event_id(number, 900_000), &fact, &Private::default(), None)));
        Some((delivery, key))
    }
}

fn event_id(number: usize, index: usize) -> EventId {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&(number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    bytes[8..].copy_from_slice(&(index as u64 + 1).to_be_bytes());
    EventId::from_bytes(bytes)
}

fn sealed(
    id: EventId,
    fact: &Fact,
    private: &Private,
    at: Option<chrono::DateTime<chrono::Utc>>,
) -> NewEvent {
    #[expect(clippy::expect_used, reason = "generated facts hold nothing that JSON can't express")]
    NewEvent::new(id, fact, private, Source::known("testkit"))
        .expect("a generated fact is canonical JSON")
        .occurred_at(at)
        .provenance(Provenance::observed())
}
