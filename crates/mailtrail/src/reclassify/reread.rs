//! One failure, read again from what is stored of it.

use mailtrail_classify::{Classifier, Verdict};
use mailtrail_core::diagnosis::Diagnosis;
use mailtrail_core::event::{
    EncodeError, Event, Private, Provenance, Reading, Reclassified, Source,
};
use mailtrail_core::id::Identity;
use mailtrail_core::reason::Reason;
use mailtrail_core::{Envelope, EventId, Fact, NewEvent};

use crate::Tracker;

/// What came of it.
pub(super) enum Outcome {
    /// Another reading, which counts from now on.
    Changed(Box<Reread>),
    /// The same as before, or no failure.
    Same,
    /// No classifier gave its reason: a port or provider decided by itself.
    NotByRules,
    /// Its text was erased, and a text decided.
    Erased,
    /// Another reading, beside one by rules of a higher rank.
    Outranked,
}

/// A new reading, ready to be appended.
pub(super) struct Reread {
    pub(super) of: EventId,
    pub(super) before: (Reason, Option<Box<str>>),
    pub(super) after: (Reason, Box<str>),
    pub(super) fact: Fact,
    pub(super) event: NewEvent,
}

/// How an event is read at present, and the rank of the rules by which it was read again.
struct Current {
    reason: Reason,
    rule: Option<Box<str>>,
    rank: Option<(u64, Box<str>, EventId)>,
}

/// Reads a failure again; `stream` holds at least the events of its stream.
pub(super) fn read(
    tracker: &Tracker,
    classifier: &Classifier,
    envelope: &Envelope,
    stream: &[Envelope],
) -> Result<Outcome, EncodeError> {
    let Ok(fact) = envelope.fact() else { return Ok(Outcome::Same) };
    let Some(diagnosis) = diagnosis(&fact.event) else { return Ok(Outcome::Same) };
    let rule = diagnosis.rule.as_deref().unwrap_or_default();
    if !Verdict::is_rule(rule) {
        return Ok(Outcome::NotByRules);
    }
    // Codes alone would say less than the text said, and undo what was right.
    if envelope.is_erased() && Verdict::is_by_text(rule) {
        return Ok(Outcome::Erased);
    }
    let mut again = raw_facts(diagnosis);
    classifier.fill(&mut again, envelope.private().text.as_deref().unwrap_or_default());
    let current = Current::of(envelope.event.event_id, diagnosis, stream);
    if again.reason == current.reason {
        return Ok(Outcome::Same);
    }
    let rank = (classifier.sequence(), classifier.digest());
    if current.rank.as_ref().is_some_and(|(sequence, digest, _)| (*sequence, &**digest) >= rank) {
        return Ok(Outcome::Outranked);
    }
    changed(tracker, classifier, envelope, &fact, current, again).map(Outcome::Changed)
}

fn changed(
    tracker: &Tracker,
    classifier: &Classifier,
    envelope: &Envelope,
    read: &Fact,
    current: Current,
    again: Diagnosis,
) -> Result<Box<Reread>, EncodeError> {
    let of = envelope.event.event_id;
    let rule = again.rule.unwrap_or_default();
    let reading = Reading::Reason(again.reason);
    let (sequence, digest) = (classifier.sequence(), classifier.digest());
    let name = read.event.type_name();
    let event = Reclassified::new(of, name, reading, sequence, digest).into();
    // It is about whom the event is about, and no more certain.
    let fact = Fact::new(event).attributed(read.attribution);
    let mut provenance = Provenance::of(envelope.event.provenance.authenticity.clone());
    provenance.rule = Some(rule.clone());
    provenance.rules_version = Some(classifier.version().to_owned().into());
    let id = Identity::Reread { event: of, rules_digest: digest.into() };
    let id = id.event_id(&tracker.store().namespace());
    let event = NewEvent::new(id, &fact, &Private::default(), Source::known("reclassify"))?
        .occurred_at(Some(tracker.clock().now()))
        .provenance(provenance)
        .caused_by(of);
    let (before, after) = ((current.reason, current.rule), (again.reason, rule));
    Ok(Box::new(Reread { of, before, after, fact, event }))
}

impl Current {
    fn of(event: EventId, first: &Diagnosis, stream: &[Envelope]) -> Self {
        let mut current = Self { reason: first.reason, rule: first.rule.clone(), rank: None };
        for envelope in stream {
            let Ok(Event::Reclassified(again)) = envelope.fact().map(|fact| fact.event) else {
                continue;
            };
            let (true, Reading::Reason(reason)) = (again.of == event, again.reading) else {
                continue;
            };
            let rank = (again.rules_sequence, again.rules_digest, envelope.event.event_id);
            if current.rank.as_ref().is_none_or(|held| *held < rank) {
                let rule = envelope.event.provenance.rule.clone();
                current = Self { reason, rule, rank: Some(rank) };
            }
        }
        current
    }
}

fn diagnosis(event: &Event) -> Option<&Diagnosis> {
    match event {
        Event::Bounced(bounced) => Some(&bounced.diagnosis),
        Event::Deferred(deferred) => Some(&deferred.diagnosis),
        // The reason of a refusal by a blocked list is that list; its floor is no matter of reasons.
        _ => None,
    }
}

/// What was stated, without our reading of it.
fn raw_facts(diagnosis: &Diagnosis) -> Diagnosis {
    let mut facts = Diagnosis::default();
    (facts.reply_code, facts.enhanced_code) = (diagnosis.reply_code, diagnosis.enhanced_code);
    facts.remote_host.clone_from(&diagnosis.remote_host);
    facts.reporting_host.clone_from(&diagnosis.reporting_host);
    facts
}
