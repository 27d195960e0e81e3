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

use super::machines;

/// After how many seconds a hit is judged: until then others may come that say who made it.
pub const SETTLE_SECONDS: i64 = 10;

/// The verdict on a hit that its user agent alone decides: it belongs into the append of the hit.
///
/// ```
/// use mailtrail_core::token::{Key, Keys, Purpose};
/// use mailtrail_core::{DeliveryId, Event, EventId, Namespace};
/// use mailtrail_webhook::track::{PixelRequest, hit, verdict_at_once};
/// let keys = Keys::new(Key::new(1, [7; 32]));
/// let now = chrono::DateTime::from_timestamp(1_700_000_000, 0).unwrap();
/// let token = keys.sign(Purpose::Open, DeliveryId::from_bytes([2; 16]));
/// let request = PixelRequest::new(&token, now).user_agent(Some("Mozilla/5.0"));
/// let id = EventId::observed(now, [3; 10]);
/// let verdict = verdict_at_once(&hit(&keys, &request, id)?, id).unwrap();
/// assert!(matches!(verdict.fact.event, Event::Opened(_)));
/// # Ok::<(), mailtrail_core::token::TokenError>(())
/// ```
pub fn verdict_at_once(hit: &Feedback, id: EventId) -> Option<Feedback> {
    let Event::Hit(fact) = &hit.fact.event else { return None };
    let (agent, rule) = machines::judge(hit.private.user_agent.as_deref());
    let event = verdict(fact, id, agent, rule?)?;
    let correlation = hit.correlation.clone();
    Some(feedback(correlation, event, id, hit.occurred_at, &hit.provenance.authenticity))
}

/// The verdicts that are due on the hits of one delivery, given its events.
///
/// # Guarantees
/// The same whatever the order and repetition of the events, and whenever it runs after the settle
/// window; what has its verdict gets no other.
pub fn verdicts(events: &[Envelope], now: DateTime<Utc>) -> Vec<Feedback> {
    let facts = || events.iter().filter_map(|event| Some((event, event.fact().ok()?.event)));
    let judged: BTreeSet<EventId> = facts().filter_map(|(_, event)| judged_hit(&event)).collect();
    let mut due = BTreeMap::new();
    for (envelope, event) in facts() {
        let id = envelope.event.event_id;
        let open = settled(envelope.recorded_at, now) && !judged.contains(&id);
        if let (Event::Hit(hit), true) = (event, open) {
            due.insert((envelope.recorded_at, id), (envelope, hit));
        }
    }
    due.into_values().filter_map(|(envelope, hit)| judge(envelope, &hit)).collect()
}

/// The hit that an event is the verdict on.
pub(super) fn judged_hit(event: &Event) -> Option<EventId> {
    match event {
        Event::Opened(opened) => opened.hit,
        Event::Clicked(clicked) => clicked.hit,
        _ => None,
    }
}

fn settled(recorded_at: DateTime<Utc>, now: DateTime<Utc>) -> bool {
    recorded_at.checked_add_signed(TimeDelta::seconds(SETTLE_SECONDS)).is_some_and(|at| at <= now)
}

fn judge(envelope: &Envelope, hit: &Hit) -> Option<Feedback> {
    let delivery = envelope.stream.as_delivery()?;
    let authenticity = &envelope.event.provenance.authenticity;
    let key_id = match authenticity {
        Authenticity::Token { key_id, .. } => *key_id,
        _ => 0,
    };
    let (agent, rule) = machines::judge(envelope.private().user_agent.as_deref());
    let id = envelope.event.event_id;
    let event = verdict(hit, id, agent, rule.unwrap_or(NOBODY_KNOWS))?;
    let correlation = Correlation::Token { delivery, key_id, seen_in: SeenIn::Url };
    Some(feedback(correlation, event, id, envelope.event.occurred_at, authenticity))
}

fn verdict(hit: &Hit, id: EventId, agent: Agent, rule: &'static str) -> Option<Event> {
    match hit.hit {
        HitKind::Pixel => {
            let mut opened = Opened::default();
            (opened.agent, opened.rule, opened.hit) = (agent, Some(rule.into()), Some(id));
            Some(opened.into())
        }
        HitKind::Link => {
            let mut clicked = Clicked::default();
            (clicked.agent, clicked.rule, clicked.hit) = (agent, Some(rule.into()), Some(id));
            clicked.link.clone_from(&hit.link);
            Some(clicked.into())
        }
        _ => None,
    }
}

fn feedback(
    correlation: Correlation,
    event: Event,
    id: EventId,
    occurred_at: Option<DateTime<Utc>>,
    authenticity: &Authenticity,
) -> Feedback {
    let mut verdict = Feedback::new(correlation, event, Identity::Verdict(id), JUDGE);
    verdict.occurred_at = occurred_at;
    verdict.provenance = Provenance::of(authenticity.clone());
    verdict.provenance.rules_version = Some(machines::VERSION.into());
    verdict
}

/// The rule of a verdict when nothing says who it was: counts as a person, and says so.
const NOBODY_KNOWS: &str = "undecided";
const JUDGE: Source = Source::known("judge");
