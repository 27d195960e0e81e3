//! One event a line: the JSON form at every edge (`ingest events`, `explain --json`, exports).

use bytes::Bytes;
use chrono::{DateTime, Utc};
use data_encoding::BASE64;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use super::envelope::{ChainHash, Envelope, EventType, NewEvent, Origin, Salt};
use super::provenance::Provenance;
use super::source::Source;
use crate::id::{EventId, StreamId};
use crate::store::{Position, Version};

/// An event as one JSON object. Payloads that are JSON stand as such, others in Base64.
///
/// What the store gives (`position`, `version`, `recorded_at`, `hash` …) is absent in an event
/// that is yet to be appended.
///
/// ```
/// use mailtrail_core::event::EnvelopeLine;
/// let line: EnvelopeLine = serde_json::from_str(r#"{
///     "stream": "delivery/00000000-0000-5000-8000-000000000001",
///     "event_id": "00000000-0000-7000-8000-000000000002",
///     "type": "delivered", "schema": 1, "source": "cli",
///     "provenance": {"authenticity": "none"}, "data": {"confirmed_by": "mx"}
/// }"#)?;
/// let (stream, event) = line.into_event()?;
/// assert_eq!(&event.data[..], br#"{"confirmed_by":"mx"}"#);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Serialize, Deserialize)]
#[non_exhaustive]
pub struct EnvelopeLine {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    position: Option<Position>,
    stream: StreamId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    version: Option<Version>,
    event_id: EventId,
    #[serde(rename = "type")]
    event_type: EventType,
    schema: u16,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    occurred_at: Option<DateTime<Utc>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    recorded_at: Option<DateTime<Utc>>,
    source: Source,
    #[serde(default)]
    provenance: Provenance,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    actor: Option<Box<str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    causation_id: Option<EventId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    origin: Option<Origin>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    data: Option<Box<RawValue>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    data_base64: Option<Box<str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    private: Option<Box<RawValue>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    private_base64: Option<Box<str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    salt: Option<Salt>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    private_hash: Option<Box<str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    hash: Option<ChainHash>,
}

impl EnvelopeLine {
    /// The event to append, and its stream.
    ///
    /// # Errors
    /// [`LineError`] says which payload is missing or unreadable.
    pub fn into_event(self) -> Result<(StreamId, NewEvent), LineError> {
        let data =
            payload(self.data, self.data_base64, "data")?.ok_or(LineError::MissingPayload)?;
        let private = payload(self.private, self.private_base64, "private")?;
        let mut event = NewEvent::from_bytes(
            self.event_id,
            self.event_type.as_str().into(),
            self.schema,
            data,
            self.source,
        );
        event.occurred_at = self.occurred_at;
        event.provenance = self.provenance;
        event.actor = self.actor;
        event.causation_id = self.causation_id;
        event.private = private;
        Ok((self.stream, event))
    }

    /// The stored event, with all that the store gave it. Nothing of it is checked here: that is what
    /// [`ChainCheck`](crate::audit::ChainCheck) does.
    ///
    /// # Errors
    /// [`LineError`] says what is missing or unreadable.
    pub fn into_envelope(mut self) -> Result<Envelope, LineError> {
        let stored = (self.position, self.version, self.recorded_at, self.hash);
        let (Some(position), Some(version), Some(recorded_at), Some(hash)) = stored else {
            return Err(LineError::NotStored);
        };
        let private_hash = self.private_hash.take().map(|text| hash_of(&text)).transpose()?;
        let (salt, origin) = (self.salt, self.origin.take());
        let (stream, mut event) = self.into_event()?;
        event.origin = origin;
        Ok(Envelope { position, stream, version, recorded_at, event, salt, private_hash, hash })
    }
}

impl From<(StreamId, &NewEvent)> for EnvelopeLine {
    /// An event that is yet to be appended.
    fn from((stream, event): (StreamId, &NewEvent)) -> Self {
        let (data, data_base64) = json_or_base64(&event.data);
        let (private, private_base64) =
            event.private.as_deref().map_or((None, None), json_or_base64);
        Self {
            position: None,
            stream,
            version: None,
            event_id: event.event_id,
            event_type: event.event_type.clone(),
            schema: event.schema,
            occurred_at: event.occurred_at,
            recorded_at: None,
            source: event.source.clone(),
            provenance: event.provenance.clone(),
            actor: event.actor.clone(),
            causation_id: event.causation_id,
            origin: event.origin.clone(),
            data,
            data_base64,
            private,
            private_base64,
            salt: None,
            private_hash: None,
            hash: None,
        }
    }
}

impl From<&Envelope> for EnvelopeLine {
    fn from(envelope: &Envelope) -> Self {
        let private_hash =
            envelope.private_hash.map(|hash| data_encoding::HEXLOWER.encode(&hash).into());
        Self {
            position: Some(envelope.position),
            version: Some(envelope.version),
            recorded_at: Some(envelope.recorded_at),
            salt: envelope.salt,
            private_hash,
            hash: Some(envelope.hash),
            ..Self::from((envelope.stream, &envelope.event))
        }
    }
}

/// Why a line is no event.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LineError {
    /// It has neither `data` nor `data_base64`.
    #[error("the event has neither data nor data_base64")]
    MissingPayload,
    /// It has no place in a store: `position`, `version`, `recorded_at` or `hash` is missing.
    #[error("the event lacks what a store gives: position, version, recorded_at, hash")]
    NotStored,
    /// Its `private_hash` is not 64 hexadecimal digits.
    #[error("private_hash is not 64 lower-case hexadecimal digits")]
    PrivateHash,
    /// Its Base64 is none.
    #[error("{field}_base64 is not Base64 (RFC 4648 §4)")]
    Base64 {
        /// Which payload.
        field: &'static str,
    },
    /// Its payload can't be written as canonical JSON.
    #[error("{field} can't be written as canonical JSON (RFC 8785)")]
    Canonical {
        /// Which payload.
        field: &'static str,
        /// What the JSON reader or writer says.
        #[source]
        cause: serde_json::Error,
    },
}

fn hash_of(text: &str) -> Result<[u8; 32], LineError> {
    let bytes = data_encoding::HEXLOWER.decode(text.as_bytes()).ok();
    bytes.and_then(|bytes| bytes.try_into().ok()).ok_or(LineError::PrivateHash)
}

/// Canonical JSON stands as JSON: any tool gets the stored bytes back from the value.
fn json_or_base64(bytes: &[u8]) -> (Option<Box<RawValue>>, Option<Box<str>>) {
    let canonical = |value: Value| serde_jcs::to_vec(&value).is_ok_and(|again| again == bytes);
    let as_json = serde_json::from_slice::<Value>(bytes).is_ok_and(canonical);
    let text = std::str::from_utf8(bytes).ok().filter(|_| as_json);
    match text.and_then(|text| RawValue::from_string(text.to_owned()).ok()) {
        Some(raw) => (Some(raw), None),
        None => (None, Some(BASE64.encode(bytes).into())),
    }
}

fn payload(
    json: Option<Box<RawValue>>,
    base64: Option<Box<str>>,
    field: &'static str,
) -> Result<Option<Bytes>, LineError> {
    if let Some(raw) = json {
        let canonical = |cause| LineError::Canonical { field, cause };
        let value: Value = serde_json::from_str(raw.get()).map_err(canonical)?;
        return serde_jcs::to_vec(&value).map(|bytes| Some(bytes.into())).map_err(canonical);
    }
    let decode = |text: Box<str>| {
        BASE64.decode(text.as_bytes()).map(Bytes::from).map_err(|_| LineError::Base64 { field })
    };
    base64.map(decode).transpose()
}
