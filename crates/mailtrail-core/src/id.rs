//! Every id, and how it is derived.
//!
//! A derived id is `UUIDv5(namespace, SHA-256(tuple))`. In the tuple each element is preceded by its
//! length in bytes (4 bytes, big endian); the first element names the kind of id. A UUID inside a
//! tuple is its 16 bytes. `docs/format.md` holds the tuples, `tests/golden/ids.json` their vectors.

use std::borrow::Cow;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::address::EmailAddress;
use crate::correlation::CorrelationKey;
use crate::suppression::Scope;

/// The salt of all derived ids of one store or tenant. Never shown in a report, log line or token.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Namespace(Uuid);

impl Namespace {
    /// A namespace of 16 random bytes, which the caller draws.
    pub fn from_random(random: [u8; 16]) -> Self {
        Self(uuid::Builder::from_random_bytes(random).into_uuid())
    }

    /// The namespace that these stored bytes are.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(Uuid::from_bytes(bytes))
    }

    /// Its bytes, for a store to keep.
    pub fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }

    fn derive(&self, tuple: &[&[u8]]) -> Uuid {
        let mut hash = Sha256::new();
        for element in tuple {
            // An element is a header field or a body hash at most; its callers bound it far below.
            let length = u32::try_from(element.len()).unwrap_or(u32::MAX);
            hash.update(length.to_be_bytes());
            hash.update(element);
        }
        Uuid::new_v5(&self.0, &hash.finalize())
    }
}

impl fmt::Debug for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Namespace(…)")
    }
}

/// Why a text can't be an id of the caller's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IdError {
    /// It has no or more than 200 bytes.
    #[error("a {what} has 1 to 200 bytes, this one has {length}")]
    Length {
        /// Which id.
        what: &'static str,
        /// Its length in bytes.
        length: usize,
    },
    /// It has control characters.
    #[error("a {what} has no control characters")]
    Control {
        /// Which id.
        what: &'static str,
    },
    /// It is not of the form that this id has.
    #[error("not a {what}")]
    Malformed {
        /// Which id.
        what: &'static str,
    },
}

fn check(text: &str, what: &'static str) -> Result<(), IdError> {
    if text.is_empty() || text.len() > 200 {
        return Err(IdError::Length { what, length: text.len() });
    }
    if text.chars().any(char::is_control) {
        return Err(IdError::Control { what });
    }
    Ok(())
}

macro_rules! callers_own {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Box<str>);

        impl $name {
            /// Takes the caller's text: 1 to 200 bytes, no control characters.
            ///
            /// # Errors
            /// [`IdError`] says which of these rules the text breaks.
            pub fn new(text: impl Into<Box<str>>) -> Result<Self, IdError> {
                let text = text.into();
                check(&text, $what)?;
                Ok(Self(text))
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                Self::new(text)
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;
            fn try_from(text: String) -> Result<Self, IdError> {
                Self::new(text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0.into()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({:?})", stringify!($name), self.0)
            }
        }
    };
}

callers_own!(
    /// The caller's own name of one "Send Now".
    BroadcastId,
    "broadcast id"
);
callers_own!(
    /// The caller's own name of a contact.
    ContactId,
    "contact id"
);
callers_own!(
    /// The type of a broadcast (*Broadcast Type*), such as `emergency` or `general`.
    Kind,
    "kind of broadcast"
);
callers_own!(
    /// The configured name of one account at a provider. Never renamed: keys are derived from it.
    Endpoint,
    "endpoint"
);

impl Kind {
    /// Whether this is `emergency`, which no automatic block ever covers.
    pub fn is_emergency(&self) -> bool {
        self.as_str() == "emergency"
    }
}

impl Endpoint {
    /// The endpoint of the RFC 5322 Message-ID that we gave.
    pub fn message_id() -> Self {
        Self("message-id".into())
    }
}

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// The id that these bytes are.
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(Uuid::from_bytes(bytes))
            }

            /// Its 16 bytes.
            pub const fn as_bytes(&self) -> &[u8; 16] {
                self.0.as_bytes()
            }
        }

        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                Uuid::try_parse(text).map(Self).map_err(|_| IdError::Malformed { what: $what })
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }
    };
}

