//! What a subscriber is told of an event: the same whenever it is asked.

use std::sync::Arc;
use std::time::Duration;

use mailtrail_core::event::Row;
use mailtrail_core::fold::is_evidence;
use mailtrail_core::projection::StateError;
use mailtrail_core::store::{EventStoreExt, Filter, ReadError, Version};
use mailtrail_core::{DeliveryId, Envelope, EventStore, Evidence, Fact, Position, StreamId};
use mailtrail_report::EmailLog;
use mailtrail_webhook::outbound::{Message, StatusChange};

use super::subscriber::Wanted;
use crate::projection::Live;

/// Makes the messages of one subscriber.
pub(super) struct Maker {
    pub(super) store: Arc<dyn EventStore>,
    /// Knows which deliveries name a key.
    pub(super) log: Arc<Live<EmailLog>>,
    pub(super) name: Box<str>,
    pub(super) wanted: Wanted,
}

/// A message, and what it must not overtake: the streams that it concerns.
pub(super) struct Made {
    pub(super) message: Message,
    pub(super) lanes: Arc<[StreamId]>,
}

impl Maker {
    /// The event at this position.
    pub(super) async fn event_at(&self, position: Position) -> Result<Option<Envelope>, ReadError> {
        let before = Position::new(position.get().saturating_sub(1));
        let page = self.store.read_all(&Filter::all(), before, 1).await?;
        Ok(page.events.into_iter().find(|envelope| envelope.position == position))
    }

    /// The messages of an event.
    pub(super) async fn make(&self, envelope: &Envelope) -> Result<Vec<Made>, MakeError> {
        let as_event = self.wanted.has_event(&envelope.event.event_type);
        let as_change = self.wanted.has_status_changes() && may_change_a_status(envelope);
        if !as_event && !as_change {
            return Ok(Vec::new());
        }
        let concerned = self.concerned(envelope).await?;
        let mut made = Vec::new();
        if as_event {
            let delivery = if let [only] = concerned[..] { Some(only) } else { None };
            let private = self.wanted.has_private();
            let message = Message::event(&self.name, envelope, delivery, private)?;
            let mut lanes: Vec<_> = concerned.iter().copied().map(StreamId::delivery).collect();
            if !lanes.contains(&envelope.stream) {
                lanes.push(envelope.stream);
            }
            made.push(Made { message, lanes: lanes.into() });
        }
        for delivery in concerned.into_iter().filter(|_| as_change) {
            if let Some(change) = self.change(delivery, envelope).await? {
                let message = Message::status_changed(&self.name, envelope, &change)?;
                made.push(Made { message, lanes: Arc::new([StreamId::delivery(delivery)]) });
            }
        }
        Ok(made)
    }

    /// The deliveries that an event concerns: its own, or those that name its key. Some of these may have named it only
    /// later: their status doesn't change by this event then, as it is folded up to here.
    async fn concerned(&self, envelope: &Envelope) -> Result<Vec<DeliveryId>, MakeError> {
        let stream = envelope.stream;
        if let Some(delivery) = stream.as_delivery() {
            return Ok(vec![delivery]);
        }
        if !is_evidence(stream.category()) {
            return Ok(Vec::new());
        }
        loop {
            if let Some((state, checkpoint)) = self.log.runner().state_and_checkpoint()?
                && checkpoint.position >= envelope.position
            {
                return Ok(state.concerned(stream)?);
            }
            if self.log.progress().paused.is_some() {
                return Err(MakeError::StandsStill);
            }
            tokio::time::timeout(LOOK_AGAIN, self.log.reached(envelope.position)).await.ok();
            // After an erasure it is built anew: what was reached once is not there then.
            tokio::time::sleep(REST).await;
        }
    }

    /// How the event changed the status of a delivery.
    async fn change(
        &self,
        delivery: DeliveryId,
        envelope: &Envelope,
    ) -> Result<Option<StatusChange>, MakeError> {
        let mut known = Known::default();
        let stream = StreamId::delivery(delivery);
        // Most events of a large broadcast plan it: nothing of theirs is older.
        if envelope.stream == stream && envelope.version == Version::FIRST {
            known.add(envelope, envelope.position);
        } else {
            for own in self.store.stream(stream).await? {
                known.add(&own, envelope.position);
            }
        }
        // Feedback may be older than the event by which its key is named: that event brings all of it.
        let (named, named_before) = (known.behind.keys().to_vec(), known.before.keys().to_vec());
        for key in named {
            let of_key = self.store.stream(key).await?;
            let before =
                if named_before.contains(&key) { envelope.position } else { Position::START };
            for event in of_key.iter().filter(|event| event.position <= envelope.position) {
                known.behind.add_envelope(event);
                if event.position < before {
                    known.before.add_envelope(event);
                }
            }
        }
        let change = StatusChange::between(delivery, &known.before, &known.behind, envelope);
        Ok(match (change, known.row) {
            (Some(change), Some(row)) => Some(change.row(row.broadcast, row.contact)),
            (change, _) => change,
        })
    }
}

/// What was known of a delivery before a position and behind it.
#[derive(Default)]
struct Known {
    before: Evidence,
    behind: Evidence,
    row: Option<Row>,
}

impl Known {
    fn add(&mut self, event: &Envelope, position: Position) {
        if event.position > position {
            return;
        }
        self.behind.add_envelope(event);
        if event.position < position {
            self.before.add_envelope(event);
        }
        if self.row.is_none() {
            self.row = event.fact().ok().and_then(|fact| fact.event.row().cloned());
        }
    }
}

/// Whether the event has a floor, or names keys.
fn may_change_a_status(envelope: &Envelope) -> bool {
    let tells = |fact: Fact| fact.floor().is_some() || !fact.keys().is_empty();
    is_evidence(envelope.stream.category()) && envelope.fact().is_ok_and(tells)
}

/// Why messages can't be made now.
#[derive(Debug, thiserror::Error)]
pub(super) enum MakeError {
    #[error("the events can't be read")]
    Read(#[from] ReadError),
    #[error("which deliveries an event concerns can't be read")]
    State(#[from] StateError),
    #[error("the Email Log stands still, which knows the deliveries that events concern")]
    StandsStill,
    #[error("a message can't be written")]
    Write(#[from] serde_json::Error),
}

const LOOK_AGAIN: Duration = Duration::from_secs(1);
const REST: Duration = Duration::from_millis(5);
