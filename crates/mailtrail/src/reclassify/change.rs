//! A change that reading again brings, and the rows that it shows in.

use mailtrail_core::event::{Event, EventType, Reading};
use mailtrail_core::reason::Reason;
use mailtrail_core::{
    DeliveryId, Envelope, EventId, Evidence, Fact, NewEvent, Position, Status, StreamId,
};

use super::reread::{Outcome, Reread};
use super::{Reclassify, ReclassifyError};

/// An event that is read otherwise, or was not read at all before.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Change {
    /// The event that is read again.
    pub of: EventId,
    /// Its place in the store.
    pub position: Position,
    /// The type of what is read: of a mail that was unread the type of its new event.
    pub event_type: EventType,
    /// How it was read so far; none of a mail that was unread.
    pub before: Option<Reading>,
    /// How it is read now; none of what is neither a failure nor an open.
    pub after: Option<Reading>,
    /// The rule that decided so far.
    pub rule_before: Option<Box<str>>,
    /// The rule that decides now.
    pub rule_after: Option<Box<str>>,
    /// The rows that it is evidence of; none if no delivery names its key.
    pub rows: Vec<RowChange>,
    stream: StreamId,
    event: NewEvent,
}

/// What a change does to a row of the Email Log.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RowChange {
    /// The delivery.
    pub delivery: DeliveryId,
    /// Its broadcast.
    pub broadcast: Box<str>,
    /// Its contact.
    pub contact_id: Box<str>,
    /// Its address as the Email Log shows it.
    pub address: Box<str>,
    /// The status before, with all earlier changes.
    pub before: Status,
    /// The status after.
    pub after: Status,
    /// Whether the row gives another reason for its status.
    pub another_reason: bool,
    /// Whether the row said that the address is invalid, and no longer does: it stays Failed, *since
    /// corrected*.
    pub corrected: bool,
    /// Whether the row counts its opens and clicks otherwise.
    pub other_opens: bool,
}

impl Change {
    pub(super) fn of_reread(reread: Reread, envelope: &Envelope, rows: Vec<RowChange>) -> Self {
        Self {
            of: reread.of,
            position: envelope.position,
            event_type: envelope.event.event_type.clone(),
            before: Some(reread.before.0),
            after: Some(reread.after.0),
            rule_before: reread.before.1,
            rule_after: Some(reread.after.1),
            rows,
            stream: envelope.stream,
            event: reread.event,
        }
    }

    pub(super) fn of_mail(
        envelope: &Envelope,
        event: NewEvent,
        fact: &Fact,
        rows: Vec<RowChange>,
    ) -> Self {
        let diagnosis = match &fact.event {
            Event::Bounced(bounced) => Some(&bounced.diagnosis),
            Event::Deferred(deferred) => Some(&deferred.diagnosis),
            _ => None,
        };
        let rule = diagnosis.map_or(&event.provenance.rule, |diagnosis| &diagnosis.rule);
        Self {
            of: envelope.event.event_id,
            position: envelope.position,
            event_type: event.event_type.clone(),
            before: None,
            after: diagnosis.map(|diagnosis| Reading::Reason(diagnosis.reason)),
            rule_before: None,
            rule_after: rule.clone(),
            rows,
            stream: envelope.stream,
            event,
        }
    }

    /// Whether it is what a mail says that was kept unread.
    pub fn is_new(&self) -> bool {
        self.event.event_type.as_str() != "reclassified"
    }

    pub(super) fn into_event(self, actor: &str) -> (StreamId, NewEvent) {
        let is_new = self.is_new();
        (self.stream, if is_new { self.event } else { self.event.actor(actor) })
    }
}

impl Reclassify<'_> {
    /// The rows that a new reading of an event on this stream shows in.
    pub(super) async fn rows(
        &mut self,
        stream: StreamId,
        reread: &Reread,
    ) -> Result<Vec<RowChange>, ReclassifyError> {
        self.rows_with(stream, &reread.event, &reread.fact).await
    }

    /// The rows that a further event on this stream shows in.
    pub(super) async fn rows_with(
        &mut self,
        stream: StreamId,
        event: &NewEvent,
        fact: &Fact,
    ) -> Result<Vec<RowChange>, ReclassifyError> {
        let mut rows = Vec::new();
        for delivery in self.log().await?.concerned(stream)? {
            let Some(row) = self.log().await?.row(delivery)? else { continue };
            let mut evidence = self.evidence_before(delivery, fact).await?;
            let (before, reason) = (evidence.status(), evidence.current_reason());
            let seen = (evidence.opens(), evidence.clicks());
            evidence.add(event.event_id, event.occurred_at, fact);
            let (after, now) = (evidence.status(), evidence.current_reason());
            let invalid =
                |reason: Option<Reason>| reason.is_some_and(|r| r.final_status() == Status::Failed);
            rows.push(RowChange {
                delivery,
                broadcast: row.broadcast,
                contact_id: row.contact_id,
                address: row.email_address,
                before,
                after,
                another_reason: reason != now,
                corrected: after == Status::Failed && invalid(reason) && !invalid(now),
                other_opens: seen != (evidence.opens(), evidence.clicks()),
            });
        }
        Ok(rows)
    }

    /// What is known of a delivery when all of its events before the one that is read again have
    /// their new readings: so each change counts once, and only for what it adds.
    async fn evidence_before(
        &self,
        delivery: DeliveryId,
        fact: &Fact,
    ) -> Result<Evidence, ReclassifyError> {
        let trail = self.tracker.trail(delivery).await?;
        let mut evidence = Evidence::default();
        for envelope in &trail {
            evidence.add_envelope(envelope);
        }
        let of = match &fact.event {
            Event::Reclassified(reclassified) => Some(reclassified.of),
            _ => None,
        };
        for envelope in trail.iter().take_while(|envelope| Some(envelope.event.event_id) != of) {
            if let Outcome::Changed(reread) = self.read_again(envelope, &trail)? {
                evidence.add(reread.event.event_id, reread.event.occurred_at, &reread.fact);
            }
        }
        Ok(evidence)
    }
}
