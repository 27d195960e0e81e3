//! What is asked and answered: the contract of a store, in JSON, with the events as records beside it.

use bytes::Bytes;
use chrono::DateTime;
use data_encoding::HEXLOWER;
use mailtrail_core::event::{ChainHash, Envelope, EventType, NewEvent, Salt};
use mailtrail_core::id::Category;
use mailtrail_core::store::{
    Appended, Capabilities, Durability, Filter, Head, Known, Limits, StoredAt, record,
};
use mailtrail_core::{AppendBatch, EventId, Expected, Namespace, Position, StreamId, Version};
use serde::{Deserialize, Serialize};

use crate::failure::{Refusal, Unreadable};
use crate::states::{StateAnswer, StateRequest};

/// The version of what is said here. Both sides must have the same.
pub(crate) const PROTOCOL: u32 = 2;

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Request {
    Hello {
        protocol: u32,
    },
    Append(Batch),
    Import(Batch),
    ReadStream {
        stream: StreamId,
        from: Version,
        limit: usize,
    },
    ReadAll {
        categories: Vec<String>,
        event_types: Vec<EventType>,
        after: Position,
        limit: usize,
    },
    Changed {
        past: Position,
    },
    Head,
    Redact {
        ids: Vec<EventId>,
    },
    Lease {
        name: String,
    },
    Release {
        name: String,
    },
    State(StateRequest),
    /// The caller no longer waits for this request.
    Cancel {
        request: u64,
    },
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Answer {
    Hello {
        protocol: u32,
        namespace: String,
        capabilities: Abilities,
    },
    Appended {
        events: Vec<Place>,
    },
    NotAppended(Refusal),
    NotImported {
        refusal: Option<Refusal>,
    },
    StreamPage {
        last: Option<Version>,
    },
    Page {
        scanned_to: Position,
        head: Position,
    },
    Changed {
        to: Position,
    },
    Head {
        position: Position,
        hash: ChainHash,
    },
    NotRead(Unreadable),
    Redacted,
    NotRedacted {
        not_stored: Vec<EventId>,
        supported: bool,
        unreadable: Option<Unreadable>,
    },
    Lease {
        granted: bool,
    },
    State(StateAnswer),
    /// The request makes no sense to this version.
    NotUnderstood,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Batch {
    writes: Vec<Write>,
    requires: Vec<(StreamId, Expected)>,
    skip_known: bool,
}

#[derive(Debug, Serialize, Deserialize)]
struct Write {
    stream: StreamId,
    expected: Expected,
    /// How many of the records are its events.
    events: usize,
}

impl Batch {
    pub(crate) fn of(batch: &AppendBatch) -> (Self, Vec<Bytes>) {
        let write = |write: &mailtrail_core::store::StreamWrite| Write {
            stream: write.stream,
            expected: write.expected,
            events: write.events.len(),
        };
        let records = batch.events().map(|(stream, event)| packed(stream, event)).collect();
        let of = Self {
            writes: batch.writes().iter().map(write).collect(),
            requires: batch.requires().to_vec(),
            skip_known: batch.skips_known(),
        };
        (of, records)
    }

    /// `None` if the records are not those that it speaks of.
    pub(crate) fn into_batch(self, records: &[Bytes]) -> Option<AppendBatch> {
        let mut records = records.iter();
        let mut batch = AppendBatch::new();
        for write in self.writes {
            let mut events = Vec::new();
            for record in records.by_ref().take(write.events) {
                events.push(record::decode(record).ok()?.event);
            }
            if events.len() != write.events {
                return None;
            }
            batch = batch.write(write.stream, write.expected, events);
        }
        for (stream, expected) in self.requires {
            batch = batch.require(stream, expected);
        }
        let whole = records.next().is_none();
        whole.then(|| if self.skip_known { batch.skip_known() } else { batch })
    }
}

/// An event that has no place yet, in the form of a record: place, salt and hashes say nothing.
fn packed(stream: StreamId, event: &NewEvent) -> Bytes {
    let nowhere = (Position::START, stream, Version::FIRST);
    let salt = Salt::from_bytes([0; 16]);
    let sealed =
        Envelope::seal(nowhere, DateTime::UNIX_EPOCH, event.clone(), salt, ChainHash::default());
    record::encode(&sealed).into()
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Abilities {
    survives_power_loss: bool,
    redacts: bool,
    imports: bool,
    batch_events: usize,
    batch_bytes: usize,
}

impl From<Capabilities> for Abilities {
    fn from(of: Capabilities) -> Self {
        Self {
            survives_power_loss: of.durability == Durability::PowerLoss,
            redacts: of.redacts,
            imports: of.imports,
            batch_events: of.limits.batch_events,
            batch_bytes: of.limits.batch_bytes,
        }
    }
}

impl From<Abilities> for Capabilities {
    fn from(of: Abilities) -> Self {
        let durability =
            if of.survives_power_loss { Durability::PowerLoss } else { Durability::Volatile };
        let mut capabilities = Self::new(durability);
        (capabilities.redacts, capabilities.imports) = (of.redacts, of.imports);
        let mut limits = Limits::default();
        (limits.batch_events, limits.batch_bytes) = (of.batch_events, of.batch_bytes);
        capabilities.limits = limits;
        capabilities
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Place(EventId, StreamId, Version, Position, Before);

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Before {
    No,
    Here,
    Elsewhere,
}

impl From<StoredAt> for Place {
    fn from(at: StoredAt) -> Self {
        let known = match at.known {
            Known::No => Before::No,
            Known::Here => Before::Here,
            Known::Elsewhere => Before::Elsewhere,
        };
        Self(at.event_id, at.stream, at.version, at.position, known)
    }
}

impl From<Place> for StoredAt {
    fn from(Place(event_id, stream, version, position, known): Place) -> Self {
        let known = match known {
            Before::No => Known::No,
            Before::Here => Known::Here,
            Before::Elsewhere => Known::Elsewhere,
        };
        Self::new(event_id, stream, version, position, known)
    }
}

pub(crate) fn places(of: Vec<StoredAt>) -> Vec<Place> {
    of.into_iter().map(Place::from).collect()
}

pub(crate) fn stored(of: Vec<Place>) -> Vec<StoredAt> {
    of.into_iter().map(StoredAt::from).collect()
}

impl From<Appended> for Answer {
    fn from(appended: Appended) -> Self {
        Self::Appended { events: places(appended.events) }
    }
}

impl From<Head> for Answer {
    fn from(head: Head) -> Self {
        Self::Head { position: head.position, hash: head.hash }
    }
}

/// `None` if a category can't be one.
pub(crate) fn filter(categories: &[String], event_types: Vec<EventType>) -> Option<Filter> {
    let mut filter = event_types.into_iter().fold(Filter::all(), Filter::event_type);
    for category in categories {
        filter = filter.category(Category::new(category).ok()?);
    }
    Some(filter)
}

pub(crate) fn namespace_text(namespace: Namespace) -> String {
    HEXLOWER.encode(namespace.as_bytes().as_slice())
}

pub(crate) fn namespace_of(text: &str) -> Option<Namespace> {
    let bytes = HEXLOWER.decode(text.as_bytes()).ok()?;
    bytes.try_into().ok().map(Namespace::from_bytes)
}
