//! What the store knows about a delivery before an attempt.

use mailtrail_core::event::{Deferred, Event, NewEvent, Private, Queued, Row};
use mailtrail_core::store::ReadError;
use mailtrail_core::{
    DeliveryId, EmailAddress, EventStore, EventStoreExt, Evidence, Expected, StreamId,
};

use super::super::facts::PUT_BACK;

/// A row that was planned to be sent, and all that is known about it.
#[derive(Debug)]
pub(super) struct Trail {
    pub(super) row: Row,
    pub(super) private: Private,
    pub(super) address: EmailAddress,
    /// With that of the keys that it names: a late report counts too.
    pub(super) evidence: Evidence,
    /// Nobody has written to it since.
    pub(super) expected: Expected,
    put_back: u32,
}

/// Which attempt it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Attempt {
    /// Counted from 1.
    pub(super) number: u32,
    /// The same without those that were put back: what the schedule counts.
    pub(super) scheduled: u32,
}

impl Trail {
    /// `None` for what was never planned to be sent, and where the person was erased since.
    pub(super) async fn of(
        store: &dyn EventStore,
        delivery: DeliveryId,
    ) -> Result<Option<Self>, ReadError> {
        let events = store.stream(StreamId::delivery(delivery)).await?;
        let (mut evidence, mut planned, mut put_back) = (Evidence::default(), None, 0_u32);
        for envelope in &events {
            let NewEvent { event_id, occurred_at, .. } = envelope.event;
            let Ok(fact) = envelope.fact() else {
                evidence.add_foreign(event_id, occurred_at);
                continue;
            };
            evidence.add(event_id, occurred_at, &fact);
            match fact.event {
                Event::Queued(Queued { row, .. }) if planned.is_none() => {
                    planned = Some((row, envelope.private()));
                }
                Event::Deferred(deferred) if is_put_back(&deferred) => {
                    put_back = put_back.saturating_add(1);
                }
                _ => {}
            }
        }
        let Some((row, private)) = planned else { return Ok(None) };
        let address = private.address.as_deref().map(EmailAddress::parse);
        let Some(Ok(address)) = address else { return Ok(None) };
        for key in evidence.keys().to_vec() {
            for envelope in store.stream(key).await? {
                evidence.add_envelope(&envelope);
            }
        }
        let last = events.last().map(|envelope| envelope.version);
        let expected = last.map_or(Expected::NoStream, Expected::Exact);
        Ok(Some(Self { row, private, address, evidence, expected, put_back }))
    }

    pub(super) fn next_attempt(&self) -> Attempt {
        let number = self.evidence.last_attempt().unwrap_or(0).saturating_add(1);
        Attempt { number, scheduled: number.saturating_sub(self.put_back).max(1) }
    }
}

fn is_put_back(deferred: &Deferred) -> bool {
    deferred.diagnosis.rule.as_deref() == Some(PUT_BACK)
}
