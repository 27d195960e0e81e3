//! Verdicts on hits: who opened or clicked.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use mailtrail_core::correlation::Correlation;
use mailtrail_core::event::{
    Agent, Authenticity, Clicked, Envelope, Hit, HitKind, Opened, Provenance, Source,
};
use mailtrail_core::id::Identity;
use mailtrail_core::token::SeenIn;
use mailtrail_core::{Event, EventId, Feedback};

use super::machines::Machines;
use super::scene::{Judged, Scene, Seen, at_once};

/// After how many seconds a hit is judged: until then others may come that say who made it.
pub const SETTLE_SECONDS: i64 = 10;

/// The verdict on a hit that it alone decides: it belongs into the append of the hit.
///
/// ```
/// use mailtrail_core::token::{Key, Keys, Purpose};
/// use mailtrail_core::{DeliveryId, Event, EventId, Namespace};
/// use mailtrail_webhook::track::{HitRequest, Machines, hit, verdict_at_once};
/// let keys = Keys::new(Key::new(1, [7; 32]));
/// let now = chrono::DateTime::from_timestamp(1_700_000_000, 0).unwrap();
/// let token = keys.sign(Purpose::Open, DeliveryId::from_bytes([2; 16]));
/// let request = HitRequest::pixel(&token, now).user_agent(Some("Mozilla/5.0"));
/// let id = EventId::observed(now, [3; 10]);
/// let verdict = verdict_at_once(&Machines::builtin(), &hit(&keys, &request, id)?, id).unwrap();
/// assert!(matches!(verdict.fact.event, Event::Opened(_)));
/// # Ok::<(), mailtrail_core::token::TokenError>(())
/// ```
pub fn verdict_at_once(machines: &Machines, hit: &Feedback, id: EventId) -> Option<Feedback> {
    let Event::Hit(fact) = &hit.fact.event else { return None };
    let event = verdict(fact, id, at_once(machines, fact, &hit.private)?)?;
    let (correlation, authenticity) = (hit.correlation.clone(), &hit.provenance.authenticity);
    Some(feedback(machines, correlation, event, id, hit.occurred_at, authenticity))
}

/// The verdicts that are due on the hits of one delivery, given its events.
///
/// # Guarantees
/// The same whatever the order and repetition of the events, and whenever it runs after the settle
/// window; what has its verdict gets no other.
///
/// # Limits
/// Of a delivery that was hit more often, a verdict looks at the last 500 hits until its window closed.
pub fn verdicts(machines: &Machines, events: &[Envelope], now: DateTime<Utc>) -> Vec<Feedback> {
    let judged: BTreeSet<EventId> =
        events.iter().filter_map(|event| judged_hit(&event.fact().ok()?.event)).collect();
    let hits = Recorded::of(events);
    let due = hits
        .0
        .iter()
        .filter(|((recorded_at, id), _)| settled(*recorded_at, now) && !judged.contains(id));
    due.filter_map(|(_, (envelope, hit, seen))| {
        let id = envelope.event.event_id;
        let event = verdict(hit, id, hits.judge(machines, seen))?;
        let (correlation, authenticity) = names(envelope)?;
        let occurred_at = envelope.event.occurred_at;
        Some(feedback(machines, correlation, event, id, occurred_at, authenticity))
    })
    .collect()
}

/// Who made a hit of a delivery, given its events, as this table says: whether the hit has its verdict or
/// not. `None` if it is none of these events.
///
/// # Guarantees
/// Those of [`verdicts`], and the same verdict.
pub fn verdict_on(
    machines: &Machines,
    events: &[Envelope],
    hit: EventId,
) -> Option<(Agent, Box<str>)> {
    let hits = Recorded::of(events);
    let (_, _, seen) = hits.0.values().find(|(_, _, seen)| seen.id == hit)?;
    Some(hits.judge(machines, seen))
}

/// The hits among events: in the order in which they were recorded, each once.
struct Recorded<'a>(BTreeMap<(DateTime<Utc>, EventId), (&'a Envelope, Hit, Seen)>);

impl<'a> Recorded<'a> {
    fn of(events: &'a [Envelope]) -> Self {
        let hit = |envelope: &'a Envelope| match envelope.fact().ok()?.event {
            Event::Hit(hit) => {
                let seen = Seen::of(envelope, &hit);
                Some(((seen.recorded_at, seen.id), (envelope, hit, seen)))
            }
            _ => None,
        };
        Self(events.iter().filter_map(hit).collect())
    }

    /// By what was recorded until its window closed, and nothing later.
    fn judge(&self, machines: &Machines, hit: &Seen) -> Judged {
        let until = settles(hit.recorded_at);
        let seen = self.0.values().rev().map(|(_, _, seen)| seen);
        let before = seen.skip_while(|other| other.recorded_at > until).take(MOST_TOGETHER);
        Scene::new(machines, before).verdict(hit)
    }
}

/// The hit that an event is the verdict on.
pub(super) fn judged_hit(event: &Event) -> Option<EventId> {
    match event {
        Event::Opened(opened) => opened.hit,
        Event::Clicked(clicked) => clicked.hit,
        _ => None,
    }
}

/// When the window of a hit closes.
pub(super) fn settles(recorded_at: DateTime<Utc>) -> DateTime<Utc> {
    let settled = recorded_at.checked_add_signed(TimeDelta::seconds(SETTLE_SECONDS));
    settled.unwrap_or(DateTime::<Utc>::MAX_UTC)
}

fn settled(recorded_at: DateTime<Utc>, now: DateTime<Utc>) -> bool {
    settles(recorded_at) <= now
}

/// How a hit names its delivery, and how it was authenticated.
fn names(envelope: &Envelope) -> Option<(Correlation, &Authenticity)> {
    let delivery = envelope.stream.as_delivery()?;
    let authenticity = &envelope.event.provenance.authenticity;
    let key_id = match authenticity {
        Authenticity::Token { key_id, .. } => *key_id,
        _ => 0,
    };
    Some((Correlation::Token { delivery, key_id, seen_in: SeenIn::Url }, authenticity))
}

fn verdict(hit: &Hit, id: EventId, (agent, rule): Judged) -> Option<Event> {
    match hit.hit {
        HitKind::Pixel => {
            let mut opened = Opened::default();
            (opened.agent, opened.rule, opened.hit) = (agent, Some(rule), Some(id));
            Some(opened.into())
        }
        HitKind::Link => {
            let mut clicked = Clicked::default();
            (clicked.agent, clicked.rule, clicked.hit) = (agent, Some(rule), Some(id));
            clicked.link.clone_from(&hit.link);
            Some(clicked.into())
        }
        _ => None,
    }
}

fn feedback(
    machines: &Machines,
    correlation: Correlation,
    event: Event,
    id: EventId,
    occurred_at: Option<DateTime<Utc>>,
    authenticity: &Authenticity,
) -> Feedback {
    let mut verdict = Feedback::new(correlation, event, Identity::Verdict(id), JUDGE);
    verdict.occurred_at = occurred_at;
    verdict.provenance = Provenance::of(authenticity.clone());
    verdict.provenance.rules_version = Some(machines.version().to_owned().into());
    verdict
}

/// So many hits at most are looked at together, the last ones: a flood must not take the judge for ever.
const MOST_TOGETHER: usize = 500;
const JUDGE: Source = Source::known("judge");
