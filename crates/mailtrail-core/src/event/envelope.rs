//! An event with its metadata: before it is stored, and after.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::fact::{DecodeError, EncodeError, Event, Fact};
use super::kinds::Private;
use super::provenance::Provenance;
use super::source::Source;
use crate::id::{EventId, IdError, StreamId};
use crate::store::{Position, Version, record};

/// The name of an event's type: one of ours, of a newer version, or an integrator's own.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EventType(Cow<'static, str>);

impl EventType {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl EventType {
    /// Of a stored name: those of our own need no further look.
    pub(crate) fn from_utf8(name: &[u8]) -> Option<Self> {
        let name = match Event::static_name(name) {
            Some(name) => Cow::Borrowed(name),
            None => Cow::Owned(std::str::from_utf8(name).ok()?.to_owned()),
        };
        Some(Self(name))
    }
}

impl From<&str> for EventType {
    fn from(name: &str) -> Self {
        let own = Event::static_name(name.as_bytes());
        Self(own.map_or_else(|| Cow::Owned(name.to_owned()), Cow::Borrowed))
    }
}

impl fmt::Display for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where an imported event was stored first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Origin {
    /// The store's own name of itself.
    pub store: Box<str>,
    /// Its position there.
    pub position: Position,
    /// When it was recorded there.
    pub recorded_at: DateTime<Utc>,
    /// Its chain hash there.
    pub chain: ChainHash,
}

impl Origin {
    /// The place of an event in another store.
    pub fn new(
        store: impl Into<Box<str>>,
        position: Position,
        recorded_at: DateTime<Utc>,
        chain: ChainHash,
    ) -> Self {
        Self { store: store.into(), position, recorded_at, chain }
    }
}

/// An event as it is appended.
///
/// ```
/// use mailtrail_core::event::{Delivered, Provenance, Source};
/// use mailtrail_core::{Event, EventId, Fact, NewEvent, Private};
/// let id = EventId::observed(chrono::DateTime::UNIX_EPOCH, [1; 10]);
/// let fact = Fact::new(Event::Delivered(Delivered::default()));
/// let event = NewEvent::new(id, &fact, &Private::default(), Source::known("smtp"))?
///     .provenance(Provenance::observed());
/// assert_eq!(event.event_type.as_str(), "delivered");
/// # Ok::<(), mailtrail_core::event::EncodeError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct NewEvent {
    /// Its id, derived from the fact.
    pub event_id: EventId,
    /// Its type.
    pub event_type: EventType,
    /// The schema of `data`.
    pub schema: u16,
    /// When it happened, as the source claims.
    pub occurred_at: Option<DateTime<Utc>>,
    /// What brought it.
    pub source: Source,
    /// How far it is trusted.
    pub provenance: Provenance,
    /// Who did it: a user or service.
    pub actor: Option<Box<str>>,
    /// The event that caused it.
    pub causation_id: Option<EventId>,
    /// Where an imported event was stored first.
    pub origin: Option<Origin>,
    /// The facts.
    pub data: Bytes,
    /// What identifies a person.
    pub private: Option<Bytes>,
}

impl NewEvent {
    /// An event of this version's schema.
    ///
    /// # Errors
    /// [`EncodeError`], if a custom event holds what canonical JSON can't express.
    pub fn new(
        event_id: EventId,
        fact: &Fact,
        private: &Private,
        source: Source,
    ) -> Result<Self, EncodeError> {
        let data = fact.encode()?.into();
        let private = private.encode()?.map(Bytes::from);
        let event_type = EventType(Cow::Borrowed(fact.event.type_name()));
        Ok(Self { private, ..Self::from_bytes(event_id, event_type, Fact::SCHEMA, data, source) })
    }

    /// An event of bytes that this crate doesn't look into: an integrator's own type.
    pub fn from_bytes(
        event_id: EventId,
        event_type: EventType,
        schema: u16,
        data: Bytes,
        source: Source,
    ) -> Self {
        Self {
            event_id,
            event_type,
            schema,
            occurred_at: None,
            source,
            provenance: Provenance::default(),
            actor: None,
            causation_id: None,
            origin: None,
            data,
            private: None,
        }
    }

    /// With the time that the source claims.
    pub fn occurred_at(mut self, at: Option<DateTime<Utc>>) -> Self {
        self.occurred_at = at;
        self
    }

    /// With its provenance.
    pub fn provenance(mut self, provenance: Provenance) -> Self {
        self.provenance = provenance;
        self
    }

