//! What is appended, and what came of it.

use serde::{Deserialize, Serialize};

use super::position::{Position, Version};
use crate::event::NewEvent;
use crate::id::{EventId, StreamId};

/// What a writer assumes of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::exhaustive_enums, reason = "closed by the contract")]
pub enum Expected {
    /// Nothing.
    Any,
    /// The stream has no event.
    NoStream,
    /// The stream has at least one event.
    Exists,
    /// This is the version of its last event.
    Exact(Version),
}

impl Expected {
    /// Whether a stream with this last version is as expected.
    pub fn holds(self, last: Option<Version>) -> bool {
        match self {
            Self::Any => true,
            Self::NoStream => last.is_none(),
            Self::Exists => last.is_some(),
            Self::Exact(version) => last == Some(version),
        }
    }
}

/// The events that a batch appends to one stream.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StreamWrite {
    /// The stream.
    pub stream: StreamId,
    /// What it must be like before the batch.
    pub expected: Expected,
    /// The events, in order.
    pub events: Vec<NewEvent>,
}

/// A batch: stored whole or not at all.
///
/// ```
/// use mailtrail_core::{AppendBatch, Expected};
/// # use mailtrail_core::{event::{Custom, Source}, Event, EventId, Fact, NewEvent, Private, StreamId, DeliveryId};
/// # let stream = StreamId::delivery(DeliveryId::from_bytes([1; 16]));
/// # let claim = stream;
/// # let event = NewEvent::new(EventId::from_bytes([2; 16]), &Fact::new(Event::Custom(Custom::default())), &Private::default(), Source::known("cli"))?;
/// let batch = AppendBatch::new()
///     .write(stream, Expected::NoStream, vec![event])
///     .require(claim, Expected::Exists)
///     .skip_known();
/// assert_eq!(batch.len(), 1);
/// # Ok::<(), mailtrail_core::event::EncodeError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AppendBatch {
    writes: Vec<StreamWrite>,
    requires: Vec<(StreamId, Expected)>,
    skips_known: bool,
}

impl AppendBatch {
    /// An empty batch.
    pub fn new() -> Self {
        Self::default()
    }

    /// With events for a stream. Several writes to one stream follow each other; what each expects
    /// is compared with the stream as it was before the batch.
    pub fn write(mut self, stream: StreamId, expected: Expected, events: Vec<NewEvent>) -> Self {
        self.writes.push(StreamWrite { stream, expected, events });
        self
    }

    /// With something required of a stream that the batch leaves alone.
    pub fn require(mut self, stream: StreamId, expected: Expected) -> Self {
        self.requires.push((stream, expected));
        self
    }

    /// Stores what is new and says which was known, instead of refusing what is known in part.
    ///
    /// An id that is known on another stream or with another type counts as known too, and is
    /// marked [`Known::Elsewhere`]. A stream of which everything is known is not compared with
    /// what the batch expects of it.
    pub fn skip_known(mut self) -> Self {
        self.skips_known = true;
        self
    }

    /// Its writes in order.
    pub fn writes(&self) -> &[StreamWrite] {
        &self.writes
    }

    /// Its events in order, each with its stream, without the rest.
    pub fn into_events(self) -> impl Iterator<Item = (StreamId, NewEvent)> {
        self.writes.into_iter().flat_map(|write| {
            let stream = write.stream;
            write.events.into_iter().map(move |event| (stream, event))
        })
    }

    /// What it requires of other streams.
    pub fn requires(&self) -> &[(StreamId, Expected)] {
        &self.requires
    }

    /// Whether known events are skipped.
    pub fn skips_known(&self) -> bool {
        self.skips_known
    }

    /// Its events in order, each with its stream.
    pub fn events(&self) -> impl Iterator<Item = (StreamId, &NewEvent)> {
        self.writes.iter().flat_map(|write| write.events.iter().map(|event| (write.stream, event)))
    }

    /// How many events it has.
    pub fn len(&self) -> usize {
        self.writes.iter().fold(0, |sum, write| sum.saturating_add(write.events.len()))
    }

    /// Whether it has no event.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many bytes of payload it has.
    pub fn payload_bytes(&self) -> usize {
        self.events().fold(0, |sum, (_, event)| sum.saturating_add(event.payload_bytes()))
    }
}

/// Whether a batch brought anything new.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "closed by the contract")]
pub enum Outcome {
    /// Something was stored.
    New,
    /// Nothing was: all was known.
    AlreadyStored,
}

/// Whether an event was known before the batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "closed by the contract")]
pub enum Known {
    /// It is new and stored now.
    No,
    /// The same fact was stored before; its first form stands.
    Here,
    /// Its id was known on another stream or with another type (only with `skip_known`).
    Elsewhere,
}

/// Where an event of a batch is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct StoredAt {
    /// The event.
    pub event_id: EventId,
    /// The stream that holds it.
    pub stream: StreamId,
    /// Its place in that stream.
    pub version: Version,
    /// Its place in the store.
    pub position: Position,
    /// Whether it was known before.
    pub known: Known,
}

impl StoredAt {
    /// An event at this place.
    pub fn new(
        event_id: EventId,
        stream: StreamId,
        version: Version,
        position: Position,
        known: Known,
    ) -> Self {
        Self { event_id, stream, version, position, known }
    }
}

/// What came of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Appended {
    /// Whether anything was new.
    pub outcome: Outcome,
    /// Where each event is, in the order of the batch.
    pub events: Vec<StoredAt>,
}

impl Appended {
    /// Of these places.
    pub fn of(events: Vec<StoredAt>) -> Self {
        let new = events.iter().any(|event| event.known == Known::No);
        Self { outcome: if new { Outcome::New } else { Outcome::AlreadyStored }, events }
    }

    /// How many events were new.
    pub fn new_events(&self) -> usize {
        self.events.iter().filter(|event| event.known == Known::No).count()
    }

    /// The last position that the batch concerns.
    pub fn last_position(&self) -> Option<Position> {
        self.events.iter().map(|event| event.position).max()
    }
}
