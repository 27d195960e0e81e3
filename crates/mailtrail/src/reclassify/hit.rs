//! The verdict on a hit, given again from the hits of its delivery.

use mailtrail_core::event::{Agent, EncodeError, Event, Reading};
use mailtrail_core::{Envelope, EventId};
use mailtrail_webhook::track::{Machines, verdict_on};

use super::reread::{Current, Outcome, Rules, outcome};
use crate::Tracker;

/// Whether it is a verdict by an older table than this: no other is worth reading its delivery for.
pub(super) fn is_older(machines: &Machines, envelope: &Envelope) -> bool {
    let version = envelope.event.provenance.rules_version.as_deref();
    let sequence = version.and_then(|version| version.parse::<u64>().ok());
    sequence.is_some_and(|sequence| sequence < machines.sequence())
}

/// Judges a hit again; `stream` holds at least the events of its delivery.
pub(super) fn read(
    tracker: &Tracker,
    machines: &Machines,
    envelope: &Envelope,
    stream: &[Envelope],
) -> Result<Outcome, EncodeError> {
    let Ok(fact) = envelope.fact() else { return Ok(Outcome::Same) };
    let Some((agent, rule, hit)) = verdict(&fact.event) else { return Ok(Outcome::Same) };
    if !is_older(machines, envelope) {
        return Ok(Outcome::Same);
    }
    // A hit whose address and user agent were erased would now be nobody's.
    if stream.iter().any(|event| event.event.event_id == hit && event.is_erased()) {
        return Ok(Outcome::Erased);
    }
    let Some((now, by)) = verdict_on(machines, stream, hit) else { return Ok(Outcome::Same) };
    let first = (Reading::Agent(agent), rule);
    let current = Current::of(envelope.event.event_id, first, stream);
    let rules = Rules {
        version: machines.version(),
        sequence: machines.sequence(),
        digest: machines.digest(),
    };
    outcome(tracker, rules, envelope, &fact, current, (Reading::Agent(now), by))
}

/// What a provider says of its own opens is no verdict of ours.
fn verdict(event: &Event) -> Option<(Agent, Option<Box<str>>, EventId)> {
    match event {
        Event::Opened(opened) => Some((opened.agent, opened.rule.clone(), opened.hit?)),
        Event::Clicked(clicked) => Some((clicked.agent, clicked.rule.clone(), clicked.hit?)),
        _ => None,
    }
}