uuid_id!(
    /// One contact's one address in one broadcast: one row of the Email Log.
    DeliveryId,
    "delivery id"
);
uuid_id!(
    /// The id of a fact, derived from the fact, so that a fact brought twice is one event.
    EventId,
    "event id"
);

/// What a delivery goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Destination<'a> {
    /// A valid address.
    Address(&'a EmailAddress),
    /// A text that is no address.
    Unparsed(&'a str),
    /// The contact has no address for this kind of broadcast.
    None,
}

impl DeliveryId {
    /// The delivery of this contact and destination in this broadcast.
    ///
    /// ```
    /// use mailtrail_core::id::{BroadcastId, ContactId, DeliveryId, Destination, Namespace};
    /// let namespace = Namespace::from_random([7; 16]);
    /// let (broadcast, contact) = (BroadcastId::new("snow-day")?, ContactId::new("c1")?);
    /// let a = "ann@a.example".parse().unwrap();
    /// let b = "ANN@A.example".parse().unwrap();
    /// let id = |address| DeliveryId::derive(&namespace, &broadcast, &contact, Destination::Address(address));
    /// assert_eq!(id(&a), id(&b));                              // the same row
    /// # Ok::<(), mailtrail_core::id::IdError>(())
    /// ```
    pub fn derive(
        namespace: &Namespace,
        broadcast: &BroadcastId,
        contact: &ContactId,
        destination: Destination<'_>,
    ) -> Self {
        let (tag, text) = match destination {
            Destination::Address(address) => ("address", address.normal()),
            Destination::Unparsed(text) => ("unparsed", text),
            Destination::None => ("none", ""),
        };
        let broadcast = broadcast.as_str().as_bytes();
        let contact = contact.as_str().as_bytes();
        let tuple = [b"delivery".as_slice(), broadcast, contact, tag.as_bytes(), text.as_bytes()];
        Self(namespace.derive(&tuple))
    }
}

/// What an [`EventId`] is derived from: the fact itself, never what a reader made of it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Identity {
    /// An element of a provider's request.
    Webhook {
        /// The endpoint that received it.
        endpoint: Endpoint,
        /// The provider's stable event id, else the element in canonical JSON without the fields
        /// that change from attempt to attempt.
        element: Box<str>,
        /// The provider's own name of the event.
        event: Box<str>,
        /// The recipient, or "".
        recipient: Box<str>,
    },
    /// A mail that came back.
    Mail {
        /// The report's own Message-ID, or "".
        message_id: Box<str>,
        /// The report's Date as written, or "".
        date: Box<str>,
        /// SHA-256 of its body with LF line ends and without trailing blank lines.
        body: [u8; 32],
        /// As written, without brackets, case-folded, or "".
        recipient: Box<str>,
        /// Counts equal recipients of one report.
        index: u32,
    },
    /// A line of a mail server's log.
    Log {
        /// The line without its syslog prefix.
        line: Box<str>,
        /// The host that wrote it.
        host: Box<str>,
        /// Its time as written.
        time: Box<str>,
    },
    /// The creation of a broadcast.
    Created(BroadcastId),
    /// The end of a broadcast.
    Closed(BroadcastId),
    /// The planning of a delivery.
    Plan(DeliveryId),
    /// The claim of an address by a delivery.
    Claim(DeliveryId),
    /// The suppression of a delivery by the sender.
    Suppressed(DeliveryId),
    /// A newer reading of an event.
    Reread {
        /// The event that is read again.
        event: EventId,
        /// The digest of the rules that read it.
        rules_digest: Box<str>,
    },
    /// An event read later from what was kept unread.
    Unread {
        /// The `Custom` that kept it.
        event: EventId,
        /// Which of the events found in it.
        index: u32,
    },
    /// The verdict on a hit.
    Verdict(EventId),
    /// An automatic block.
    Block {
        /// What caused it.
        cause: EventId,
        /// What it covers.
        scope: Scope,
    },
    /// Something that Mailtrail itself observed: its id is chosen when it is observed.
    Observed(EventId),
}

