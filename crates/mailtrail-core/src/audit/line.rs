//! The lines of an export: a header, then one line a record.

use std::borrow::Cow;

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::event::{ChainHash, Envelope, EnvelopeLine, LineError};
use crate::id::Namespace;
use crate::store::{Head, Position};

/// The first line of an export: which log it is of, and from where to where.
///
/// ```
/// use mailtrail_core::audit::{ExportHeader, ExportLine};
/// use mailtrail_core::store::Head;
/// let header = ExportHeader::new("trail", Head::default(), Head::default());
/// let line = serde_json::to_string(&header)?;
/// assert!(matches!(ExportLine::parse(&line)?, ExportLine::Header(read) if read == header));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ExportHeader {
    mailtrail_export: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    namespace: Option<Box<str>>,
    /// What the store calls itself: `origin` names it where its events are imported.
    pub store: Box<str>,
    after: OmittedLine,
    head: OmittedLine,
}

impl ExportHeader {
    /// An export of the records behind `after` up to `head`.
    pub fn new(store: impl Into<Box<str>>, after: Head, head: Head) -> Self {
        let (after, head) = (after.into(), head.into());
        Self { mailtrail_export: FORMAT, namespace: None, store: store.into(), after, head }
    }

    /// That can be imported. The namespace salts the ids: who has it can tell whether an address is in the
    /// log.
    pub fn with_namespace(mut self, namespace: Namespace) -> Self {
        self.namespace = Some(HEXLOWER.encode(namespace.as_bytes().as_slice()).into());
        self
    }

    /// The namespace, if it is in the export.
    pub fn namespace(&self) -> Option<Namespace> {
        let bytes = HEXLOWER.decode(self.namespace.as_deref()?.as_bytes()).ok()?;
        bytes.try_into().ok().map(Namespace::from_bytes)
    }

    /// The record before the first, as it was when the export began.
    pub fn after(&self) -> Head {
        self.after.head()
    }

    /// The last record, as it was when the export began.
    pub fn head(&self) -> Head {
        self.head.head()
    }
}

/// A record of which the export has the hash alone: a filter left it out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct OmittedLine {
    /// Its position.
    pub position: Position,
    /// Its chain hash.
    pub hash: ChainHash,
}

impl OmittedLine {
    /// The same as a head.
    pub fn head(&self) -> Head {
        Head::new(self.position, self.hash)
    }
}

impl From<Head> for OmittedLine {
    fn from(head: Head) -> Self {
        Self { position: head.position, hash: head.hash }
    }
}

/// A line as it was read.
#[derive(Debug, Clone)]
#[expect(clippy::exhaustive_enums, reason = "a newer form has another number in its header")]
pub enum ExportLine {
    /// The first line.
    Header(ExportHeader),
    /// A record.
    Record(Box<Envelope>),
    /// A record that was left out.
    Omitted(OmittedLine),
}

impl ExportLine {
    /// Reads a line, also in its `CloudEvents` form.
    ///
    /// # Errors
    /// [`ExportLineError`] says what it is not.
    pub fn parse(line: &str) -> Result<Self, ExportLineError> {
        let probe: Probe<'_> = serde_json::from_str(line)?;
        if let (Some(_), Some(data)) = (probe.specversion, probe.data) {
            return Self::parse(data.get());
        }
        match probe.mailtrail_export {
            Some(FORMAT) => return Ok(Self::Header(serde_json::from_str(line)?)),
            Some(format) => return Err(ExportLineError::NewerFormat { format }),
            None => {}
        }
        if probe.stream.is_none() {
            return Ok(Self::Omitted(serde_json::from_str(line)?));
        }
        let record: EnvelopeLine = serde_json::from_str(line)?;
        Ok(Self::Record(Box::new(record.into_envelope()?)))
    }
}

/// A line in the form of `CloudEvents` 1.0: its `data` is the whole line, so it proves the same.
///
/// # Errors
/// [`serde_json::Error`] if the line is no JSON object.
pub fn as_cloud_event(line: &str) -> serde_json::Result<String> {
    let about: About<'_> = serde_json::from_str(line)?;
    let event = CloudEvent {
        specversion: "1.0",
        id: about.event_id.or(about.hash).or(about.store).unwrap_or(Text("".into())),
        source: "mailtrail",
        r#type: match (about.r#type, about.mailtrail_export) {
            (Some(Text(name)), _) => format!("mailtrail.{name}"),
            (None, Some(_)) => "mailtrail.export".to_owned(),
            (None, None) => "mailtrail.omitted".to_owned(),
        },
        time: about.occurred_at.or(about.recorded_at),
        subject: about.stream,
        datacontenttype: "application/json",
        data: RawValue::from_string(line.to_owned())?,
    };
    serde_json::to_string(&event)
}

