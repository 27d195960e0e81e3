//! What subscribers are told.

use std::fmt;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use data_encoding::HEXLOWER;
use mailtrail_core::event::EnvelopeLine;
use mailtrail_core::id::ContactId;
use mailtrail_core::{BroadcastId, DeliveryId, Envelope, EventId, Evidence, Status};
use ring::digest::{Context, SHA256};
use serde::{Deserialize, Serialize};

/// One message to one subscriber.
///
/// Its body is `{"type": …, "timestamp": …, "data": …}`, as Standard Webhooks recommends. The same event gives the same
/// bytes and the same id whenever it is made, so that a receiver knows what it has already.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Message {
    /// Its id, the same at every attempt.
    pub id: MessageId,
    /// `status_changed`, or the type of the event.
    pub name: Box<str>,
    /// The delivery, if it is known.
    pub delivery: Option<DeliveryId>,
    /// The JSON.
    pub body: Bytes,
}

impl Message {
    /// That the status of a delivery changed by an event.
    ///
    /// # Errors
    /// [`serde_json::Error`]: it can't be written.
    pub fn status_changed(
        subscriber: &str,
        envelope: &Envelope,
        change: &StatusChange,
    ) -> serde_json::Result<Self> {
        let id = MessageId::derive(subscriber, envelope.event.event_id, Some(change.delivery));
        let body = body(STATUS_CHANGED, envelope, change)?;
        let delivery = Some(change.delivery);
        Ok(Self { id, name: STATUS_CHANGED.into(), delivery, body })
    }

    /// An event itself, as the line of an export. What identifies a person is left out, unless `with_private`.
    ///
    /// # Errors
    /// [`serde_json::Error`]: it can't be written.
    pub fn event(
        subscriber: &str,
        envelope: &Envelope,
        delivery: Option<DeliveryId>,
        with_private: bool,
    ) -> serde_json::Result<Self> {
        let name = envelope.event.event_type.as_str();
        let id = MessageId::derive(subscriber, envelope.event.event_id, None);
        let mut shown = envelope.clone();
        if !with_private {
            // The line still proves itself: it keeps the hash of what is left out.
            (shown.event.private, shown.salt) = (None, None);
        }
        let body = body(name, envelope, &EnvelopeLine::from(&shown))?;
        Ok(Self { id, name: name.into(), delivery, body })
    }
}

/// That the status of a delivery changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct StatusChange {
    /// The delivery.
    pub delivery: DeliveryId,
    /// The broadcast that it is of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broadcast: Option<BroadcastId>,
    /// Whom it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contact: Option<ContactId>,
    /// What it was.
    pub from: Status,
    /// What it is.
    pub to: Status,
    /// When what decided it claims to have happened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<DateTime<Utc>>,
    /// When it became known here.
    pub recorded_at: DateTime<Utc>,
    /// The event by which it changed.
    pub event: EventId,
    /// The reason of a failure, in a word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<Box<str>>,
}

impl StatusChange {
    /// How an event changed the status, by what was known before it and behind it; `None`: it did not. A delivery that
    /// is not planned yet counts as Unsent: what came too early shows with the planning event.
    pub fn between(
        delivery: DeliveryId,
        before: &Evidence,
        behind: &Evidence,
        envelope: &Envelope,
    ) -> Option<Self> {
        let (from, to) = (shown(before), shown(behind));
        (from != to).then(|| Self {
            delivery,
            broadcast: None,
            contact: None,
            from,
            to,
            at: behind.decided_by().and_then(|moment| moment.at),
            recorded_at: envelope.recorded_at,
            event: envelope.event.event_id,
            why: behind.why().and_then(|why| why.reason).map(|reason| reason.name().into()),
        })
    }

    /// Of this row.
    pub fn row(mut self, broadcast: BroadcastId, contact: ContactId) -> Self {
        (self.broadcast, self.contact) = (Some(broadcast), Some(contact));
        self
    }
}

/// The id of a message: derived from the subscriber's name, the event and, for a status change, the delivery.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MessageId(Box<str>);

impl MessageId {
    fn derive(subscriber: &str, event: EventId, changed: Option<DeliveryId>) -> Self {
        let mut hash = Context::new(&SHA256);
        for part in [b"outbound".as_slice(), subscriber.as_bytes(), event.as_bytes().as_slice()] {
            let length = u32::try_from(part.len()).unwrap_or(u32::MAX);
            hash.update(&length.to_be_bytes());
            hash.update(part);
        }
        if let Some(delivery) = changed {
            hash.update(delivery.as_bytes());
        }
        let digest = hash.finish();
        let half = digest.as_ref().first_chunk::<16>().copied().unwrap_or_default();
        Self(format!("msg_{}", HEXLOWER.encode(&half)).into())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<String> for MessageId {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[derive(Serialize)]
struct Body<'a, T> {
    r#type: &'a str,
    timestamp: DateTime<Utc>,
    data: &'a T,
}

fn body(name: &str, envelope: &Envelope, data: &impl Serialize) -> serde_json::Result<Bytes> {
    let body = Body { r#type: name, timestamp: envelope.recorded_at, data };
    Ok(serde_json::to_vec(&body)?.into())
}

fn shown(evidence: &Evidence) -> Status {
    if evidence.planned().is_some() { evidence.status() } else { Status::Unsent }
}

/// The name of the messages that tell of a status.
pub const STATUS_CHANGED: &str = "status_changed";