impl Identity {
    /// The id of the event, which is the same whenever the same fact is brought.
    pub fn event_id(&self, namespace: &Namespace) -> EventId {
        let derive = |tuple: &[&[u8]]| EventId(namespace.derive(tuple));
        match self {
            Self::Webhook { endpoint, element, event, recipient } => derive(&[
                b"webhook",
                endpoint.as_str().as_bytes(),
                element.as_bytes(),
                event.as_bytes(),
                recipient.as_bytes(),
            ]),
            Self::Mail { message_id, date, body, recipient, index } => derive(&[
                b"mail",
                message_id.as_bytes(),
                date.as_bytes(),
                body,
                recipient.as_bytes(),
                &index.to_be_bytes(),
            ]),
            Self::Log { line, host, time } => {
                derive(&[b"log", line.as_bytes(), host.as_bytes(), time.as_bytes()])
            }
            Self::Created(broadcast) => derive(&[b"created", broadcast.as_str().as_bytes()]),
            Self::Closed(broadcast) => derive(&[b"closed", broadcast.as_str().as_bytes()]),
            Self::Plan(delivery) => derive(&[b"plan", delivery.as_bytes()]),
            Self::Claim(delivery) => derive(&[b"claim", delivery.as_bytes()]),
            Self::Suppressed(delivery) => derive(&[b"suppressed", delivery.as_bytes()]),
            Self::Reread { event, rules_digest } => {
                derive(&[b"reread", event.as_bytes(), rules_digest.as_bytes()])
            }
            Self::Unread { event, index } => {
                derive(&[b"unread", event.as_bytes(), &index.to_be_bytes()])
            }
            Self::Verdict(hit) => derive(&[b"verdict", hit.as_bytes()]),
            Self::Block { cause, scope } => derive(&[
                b"block",
                cause.as_bytes(),
                scope.tag().as_bytes(),
                scope.kind_text().as_bytes(),
            ]),
            Self::Observed(id) => *id,
        }
    }
}

impl EventId {
    /// A fresh id (UUIDv7) for what Mailtrail itself observes; the caller brings time and randomness.
    pub fn observed(now: DateTime<Utc>, random: [u8; 10]) -> Self {
        let millis = u64::try_from(now.timestamp_millis()).unwrap_or(0);
        Self(uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid())
    }
}

/// The kind of a stream: 1 to 15 lower-case ASCII letters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Category([u8; 15]);

impl Category {
    /// Events of one broadcast.
    pub const BROADCAST: Self = Self::known(b"broadcast");
    /// Events of one delivery.
    pub const DELIVERY: Self = Self::known(b"delivery");
    /// Feedback that names an endpoint, a message id and one recipient.
    pub const KEY: Self = Self::known(b"key");
    /// Feedback that names a message but nobody of its recipients.
    pub const MESSAGE: Self = Self::known(b"message");
    /// Who has an address in a broadcast.
    pub const CLAIM: Self = Self::known(b"claim");
    /// The blocked-list entries of one address.
    pub const ADDRESS: Self = Self::known(b"address");

    /// A category of an integrator's own.
    ///
    /// # Errors
    /// [`IdError::Malformed`] unless it is 1 to 15 lower-case ASCII letters.
    pub fn new(name: &str) -> Result<Self, IdError> {
        let malformed = IdError::Malformed { what: "stream category (1 to 15 letters a-z)" };
        if name.is_empty() || !name.bytes().all(|b| b.is_ascii_lowercase()) {
            return Err(malformed);
        }
        let mut bytes = [0; 15];
        bytes.get_mut(..name.len()).ok_or(malformed)?.copy_from_slice(name.as_bytes());
        Ok(Self(bytes))
    }

    /// Its name.
    pub fn as_str(&self) -> &str {
        let name = self.0.split(|b| *b == 0).next().unwrap_or_default();
        std::str::from_utf8(name).unwrap_or_default()
    }