/// What tells the kinds of line apart.
#[derive(Deserialize)]
struct Probe<'a> {
    mailtrail_export: Option<u32>,
    #[serde(borrow)]
    specversion: Option<&'a RawValue>,
    #[serde(borrow)]
    stream: Option<&'a RawValue>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct About<'a> {
    mailtrail_export: Option<u32>,
    #[serde(borrow)]
    store: Option<Text<'a>>,
    #[serde(borrow)]
    event_id: Option<Text<'a>>,
    #[serde(borrow)]
    r#type: Option<Text<'a>>,
    #[serde(borrow)]
    stream: Option<Text<'a>>,
    #[serde(borrow)]
    occurred_at: Option<Text<'a>>,
    #[serde(borrow)]
    recorded_at: Option<Text<'a>>,
    #[serde(borrow)]
    hash: Option<Text<'a>>,
}

/// A string of the line, copied only where it has an escape.
#[derive(Serialize, Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

#[derive(Serialize)]
struct CloudEvent<'a> {
    specversion: &'static str,
    id: Text<'a>,
    source: &'static str,
    r#type: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<Text<'a>>,
    datacontenttype: &'static str,
    data: Box<RawValue>,
}

/// Why a line is none of an export.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportLineError {
    /// It is no JSON, or a field is missing or wrong.
    #[error("not a line of an export")]
    Json(#[from] serde_json::Error),
    /// A payload is missing or unreadable.
    #[error("not a record of an export")]
    Record(#[from] LineError),
    /// A newer version wrote it.
    #[error("the export has format {format}: use a newer mailtrail")]
    NewerFormat {
        /// Its format.
        format: u32,
    },
}

const FORMAT: u32 = 1;

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use chrono::DateTime;

    use super::*;
    use crate::event::{NewEvent, Salt, Source};
    use crate::store::Version;
    use crate::{DeliveryId, EventId, StreamId};

    fn record(data: &'static [u8], private: Option<&'static [u8]>) -> Envelope {
        typed("x", data, private)
    }

    fn typed(name: &'static str, data: &'static [u8], private: Option<&'static [u8]>) -> Envelope {
        let (id, stream) = (EventId::from_bytes([3; 16]), DeliveryId::from_bytes([1; 16]));
        let source = Source::known("test");
        let mut event = NewEvent::from_bytes(id, name.into(), 1, Bytes::from_static(data), source);
        event.private = private.map(Bytes::from_static);
        event.occurred_at = DateTime::from_timestamp(5, 123_456_789);
        let place = (Position::new(7), StreamId::delivery(stream), Version::new(2));
        let at = DateTime::from_timestamp(1_790_000_000, 1).unwrap();
        Envelope::seal(place, at, event, Salt::from_bytes([4; 16]), ChainHash::default())
    }

    #[test]
    fn a_record_comes_back_whole_in_both_forms() {
        let mut erased = record(b"{}", Some(b"{\"name\":\"Ann\"}"));
        (erased.event.private, erased.salt) = (None, None);
        let cases = [
            record(b"{\"a\":1}", None),
            record(b"{\"a\":1}", Some(b"{\"name\":\"Ann\"}")),
            record(b"\xff\x00 not JSON", Some(b"{ \"spaced\": 1 }")),
            typed("app/\"quoted\"\\\u{1}", b"{}", None),
            erased,
        ];
        for envelope in cases {
            let line = serde_json::to_string(&EnvelopeLine::from(&envelope)).unwrap();
            for form in [line.clone(), as_cloud_event(&line).unwrap()] {
                let ExportLine::Record(read) = ExportLine::parse(&form).unwrap() else {
                    panic!("a record");
                };
                assert_eq!(*read, envelope);
            }
        }
    }

    #[test]
    fn what_is_no_line_says_so() {
        for text in ["", "{}", "[]", "{\"stream\":1}", "{\"mailtrail_export\":9}", "\u{0}"] {
            assert!(ExportLine::parse(text).is_err(), "{text}");
        }
    }
}
