//! What the store knows about a delivery before an attempt.

use mailtrail_core::event::{Envelope, Event, Private, Row};
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
        let Some((row, private)) = events.iter().find_map(queued) else { return Ok(None) };
        let address = private.address.as_deref().map(EmailAddress::parse);
        let Some(Ok(address)) = address else { return Ok(None) };
        let mut evidence = Evidence::default();
        for envelope in &events {
            evidence.add_envelope(envelope);
        }
        for key in evidence.keys().to_vec() {
            for envelope in store.stream(key).await? {
                evidence.add_envelope(&envelope);
            }
        }
        let last = events.last().map(|envelope| envelope.version);
        let expected = last.map_or(Expected::NoStream, Expected::Exact);
        let put_back = events.iter().filter(|envelope| is_put_back(envelope)).count();
        let put_back = u32::try_from(put_back).unwrap_or(u32::MAX);
        Ok(Some(Self { row, private, address, evidence, expected, put_back }))
    }

    pub(super) fn next_attempt(&self) -> Attempt {
        let number = self.evidence.last_attempt().unwrap_or(0).saturating_add(1);
        Attempt { number, scheduled: number.saturating_sub(self.put_back).max(1) }
    }
}

fn queued(envelope: &Envelope) -> Option<(Row, Private)> {
    match envelope.fact().ok()?.event {
        Event::Queued(queued) => Some((queued.row, envelope.private())),
        _ => None,
    }
}

fn is_put_back(envelope: &Envelope) -> bool {
    if envelope.event.event_type.as_str() != "deferred" {
        return false;
    }
    let Ok(fact) = envelope.fact() else { return false };
    matches!(&fact.event, Event::Deferred(deferred) if deferred.diagnosis.rule.as_deref() == Some(PUT_BACK))
}
