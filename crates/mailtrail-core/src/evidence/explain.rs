//! Why a delivery has its status: each event in order of arrival, and what it changed.

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::Evidence;
use super::why::Why;
use crate::Fact;
use crate::event::{Agent, Authenticity, Envelope, Event, EventType, NewEvent, Source, Transcript};
use crate::id::{EventId, StreamId};
use crate::reason::Reason;
use crate::status::Status;
use crate::store::Position;

/// The trail of one delivery, told event by event.
///
/// ```
/// use mailtrail_core::evidence::Explanation;
/// let nothing = Explanation::of(&[]);
/// assert_eq!(nothing.status, mailtrail_core::Status::Unsent);
/// assert!(nothing.steps.is_empty());
/// ```
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct Explanation {
    /// Each event, in order of arrival.
    pub steps: Vec<Step>,
    /// The status that they add up to.
    pub status: Status,
    /// The event that decided it.
    pub decided_by: Option<EventId>,
    /// The events that speak against it.
    pub contradictions: Vec<EventId>,
    /// Attempts of which no outcome is known.
    pub in_doubt: Vec<u32>,
    /// How many events this version can't read: the status may be higher.
    pub foreign: usize,
}

/// One event of a trail.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct Step {
    /// Its place in the store.
    pub position: Position,
    /// Its stream: the delivery's own, or one of a key that the delivery names.
    pub stream: StreamId,
    /// Its id.
    pub event_id: EventId,
    /// Its type.
    #[serde(rename = "type")]
    pub event_type: EventType,
    /// When it happened, as its source claims.
    pub occurred_at: Option<DateTime<Utc>>,
    /// When it was recorded.
    pub recorded_at: DateTime<Utc>,
    /// What brought it.
    pub source: Source,
    /// How it was authenticated.
    pub authenticity: Authenticity,
    /// The rule that read it: of a failure that which gave its reason, of an open or click that which says whose
    /// it is.
    pub rule: Option<Box<str>>,
    /// The version of the rules.
    pub rules_version: Option<Box<str>>,
    /// The reason that it gives, of a failure or of one that was read again.
    pub reason: Option<Reason>,
    /// Who opened or clicked, as it says or as it was read again.
    pub agent: Option<Agent>,
    /// The least status of a delivery that holds it.
    pub floor: Option<Status>,
    /// The status before it.
    pub before: Status,
    /// The status after it.
    pub after: Status,
    /// Whether it speaks against the status that the delivery has in the end.
    pub contradicts: bool,
    /// Whether this version can't read it.
    pub foreign: bool,
    /// The text of others, such as a server's reply.
    pub text: Option<Box<str>>,
    /// The conversation of an attempt of ours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transcript: Option<Box<Transcript>>,
    /// The texts of its replies, each at its place.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub replies: Vec<Box<str>>,
}

impl Explanation {
    /// Of the events of a delivery's stream and of the keys that it names.
    pub fn of(events: &[Envelope]) -> Self {
        let mut events: Vec<&Envelope> = events.iter().collect();
        events.sort_by_key(|envelope| envelope.position);
        let mut evidence = Evidence::default();
        let mut steps: Vec<Step> =
            events.into_iter().map(|envelope| Step::of(envelope, &mut evidence)).collect();
        for step in &mut steps {
            step.contradicts = evidence.contradictions().contains(&step.event_id);
        }
        Self {
            steps,
            status: evidence.status(),
            decided_by: evidence.decided_by().map(|moment| moment.event),
            contradictions: evidence.contradictions().to_vec(),
            in_doubt: evidence.in_doubt().collect(),
            foreign: evidence.foreign(),
        }
    }
}

impl Step {
    fn of(envelope: &Envelope, evidence: &mut Evidence) -> Self {
        let event = &envelope.event;
        let before = evidence.status();
        evidence.add_envelope(envelope);
        let fact = envelope.fact();
        let why = fact.as_ref().map(|fact| Why::of(&fact.event)).unwrap_or_default();
        let (rule, rules_version) = rule(event, fact.as_ref().ok());
        let private = envelope.private();
        Self {
            position: envelope.position,
            stream: envelope.stream,
            event_id: event.event_id,
            event_type: event.event_type.clone(),
            occurred_at: event.occurred_at,
            recorded_at: envelope.recorded_at,
            source: event.source.clone(),
            authenticity: event.provenance.authenticity.clone(),
            rule,
            rules_version,
            reason: why.reason,
            agent: why.agent,
            floor: fact.as_ref().ok().and_then(Fact::floor),
            before,
            after: evidence.status(),
            contradicts: false,
            foreign: fact.is_err(),
            text: private.text,
            transcript: fact.ok().and_then(|fact| fact.event.transcript().cloned().map(Box::new)),
            replies: private.replies,
        }
    }
}

/// The rule of a failure's diagnosis, or of a verdict, says more than that which found it in its source.
fn rule(event: &NewEvent, fact: Option<&Fact>) -> (Option<Box<str>>, Option<Box<str>>) {
    let diagnosis = match fact.map(|fact| &fact.event) {
        Some(Event::Bounced(bounced)) => Some(&bounced.diagnosis),
        Some(Event::Deferred(deferred)) => Some(&deferred.diagnosis),
        Some(Event::Suppressed(suppressed)) => suppressed.diagnosis.as_ref(),
        _ => None,
    };
    if let Some(diagnosis) = diagnosis.filter(|diagnosis| diagnosis.rule.is_some()) {
        return (diagnosis.rule.clone(), diagnosis.rules_version.clone());
    }
    let verdict = match fact.map(|fact| &fact.event) {
        Some(Event::Opened(opened)) => opened.rule.as_ref(),
        Some(Event::Clicked(clicked)) => clicked.rule.as_ref(),
        _ => None,
    };
    let rule = verdict.or(event.provenance.rule.as_ref());
    let version = event.provenance.rules_version.as_deref();
    (rule.cloned(), version.map(Into::into))
}
