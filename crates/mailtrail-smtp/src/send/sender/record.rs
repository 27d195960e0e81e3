//! What is written down about a delivery.

use mailtrail_core::event::{EncodeError, Event, Private, Provenance, Source};
use mailtrail_core::store::{AppendError, Outcome};
use mailtrail_core::{
    AppendBatch, DeliveryId, EventId, EventStoreExt, Expected, Fact, NewEvent, StreamId,
};

use super::super::error::SendError;
use super::trail::Trail;
use super::{Line, Sender};

/// What a delivery came to, as an event that is not stored yet.
#[derive(Debug)]
pub(super) struct Unrecorded {
    pub(super) delivery: DeliveryId,
    pub(super) event: NewEvent,
}

impl Sender {
    /// Makes what begins an attempt durable, unless another sender was faster; with it what is unrecorded.
    pub(super) async fn take(
        &self,
        trail: &Trail,
        events: Vec<NewEvent>,
        line: &mut Line,
    ) -> Result<bool, SendError> {
        let mut batch = AppendBatch::new();
        if let Some(Unrecorded { delivery, event }) = &line.unrecorded {
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
        line.unrecorded = None;
        Ok(is_new)
    }

    pub(super) async fn record(&self, unrecorded: &Unrecorded) -> Result<(), SendError> {
        let Unrecorded { delivery, event } = unrecorded;
        self.store.record(vec![(StreamId::delivery(*delivery), event.clone())]).await?;
        Ok(())
    }

    /// Records what the last message over a line came to, if that is left to be.
    pub(in crate::send) async fn settle(&self, line: &mut Line) -> Result<(), SendError> {
        if let Some(unrecorded) = &line.unrecorded {
            self.record(unrecorded).await?;
            line.unrecorded = None;
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
