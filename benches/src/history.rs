//! A seeded history in the shape of real traffic: most messages arrive, some are opened.

use chrono::{DateTime, TimeDelta, Utc};
use mailtrail_core::event::{
    Attempted, Bounced, ChainHash, Deferred, Delivered, Envelope, Opened, Provenance, Queued, Row,
    Salt, Sent, Source,
};
use mailtrail_core::id::Category;
use mailtrail_core::reason::Reason;
use mailtrail_core::{
    BroadcastId, ContactId, DeliveryId, Event, EventId, Fact, NewEvent, Position, Private,
    StreamId, Version,
};

/// Events of one broadcast, in order.
pub type History = Vec<(StreamId, NewEvent)>;

/// About five events for each of so many deliveries.
///
/// # Panics
/// Never: what it writes is canonical JSON.
pub fn history(deliveries: u64) -> History {
    (0..deliveries).flat_map(|number| of_delivery(number, "bench")).collect()
}

/// The events of one broadcast of so many deliveries in the order of a real one: all rows are planned, then all are
/// attempted and handed over, then what came back.
///
/// # Panics
/// Never: what it writes is canonical JSON.
pub fn broadcast(number: u64, deliveries: u64) -> History {
    let mut phases: Vec<History> = Vec::new();
    for index in 0..deliveries {
        let of = number * deliveries + index;
        for (phase, event) in of_delivery(of, &format!("b{number:04}")).into_iter().enumerate() {
            if phases.len() == phase {
                phases.push(Vec::new());
            }
            phases[phase].push(event);
        }
    }
    phases.into_iter().flatten().collect()
}

/// The same, where what comes back names a provider's key and not the delivery.
///
/// # Panics
/// Never: what it writes is canonical JSON.
pub fn keyed(events: History) -> History {
    let key_of = |stream: &StreamId| StreamId::from_parts(Category::KEY, *stream.id());
    let by_key = |(stream, mut event): (StreamId, NewEvent)| match event.event_type.as_str() {
        "sent" => {
            let mut sent = Sent::default();
            (sent.attempt, sent.keys) = (Some(1), vec![key_of(&stream)]);
            event.data = Fact::new(sent.into()).encode().unwrap().into();
            (stream, event)
        }
        "queued" | "attempted" => (stream, event),
        _ => (key_of(&stream), event),
    };
    events.into_iter().map(by_key).collect()
}

/// The id of a delivery, by its number.
pub fn delivery(number: u64) -> DeliveryId {
    DeliveryId::from_bytes(spread(number))
}

/// The same as a store would hold it.
pub fn envelopes(history: &History) -> Vec<Envelope> {
    let seal = |(number, (stream, event)): (usize, &(StreamId, NewEvent))| {
        let place = (Position::new(number as u64 + 1), *stream, Version::FIRST);
        Envelope::seal(place, start(), event.clone(), Salt::default(), ChainHash::default())
    };
    history.iter().enumerate().map(seal).collect()
}

fn of_delivery(number: u64, broadcast: &str) -> History {
    let id = delivery(number);
    let new = |(index, event): (usize, Event)| {
        let event_id = EventId::from_bytes(spread(number * 16 + index as u64 + (1 << 40)));
        let at = start() + TimeDelta::milliseconds((number * 7 + index as u64 * 1_000) as i64);
        let private = if index == 0 { person(number) } else { Private::default() };
        let new = NewEvent::new(event_id, &Fact::new(event), &private, Source::known("bench"))
            .unwrap()
            .occurred_at(Some(at))
            .provenance(Provenance::observed());
        (StreamId::delivery(id), new)
    };
    trail(id, number, broadcast).into_iter().enumerate().map(new).collect()
}

fn trail(delivery: DeliveryId, number: u64, broadcast: &str) -> Vec<Event> {
    let broadcast = BroadcastId::new(broadcast).unwrap();
    let contact = ContactId::new(format!("c{number}")).unwrap();
    let kind = "general".parse().unwrap();
    let row = Row::new(delivery, broadcast, contact, kind);
    let mut attempted = Attempted::default();
    attempted.attempt = 1;
    let mut sent = Sent::default();
    sent.attempt = Some(1);
    let mut events: Vec<Event> = vec![Queued::new(row).into(), attempted.into(), sent.into()];
    match number % 20 {
        0 => events.push(Bounced::because(Reason::UserUnknown).into()),
        1 => events.push(Deferred::because(Reason::Greylisted).into()),
        2 => {}
        3..=9 => events.extend([Delivered::default().into(), Opened::default().into()]),
        _ => events.push(Delivered::default().into()),
    }
    events
}

fn person(number: u64) -> Private {
    let mut private = Private::default();
    private.address = Some(format!("person{number}@a.example").into());
    private.name = Some(format!("Person {number}").into());
    private.labels.insert("school".into(), ["North", "South"][(number % 2) as usize].into());
    private
}

/// Ids that look like hashes: `SplitMix64` twice.
fn spread(number: u64) -> [u8; 16] {
    let mix = |seed: u64| {
        let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    };
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&mix(number).to_be_bytes());
    bytes[8..].copy_from_slice(&mix(number ^ 0x5bf0_3635).to_be_bytes());
    bytes
}

fn start() -> DateTime<Utc> {
    DateTime::from_timestamp(1_700_000_000, 0).unwrap_or_default()
}
