//! What is written down about a delivery.

use mailtrail_core::event::{EncodeError, Event, Private, Provenance, Source};
use mailtrail_core::store::{AppendError, Outcome};
use mailtrail_core::{AppendBatch, DeliveryId, EventId, EventStoreExt, Fact, NewEvent, StreamId};

use super::super::error::SendError;
use super::Sender;
use super::trail::Trail;

impl Sender {
    /// Makes what begins an attempt durable, unless another sender was faster.
    pub(super) async fn take(
        &self,
        trail: &Trail,
        events: Vec<NewEvent>,
    ) -> Result<bool, SendError> {
        let stream = StreamId::delivery(trail.row.delivery);
        let batch = AppendBatch::new().write(stream, trail.expected, events);
        match self.store.append(batch.clone()).await {
            // An id drawn just now is nobody else's, unless the randomness repeats itself.
            Ok(appended) => Ok(appended.outcome == Outcome::New),
            Err(AppendError::Conflict { .. }) => Ok(false),
            Err(AppendError::OutcomeUnknown { .. }) => Ok(self.store.append(batch).await.is_ok()),
            Err(error) => Err(error.into()),
        }
    }

    pub(super) async fn record(
        &self,
        delivery: DeliveryId,
        event: NewEvent,
    ) -> Result<(), SendError> {
        self.store.record(vec![(StreamId::delivery(delivery), event)]).await?;
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
