//! Every id, and how it is derived.
//!
//! A derived id is `UUIDv5(namespace, SHA-256(tuple))`. In the tuple each element is preceded by its
//! length in bytes (4 bytes, big endian); the first element names the kind of id. A UUID inside a
//! tuple is its 16 bytes. `docs/format.md` holds the tuples, `tests/golden/ids.json` their vectors.

mod identity;
mod stream;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::address::EmailAddress;

pub use identity::Identity;
pub use stream::{Category, StreamId};

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
        pub struct $name(Arc<str>);

        impl $name {
            /// Takes the caller's text: 1 to 200 bytes, no control characters. Clones share it.
            ///
            /// # Errors
            /// [`IdError`] says which of these rules the text breaks.
            pub fn new(text: impl Into<Box<str>>) -> Result<Self, IdError> {
                let text = text.into();
                check(&text, $what)?;
                Ok(Self(text.into()))
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
                (&*id.0).into()
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

impl EventId {
    /// A fresh id (UUIDv7) for what Mailtrail itself observes; the caller brings time and randomness.
    pub fn observed(now: DateTime<Utc>, random: [u8; 10]) -> Self {
        let millis = u64::try_from(now.timestamp_millis()).unwrap_or(0);
        Self(uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid())
    }
}