    #[expect(
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        reason = "evaluated at compile time"
    )]
    const fn known<const N: usize>(name: &[u8; N]) -> Self {
        let mut bytes = [0; 15];
        let mut i = 0;
        while i < N {
            bytes[i] = name[i];
            i += 1;
        }
        Self(bytes)
    }
}

impl fmt::Display for Category {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Category {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Category({})", self.as_str())
    }
}

/// The name of a stream: a category and a derived id, such as `delivery/9f…`. Holds nobody's data.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "Cow<'_, str>", into = "String")]
pub struct StreamId {
    category: Category,
    id: Uuid,
}

impl StreamId {
    /// The stream of this category and id.
    pub const fn from_parts(category: Category, id: [u8; 16]) -> Self {
        Self { category, id: Uuid::from_bytes(id) }
    }

    /// The stream of a broadcast.
    pub fn broadcast(namespace: &Namespace, broadcast: &BroadcastId) -> Self {
        let id = namespace.derive(&[b"broadcast", broadcast.as_str().as_bytes()]);
        Self { category: Category::BROADCAST, id }
    }

    /// The stream of a delivery: its own id, which is derived already.
    pub fn delivery(delivery: DeliveryId) -> Self {
        Self { category: Category::DELIVERY, id: delivery.0 }
    }

    /// The stream of feedback that names this key.
    pub fn key(namespace: &Namespace, key: &CorrelationKey) -> Self {
        let endpoint = key.endpoint().as_str().as_bytes();
        let (message_id, recipient) = (key.message_id().as_bytes(), key.recipient().as_bytes());
        let id = namespace.derive(&[b"key", endpoint, message_id, recipient]);
        Self { category: Category::KEY, id }
    }

    /// The stream of feedback that names this message, but nobody of its recipients.
    pub fn message(namespace: &Namespace, endpoint: &Endpoint, message_id: &str) -> Self {
        let id =
            namespace.derive(&[b"message", endpoint.as_str().as_bytes(), message_id.as_bytes()]);
        Self { category: Category::MESSAGE, id }
    }

    /// The stream that says who has an address in a broadcast.
    pub fn claim(namespace: &Namespace, broadcast: &BroadcastId, address: &EmailAddress) -> Self {
        let broadcast = broadcast.as_str().as_bytes();
        let id = namespace.derive(&[b"claim", broadcast, address.normal().as_bytes()]);
        Self { category: Category::CLAIM, id }
    }

    /// The stream of the blocked-list entries of an address.
    pub fn address(namespace: &Namespace, address: &EmailAddress) -> Self {
        let id = namespace.derive(&[b"address", address.normal().as_bytes()]);
        Self { category: Category::ADDRESS, id }
    }

    /// Its category.
    pub fn category(&self) -> Category {
        self.category
    }

    /// Its id.
    pub fn id(&self) -> &[u8; 16] {
        self.id.as_bytes()
    }

    /// The delivery, if this is a delivery's stream.
    pub fn as_delivery(&self) -> Option<DeliveryId> {
        (self.category == Category::DELIVERY).then_some(DeliveryId(self.id))
    }
}

/// By the id alone: it is a hash already, and ids of two categories hardly ever meet.
impl Hash for StreamId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.id.as_u64_pair().0);
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.category, self.id)
    }
}

impl fmt::Debug for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StreamId({self})")
    }
}

impl FromStr for StreamId {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        let malformed = IdError::Malformed { what: "stream (category/uuid)" };
        let (category, id) = text.split_once('/').ok_or_else(|| malformed.clone())?;
        let id = Uuid::try_parse(id).map_err(|_| malformed)?;
        Ok(Self { category: Category::new(category)?, id })
    }
}

impl TryFrom<Cow<'_, str>> for StreamId {
    type Error = IdError;
    fn try_from(text: Cow<'_, str>) -> Result<Self, IdError> {
        text.parse()
    }
}

impl From<StreamId> for String {
    fn from(stream: StreamId) -> Self {
        stream.to_string()
    }
}
