//! A mail that no reader could read when it came, read again from its raw bytes.

use chrono::{DateTime, Utc};
use mailtrail_bounce::Reader;
use mailtrail_core::correlation::{Attribution, Correlation};
use mailtrail_core::event::{Authenticity, EncodeError, Event, RawHash};
use mailtrail_core::id::Identity;
use mailtrail_core::{DeliveryId, Envelope, EventId, Fact, Namespace, NewEvent};

/// A mail to the return path of a delivery that was kept unread.
pub(super) struct Mail {
    of: EventId,
    delivery: DeliveryId,
    authenticity: Authenticity,
    came: DateTime<Utc>,
    pub(super) hash: RawHash,
}

impl Mail {
    pub(super) fn of(envelope: &Envelope) -> Option<Self> {
        let fact = envelope.fact().ok()?;
        let Event::Custom(custom) = &fact.event else { return None };
        (*custom.custom_type == *UNREAD).then_some(())?;
        Some(Self {
            of: envelope.event.event_id,
            delivery: envelope.stream.as_delivery()?,
            authenticity: envelope.event.provenance.authenticity.clone(),
            came: envelope.recorded_at,
            hash: fact.raw?,
        })
    }

    /// The events that a reader finds in it now: none if it still is no feedback.
    pub(super) fn read(
        &self,
        reader: &Reader<'_>,
        bytes: &[u8],
        namespace: &Namespace,
    ) -> Result<Vec<(NewEvent, Fact)>, EncodeError> {
        let Ok(reading) = reader.read(bytes, None, self.came) else { return Ok(Vec::new()) };
        let Authenticity::Token { key_id, seen_in } = self.authenticity else {
            return Ok(Vec::new());
        };
        let mut found = Vec::new();
        for (index, mut feedback) in (0_u32..).zip(reading.feedback) {
            // Where it came to names the delivery, as it did when it came.
            feedback.correlation = Correlation::Token { delivery: self.delivery, key_id, seen_in };
            feedback.identity = Identity::Unread { event: self.of, index };
            feedback.provenance.authenticity = self.authenticity.clone();
            feedback.fact.attribution = Attribution::Delivery;
            feedback.fact.raw = Some(self.hash);
            let fact = feedback.fact.clone();
            let (_, event) = feedback.into_event(namespace)?;
            found.push((event.caused_by(self.of), fact));
        }
        Ok(found)
    }
}

/// What an intake calls such a mail.
const UNREAD: &str = "unread_mail";
