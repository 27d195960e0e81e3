//! What is written down about a delivery.

use mailtrail_core::event::{EncodeError, Envelope, Event, Private, Provenance, Source};
use mailtrail_core::store::{AppendError, Outcome};
use mailtrail_core::{AppendBatch, EventId, EventStoreExt, Expected, Fact, NewEvent, StreamId};

use super::super::error::SendError;
use super::super::facts;
use super::Sender;
use crate::message::To;

impl Sender {
    /// Makes the attempt durable, unless another sender was faster.
    pub(super) async fn take_attempt(
        &self,
        to: &To,
        attempt: u32,
        own_id: &str,
        trail: &[Envelope],
    ) -> Result<bool, SendError> {
        let (namespace, host) = (self.store.namespace(), self.relay.host.as_str());
        let attempted = facts::attempted(&namespace, attempt, Some(host), own_id, &to.address);
        let event = self.event(self.observed()?, attempted.into(), &Private::default())?;
        let stream = StreamId::delivery(to.delivery);
        let last = trail.last().map(|envelope| envelope.version);
        let expected = last.map_or(Expected::NoStream, Expected::Exact);
        let batch = AppendBatch::new().write(stream, expected, vec![event]);
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
        to: &To,
        id: EventId,
        event: Event,
        private: Private,
    ) -> Result<(), SendError> {
        let event = self.event(id, event, &private)?;
        self.store.record(vec![(StreamId::delivery(to.delivery), event)]).await?;
        Ok(())
    }

    fn event(&self, id: EventId, event: Event, private: &Private) -> Result<NewEvent, EncodeError> {
        let event = NewEvent::new(id, &Fact::new(event), private, Source::known("smtp"))?;
        Ok(event.occurred_at(Some(self.clock.now())).provenance(Provenance::observed()))
    }

    pub(super) fn observed(&self) -> Result<EventId, SendError> {
        let random = (self.random)().map_err(SendError::Random)?;
        Ok(EventId::observed(self.clock.now(), random))
    }
}
