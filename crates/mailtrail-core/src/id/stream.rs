//! The names of streams.

use std::borrow::Cow;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{BroadcastId, DeliveryId, Endpoint, IdError, Namespace};
use crate::address::EmailAddress;
use crate::correlation::CorrelationKey;

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
        Self::from_ascii(name.as_bytes()).ok_or(malformed)
    }

    /// Of a stored name.
    pub(crate) fn from_ascii(name: &[u8]) -> Option<Self> {
        if name.is_empty() || !name.iter().all(u8::is_ascii_lowercase) {
            return None;
        }
        let mut bytes = [0; 15];
        bytes.get_mut(..name.len())?.copy_from_slice(name);
        Some(Self(bytes))
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

    /// Its bytes: the category, filled up with zeros, then the id.
    pub fn to_bytes(&self) -> [u8; 31] {
        let mut bytes = [0; 31];
        let from = self.category.0.iter().chain(self.id.as_bytes());
        bytes.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
        bytes
    }

    /// The stream of such bytes; `None` if they are none.
    pub fn from_bytes(bytes: &[u8; 31]) -> Option<Self> {
        let (category, id) = bytes.split_first_chunk::<15>()?;
        let name = category.split(|byte| *byte == 0).next()?;
        let category = Category::new(std::str::from_utf8(name).ok()?).ok()?;
        Some(Self { category, id: Uuid::from_bytes(id.try_into().ok()?) })
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
