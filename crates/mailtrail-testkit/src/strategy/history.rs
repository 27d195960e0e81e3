//! Generated histories: all that happens to one broadcast, from plan to late contradictions.

use std::ops::RangeInclusive;

use chrono::{DateTime, Utc};
use mailtrail_core::correlation::CorrelationKey;
use mailtrail_core::event::{
    Attempted, Authenticity, Custom, Duplicated, Malformed, NotSelected, Provenance, Queued, Row,
    Source, Suppressed, SuppressedBy,
};
use mailtrail_core::id::{ContactId, Destination, Endpoint, Identity, Kind};
use mailtrail_core::token::SeenIn;
use mailtrail_core::{
    BroadcastId, DeliveryId, EmailAddress, Event, EventId, Fact, Namespace, NewEvent, Private,
    StreamId,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use super::fact::{fact, time};

/// What histories look like.
///
/// ```
/// use mailtrail_testkit::strategy::Shape;
/// let shape = Shape::adversarial().deliveries(1..=3).late(0.05).repeats(1..=5);
/// # let _ = shape;
/// ```
#[derive(Debug, Clone)]
pub struct Shape {
    deliveries: RangeInclusive<usize>,
    events: RangeInclusive<usize>,
    broadcasts: usize,
    repeats: RangeInclusive<usize>,
    late: f64,
    forged: f64,
    lying_clocks: f64,
    unknown: f64,
}

impl Shape {
    /// Few events a delivery, each once, true, and of a type that this version knows.
    pub fn realistic() -> Self {
        Self {
            deliveries: 1..=8,
            events: 0..=5,
            broadcasts: 1,
            repeats: 1..=1,
            late: 0.0,
            forged: 0.0,
            lying_clocks: 0.0,
            unknown: 0.0,
        }
    }

    /// Many events a delivery, contradictory, some late, forged, by lying clocks, or of types and
    /// schemas that nobody knows.
    pub fn adversarial() -> Self {
        Self {
            events: 0..=12,
            late: 0.05,
            forged: 0.1,
            lying_clocks: 0.05,
            unknown: 0.05,
            ..Self::realistic()
        }
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

    /// With the deliveries dealt out to so many broadcasts.
    pub fn broadcasts(mut self, count: usize) -> Self {
        self.broadcasts = count.max(1);
        self
    }

    /// With each event brought so many times. The history holds it once, a
    /// [`Feeder`](crate::Feeder) brings it so often.
    pub fn repeats(mut self, times: RangeInclusive<usize>) -> Self {
        self.repeats = times;
        self
    }

    /// With this share of the feedback (0 to 1) arriving after everything else.
    pub fn late(mut self, share: f64) -> Self {
        self.late = share.clamp(0.0, 1.0);
        self
    }

    /// With this share of the feedback (0 to 1) authenticated by nothing, or by a token that
    /// proves nothing. Its provenance says so.
    pub fn forged(mut self, share: f64) -> Self {
        self.forged = share.clamp(0.0, 1.0);
        self
    }

    /// With this share of the feedback (0 to 1) claiming to be years older or younger than it is.
    pub fn lying_clocks(mut self, share: f64) -> Self {
        self.lying_clocks = share.clamp(0.0, 1.0);
        self
    }

    /// With this share of the feedback (0 to 1) of a type or a schema of a newer version.
    pub fn unknown(mut self, share: f64) -> Self {
        self.unknown = share.clamp(0.0, 1.0);
        self
    }
}

/// Events of one or more broadcasts, in the order in which they arrive, each on its stream.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct History {
    /// The salt of its ids.
    pub namespace: Namespace,
    /// The events, each once.
    pub events: Vec<(StreamId, NewEvent)>,
    /// The deliveries that have a planning event.
    pub planned: Vec<DeliveryId>,
    /// Decides the order of a [`Feeder`](crate::Feeder) that shuffles: a part of what is generated,
    /// so that a failure comes again.
    pub seed: u64,
    /// How often each event is brought.
    pub repeats: RangeInclusive<usize>,
}

/// Histories of a shape. They shrink to fewer deliveries with fewer events; the seed stays.
pub fn history(shape: Shape) -> impl Strategy<Value = History> {
    let trail = (any::<prop::sample::Index>(), vec(happening(&shape), shape.events));
    let seed = any::<u64>().no_shrink();
    let (repeats, broadcasts) = (shape.repeats, shape.broadcasts);
    (vec(trail, shape.deliveries), seed).prop_map(move |(trails, seed)| {
        let (namespace, repeats) = (Namespace::from_random([7; 16]), repeats.clone());
        let (events, planned) = (Vec::new(), Vec::new());
        let mut history = History { namespace, events, planned, seed, repeats };
        let mut late = Vec::new();
        for (number, (plan, happenings)) in trails.iter().enumerate() {
            let place = (number, number % broadcasts);
            history.add_delivery(place, plan.index(6), happenings, &mut late);
        }
        history.events.append(&mut late);
        history
    })
}

#[derive(Debug, Clone)]
struct Happening {
    fact: Fact,
    at: Option<DateTime<Utc>>,
    on_key: bool,
    again: Option<prop::sample::Index>,
    provenance: Provenance,
    late: bool,
    newer: Option<bool>,
}

fn happening(shape: &Shape) -> impl Strategy<Value = Happening> + use<> {
    let forged = select(vec![
        Authenticity::None,
        Authenticity::Token { key_id: 9, seen_in: SeenIn::Quoted },
    ]);
    // 2001 and 2051: plausible enough that a port keeps them, and far from the truth.
    let lie = select(vec![978_307_200, 2_556_144_000])
        .prop_map(|seconds| DateTime::from_timestamp(seconds, 0));
    let parts = (
        fact(Vec::new(), Vec::new()),
        (option::weighted(0.9, time()), sometimes(shape.lying_clocks, lie)),
        any::<bool>(),
        option::of(any::<prop::sample::Index>()),
        sometimes(shape.forged, forged),
        prop::bool::weighted(shape.late),
        sometimes(shape.unknown, any::<bool>()),
    );
    parts.prop_map(|(fact, (at, lie), on_key, again, forged, late, newer)| Happening {
        fact,
        at: lie.unwrap_or(at),
        on_key,
        again,
        provenance: forged.map_or_else(Provenance::observed, Provenance::of),
        late,
        newer,
    })
}

/// Also never, and also always, which `option::weighted` refuses.
fn sometimes<S: Strategy>(
    share: f64,
    strategy: S,
) -> impl Strategy<Value = Option<S::Value>> + use<S> {
    (prop::bool::weighted(share), strategy).prop_map(|(is, value)| is.then_some(value))
}

impl History {
    fn add_delivery(
        &mut self,
        place: (usize, usize),
        plan: usize,
        happenings: &[Happening],
        late: &mut Vec<(StreamId, NewEvent)>,
    ) {
        let Some((delivery, key)) = self.plan(place, plan) else { return };
        let number = place.0;
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
            let event = sealed(id, &fact, &Private::default(), happening.at);
            let mut event = event.provenance(happening.provenance.clone());
            match happening.newer {
                Some(true) => event.event_type = "from_the_future".into(),
                Some(false) => event.schema = Fact::SCHEMA.saturating_add(1),
                None => {}
            }
            if happening.late { &mut *late } else { &mut self.events }.push((stream, event));
        }
    }

    fn plan(
        &mut self,
        (number, broadcast): (usize, usize),
        plan: usize,
    ) -> Option<(DeliveryId, StreamId)> {
        let name = if broadcast == 0 { "history".into() } else { format!("history-{broadcast}") };
        let broadcast = BroadcastId::new(name).ok()?;
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

fn sealed(id: EventId, fact: &Fact, private: &Private, at: Option<DateTime<Utc>>) -> NewEvent {
    #[expect(clippy::expect_used, reason = "generated facts hold nothing that JSON can't express")]
    NewEvent::new(id, fact, private, Source::known("testkit"))
        .expect("a generated fact is canonical JSON")
        .occurred_at(at)
        .provenance(Provenance::observed())
}
