//! What is written down about a delivery.

use mailtrail_core::event::{EncodeError, Event, Private, Provenance, Source};
use mailtrail_core::store::{AppendError, Outcome};
use mailtrail_core::{
    AppendBatch, DeliveryId, EventId, EventStoreExt, Expected, Fact, NewEvent, StreamId,
};

use super::super::error::SendError;
use super::Sender;
use super::trail::Trail;

/// What a delivery came to, as an event that is not stored yet.
#[derive(Debug)]
pub(in crate::send) struct Unrecorded {
    pub(in crate::send) delivery: DeliveryId,
    pub(super) event: NewEvent,
}

impl Sender {
    /// Makes what begins an attempt durable, unless another sender was faster; with it what was to be recorded before.
    pub(super) async fn take(
        &self,
        trail: &Trail,
        events: Vec<NewEvent>,
        before: &mut Option<Unrecorded>,
    ) -> Result<bool, SendError> {
        let mut batch = AppendBatch::new();
        if let Some(Unrecorded { delivery, event }) = before {
            let stream = StreamId::delivery(*delivery);
            batch = batch.write(stream, Expected::Any, vec![event.clone()]);
        }
        let stream = StreamId::delivery(trail.row.delivery);
        let batch = batch.write(stream, trail.expected, events);
        let is_new = match self.store.append(batch.clone()).await {
            // An id drawn just now is nobody else's, unless the randomness repeats itself.
            Ok(appended) => appended.outcome == Outcome::New,
            Err(AppendError::Conflict { .. }) => return Ok(false),
            Err(AppendError::OutcomeUnknown { .. }) => {
                if self.store.append(batch).await.is_err() {
                    return Ok(false);
                }
                true
            }
            Err(error) => return Err(error.into()),
        };
        *before = None;
        Ok(is_new)
    }

    pub(super) async fn record(&self, unrecorded: &Unrecorded) -> Result<(), SendError> {
        let Unrecorded { delivery, event } = unrecorded;
        self.store.record(vec![(StreamId::delivery(*delivery), event.clone())]).await?;
        Ok(())
    }

    /// Records what is left to be.
    pub(in crate::send) async fn settle(
        &self,
        left: &mut Option<Unrecorded>,
    ) -> Result<(), SendError> {
        if let Some(unrecorded) = left {
            self.record(unrecorded).await?;
            *left = None;
        }
        Ok(())
    }

    pub(super) fn event(
        &self,
        id: EventId,
        event: Event,
        private: &Private,
    ) -> Result<NewEvent, EncodeError> {
        let event = NewEvent::new(id, &Fact::new(event), private, Source::known("smtp"))?;
        Ok(event.occurred_at(Some(self.clock.now())).provenance(Provenance::observed()))
    }

    pub(super) fn observed(&self) -> Result<EventId, SendError> {
        let random = (self.random)().map_err(SendError::Random)?;
        Ok(EventId::observed(self.clock.now(), random))
    }
}
