//! What is asked and answered: the contract of a store, in JSON, with the events as records beside it.

use bytes::Bytes;
use chrono::DateTime;
use data_encoding::HEXLOWER;
use mailtrail_core::event::{ChainHash, Envelope, EventType, NewEvent, Salt};
use mailtrail_core::id::Category;
use mailtrail_core::store::{
    AppendError, Appended, Capabilities, Durability, Filter, Head, ImportError, Known, Limits,
    Mismatch, ReadError, RedactError, StoredAt, record,
};
use mailtrail_core::{AppendBatch, EventId, Expected, Namespace, Position, StreamId, Version};
use serde::{Deserialize, Serialize};

/// The version of what is said here. Both sides must have the same.
pub(crate) const PROTOCOL: u32 = 1;

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

fn places(of: Vec<StoredAt>) -> Vec<Place> {
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

/// [`AppendError`] on its way.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Refusal {
    Conflict { streams: Vec<(StreamId, Expected, Option<Version>)> },
    IdReused { events: Vec<Place> },
    PartialDuplicate { events: Vec<Place> },
    RepeatedId { ids: Vec<EventId> },
    TooLarge { limit: usize, events: bool },
    Unsupported { capability: String },
    Unavailable { cause: String },
    Corrupt { position: Option<Position> },
    OutcomeUnknown { cause: String },
}

impl From<AppendError> for Refusal {
    fn from(error: AppendError) -> Self {
        match error {
            AppendError::Conflict { streams } => {
                let parts = |m: Mismatch| (m.stream, m.expected, m.actual);
                Self::Conflict { streams: streams.into_iter().map(parts).collect() }
            }
            AppendError::IdReused { events } => Self::IdReused { events: places(events) },
            AppendError::PartialDuplicate { events } => {
                Self::PartialDuplicate { events: places(events) }
            }
            AppendError::RepeatedId { ids } => Self::RepeatedId { ids },
            AppendError::TooLarge { limit, unit } => {
                Self::TooLarge { limit, events: unit == EVENTS }
            }
            AppendError::Unsupported { capability } => {
                Self::Unsupported { capability: capability.to_owned() }
            }
            AppendError::Unavailable { cause } => Self::Unavailable { cause: cause.to_string() },
            AppendError::Corrupt { position } => Self::Corrupt { position },
            AppendError::OutcomeUnknown { cause } => {
                Self::OutcomeUnknown { cause: cause.to_string() }
            }
            // A variant of a newer core: nobody can say what it means for the batch.
            other => Self::OutcomeUnknown { cause: other.to_string() },
        }
    }
}

impl From<Refusal> for AppendError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Conflict { streams } => {
                let mismatch = |(stream, expected, actual)| Mismatch::new(stream, expected, actual);
                Self::Conflict { streams: streams.into_iter().map(mismatch).collect() }
            }
            Refusal::IdReused { events } => Self::IdReused { events: stored(events) },
            Refusal::PartialDuplicate { events } => {
                Self::PartialDuplicate { events: stored(events) }
            }
            Refusal::RepeatedId { ids } => Self::RepeatedId { ids },
            Refusal::TooLarge { limit, events } => {
                Self::TooLarge { limit, unit: if events { EVENTS } else { "bytes" } }
            }
            Refusal::Unsupported { capability } => {
                Self::Unsupported { capability: known_capability(&capability) }
            }
            Refusal::Unavailable { cause } => Self::Unavailable { cause: cause.into() },
            Refusal::Corrupt { position } => Self::Corrupt { position },
            Refusal::OutcomeUnknown { cause } => Self::OutcomeUnknown { cause: cause.into() },
        }
    }
}

/// [`ReadError`] on its way.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Unreadable {
    Unavailable { cause: String },
    Corrupt { position: Option<Position> },
}

impl From<ReadError> for Unreadable {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Corrupt { position } => Self::Corrupt { position },
            ReadError::Unavailable { cause } => Self::Unavailable { cause: cause.to_string() },
            other => Self::Unavailable { cause: other.to_string() },
        }
    }
}

impl From<Unreadable> for ReadError {
    fn from(error: Unreadable) -> Self {
        match error {
            Unreadable::Corrupt { position } => Self::Corrupt { position },
            Unreadable::Unavailable { cause } => Self::Unavailable { cause: cause.into() },
        }
    }
}

impl From<ReadError> for Answer {
    fn from(error: ReadError) -> Self {
        Self::NotRead(error.into())
    }
}

impl From<Head> for Answer {
    fn from(head: Head) -> Self {
        Self::Head { position: head.position, hash: head.hash }
    }
}

impl From<ImportError> for Answer {
    fn from(error: ImportError) -> Self {
        match error {
            ImportError::Append(refused) => Self::NotImported { refusal: Some(refused.into()) },
            _ => Self::NotImported { refusal: None },
        }
    }
}

impl From<RedactError> for Answer {
    fn from(error: RedactError) -> Self {
        let (mut not_stored, mut supported, mut unreadable) = (Vec::new(), true, None);
        match error {
            RedactError::Unsupported => supported = false,
            RedactError::NotStored { ids } => not_stored = ids,
            RedactError::Corrupt { position } => {
                unreadable = Some(Unreadable::Corrupt { position });
            }
            other => unreadable = Some(Unreadable::Unavailable { cause: other.to_string() }),
        }
        Self::NotRedacted { not_stored, supported, unreadable }
    }
}

/// [`RedactError`] as it arrives.
pub(crate) fn not_redacted(
    not_stored: Vec<EventId>,
    supported: bool,
    unreadable: Option<Unreadable>,
) -> RedactError {
    match unreadable {
        Some(Unreadable::Corrupt { position }) => RedactError::Corrupt { position },
        Some(Unreadable::Unavailable { cause }) => RedactError::Unavailable { cause: cause.into() },
        None if supported => RedactError::NotStored { ids: not_stored },
        None => RedactError::Unsupported,
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

/// An error's capability is a word of the program, which only this one's own can be.
fn known_capability(name: &str) -> &'static str {
    const KNOWN: [&str; 1] = ["origin outside of import"];
    KNOWN.into_iter().find(|known| *known == name).unwrap_or("what the owner can't do")
}

const EVENTS: &str = "events";
