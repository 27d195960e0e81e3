//! One event, read again from what is stored of it.

use mailtrail_classify::{Classifier, Verdict};
use mailtrail_core::diagnosis::Diagnosis;
use mailtrail_core::event::{
    EncodeError, Event, Private, Provenance, Reading, Reclassified, Source,
};
use mailtrail_core::id::Identity;
use mailtrail_core::{Envelope, EventId, Fact, NewEvent};

use crate::Tracker;

/// What came of it.
pub(super) enum Outcome {
    /// Another reading, which counts from now on.
    Changed(Box<Reread>),
    /// The same as before, or nothing that is read again.
    Same,
    /// No rules of ours read it: a port or provider decided by itself.
    NotByRules,
    /// What it was read by was erased.
    Erased,
    /// Another reading, beside one by rules of a higher rank.
    Outranked,
}

/// A new reading, ready to be appended.
pub(super) struct Reread {
    pub(super) of: EventId,
    pub(super) before: (Reading, Option<Box<str>>),
    pub(super) after: (Reading, Box<str>),
    pub(super) fact: Fact,
    pub(super) event: NewEvent,
}

/// How an event is read at present, and the rank of the rules by which it was read again.
pub(super) struct Current {
    pub(super) reading: Reading,
    rule: Option<Box<str>>,
    rank: Option<(u64, Box<str>, EventId)>,
}

/// By which rules something is read.
#[derive(Clone, Copy)]
pub(super) struct Rules<'a> {
    pub(super) version: &'a str,
    pub(super) sequence: u64,
    pub(super) digest: &'a str,
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
    let first = (Reading::Reason(diagnosis.reason), diagnosis.rule.clone());
    let current = Current::of(envelope.event.event_id, first, stream);
    let now = (Reading::Reason(again.reason), again.rule.unwrap_or_default());
    let (version, digest) = (classifier.version(), classifier.digest());
    let rules = Rules { version, sequence: classifier.sequence(), digest };
    outcome(tracker, rules, envelope, &fact, current, now)
}

/// What comes of reading an event so by these rules.
pub(super) fn outcome(
    tracker: &Tracker,
    rules: Rules<'_>,
    envelope: &Envelope,
    read: &Fact,
    current: Current,
    now: (Reading, Box<str>),
) -> Result<Outcome, EncodeError> {
    if now.0 == current.reading {
        return Ok(Outcome::Same);
    }
    if current.is_by(rules) {
        return Ok(Outcome::Outranked);
    }
    let Rules { version, sequence, digest } = rules;
    let of = envelope.event.event_id;
    let event = Reclassified::new(of, read.event.type_name(), now.0, sequence, digest).into();
    // It is about whom the event is about, and no more certain.
    let fact = Fact::new(event).attributed(read.attribution);
    let mut provenance = Provenance::of(envelope.event.provenance.authenticity.clone());
    provenance.rule = Some(now.1.clone());
    provenance.rules_version = Some(version.to_owned().into());
    let id = Identity::Reread { event: of, rules_digest: digest.into() };
    let id = id.event_id(&tracker.store().namespace());
    let event = NewEvent::new(id, &fact, &Private::default(), Source::known("reclassify"))?
        .occurred_at(Some(tracker.clock().now()))
        .provenance(provenance)
        .caused_by(of);
    let before = (current.reading, current.rule);
    Ok(Outcome::Changed(Box::new(Reread { of, before, after: now, fact, event })))
}

impl Current {
    /// Of an event that was first read so; `stream` holds at least the events of its stream.
    pub(super) fn of(
        event: EventId,
        first: (Reading, Option<Box<str>>),
        stream: &[Envelope],
    ) -> Self {
        let kind = std::mem::discriminant(&first.0);
        let mut current = Self { reading: first.0, rule: first.1, rank: None };
        for envelope in stream {
            let Ok(Event::Reclassified(again)) = envelope.fact().map(|fact| fact.event) else {
                continue;
            };
            if again.of != event || std::mem::discriminant(&again.reading) != kind {
                continue;
            }
            let rank = (again.rules_sequence, again.rules_digest, envelope.event.event_id);
            if current.rank.as_ref().is_none_or(|held| *held < rank) {
                let rule = envelope.event.provenance.rule.clone();
                current = Self { reading: again.reading, rule, rank: Some(rank) };
            }
        }
        current
    }

    /// Whether these rules, or such of a higher rank, have read it again already.
    fn is_by(&self, rules: Rules<'_>) -> bool {
        let rank = (rules.sequence, rules.digest);
        self.rank.as_ref().is_some_and(|(sequence, digest, _)| (*sequence, &**digest) >= rank)
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