    /// With who did it.
    pub fn actor(mut self, actor: impl Into<Box<str>>) -> Self {
        self.actor = Some(actor.into());
        self
    }

    /// With the event that caused it.
    pub fn caused_by(mut self, event: EventId) -> Self {
        self.causation_id = Some(event);
        self
    }

    /// How many bytes of payload it has.
    pub fn payload_bytes(&self) -> usize {
        self.data.len().saturating_add(self.private.as_ref().map_or(0, Bytes::len))
    }
}

/// A stored event.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Envelope {
    /// Its place in the store.
    pub position: Position,
    /// Its stream.
    pub stream: StreamId,
    /// Its place in the stream.
    pub version: Version,
    /// The store's clock when it was stored: never decreasing.
    pub recorded_at: DateTime<Utc>,
    /// What was appended. `private` is gone if it was erased.
    pub event: NewEvent,
    /// Salts the hash of `private`; gone together with it.
    pub salt: Option<Salt>,
    /// The salted hash of `private`: stays when that is erased.
    pub private_hash: Option<[u8; 32]>,
    /// The hash of this record and, by way of it, of all before it.
    pub hash: ChainHash,
}

impl Envelope {
    /// Seals an event into its place in the log: computes the salted hash and the chain hash.
    pub fn seal(
        place: (Position, StreamId, Version),
        recorded_at: DateTime<Utc>,
        event: NewEvent,
        salt: Salt,
        previous: ChainHash,
    ) -> Self {
        let data_hash = record::data_hash(&event.data);
        Self::seal_with(place, recorded_at, event, data_hash, salt, previous)
    }

    /// The same, of an event whose data has this hash.
    pub(crate) fn seal_with(
        place: (Position, StreamId, Version),
        recorded_at: DateTime<Utc>,
        event: NewEvent,
        data_hash: [u8; 32],
        salt: Salt,
        previous: ChainHash,
    ) -> Self {
        let (position, stream, version) = place;
        let private_hash = event.private.as_deref().map(|private| salt.hash(private));
        let salt = event.private.is_some().then_some(salt);
        let hash = ChainHash::default();
        let mut envelope =
            Self { position, stream, version, recorded_at, event, salt, private_hash, hash };
        envelope.hash = record::chain_hash_with(previous, &envelope, data_hash);
        envelope
    }

    /// Reads the facts.
    ///
    /// # Errors
    /// [`DecodeError`]: this version doesn't know the type or schema. Count it, and go on.
    pub fn fact(&self) -> Result<Fact, DecodeError> {
        Fact::decode(&self.event.event_type, self.event.schema, &self.event.data)
    }

    /// Reads what identifies a person: empty if there was nothing, or it was erased.
    pub fn private(&self) -> Private {
        self.event.private.as_deref().map_or_else(Private::default, Private::decode)
    }

    /// Whether what identified a person was erased.
    pub fn is_erased(&self) -> bool {
        self.event.private.is_none() && self.private_hash.is_some()
    }
}

macro_rules! hex_bytes {
    ($(#[$doc:meta])* $name:ident, $length:literal, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name([u8; $length]);

        impl $name {
            /// From its bytes.
            pub const fn from_bytes(bytes: [u8; $length]) -> Self {
                Self(bytes)
            }

            /// Its bytes.
            pub const fn as_bytes(&self) -> &[u8; $length] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&data_encoding::HEXLOWER.encode(&self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }

        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                let malformed = || IdError::Malformed { what: $what };
                let bytes = data_encoding::HEXLOWER_PERMISSIVE.decode(text.as_bytes()).map_err(|_| malformed())?;
                bytes.try_into().map(Self).map_err(|_| malformed())
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;
            fn try_from(text: String) -> Result<Self, IdError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.to_string()
            }
        }
    };
}

hex_bytes!(
    /// The hash chain's link: SHA-256 over the previous link and the whole record.
    /// The chain starts from all zeros.
    ChainHash,
    32,
    "chain hash (64 hexadecimal digits)"
);
hex_bytes!(
    /// Sixteen random bytes, so that the hash of an erased text can't be guessed.
    Salt,
    16,
    "salt (32 hexadecimal digits)"
);

impl Salt {
    /// SHA-256 of this salt and `private`.
    pub fn hash(&self, private: &[u8]) -> [u8; 32] {
        use sha2::{Digest, Sha256};
        Sha256::new().chain_update(self.0).chain_update(private).finalize().into()
    }
}
