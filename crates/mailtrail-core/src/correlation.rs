//! How feedback names the delivery that it speaks of.

use serde::{Deserialize, Serialize};

use crate::address::normal_or_folded;
use crate::id::{DeliveryId, Endpoint, Namespace, StreamId};
use crate::token::SeenIn;

/// What a provider or an MTA calls one message to one recipient: endpoint, message id, recipient.
///
/// ```
/// use mailtrail_core::correlation::CorrelationKey;
/// use mailtrail_core::id::Endpoint;
/// let key = |id, to| CorrelationKey::new(Endpoint::message_id(), id, to);
/// assert_eq!(key("<1@x.example>", "Ann@X.example"), key("1@x.example", "<ann@x.example>"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CorrelationKey {
    endpoint: Endpoint,
    message_id: Box<str>,
    recipient: Box<str>,
}

impl CorrelationKey {
    /// A key. The message id is taken without angle brackets, the recipient in normal form.
    pub fn new(endpoint: Endpoint, message_id: &str, recipient: &str) -> Self {
        Self {
            endpoint,
            message_id: bare_message_id(message_id).into(),
            recipient: normal_or_folded(recipient).into(),
        }
    }

    /// Another name of the same message to the same recipient.
    pub fn also(&self, endpoint: Endpoint, message_id: &str) -> Self {
        let (message_id, recipient) = (bare_message_id(message_id).into(), self.recipient.clone());
        Self { endpoint, message_id, recipient }
    }

    /// The account that gave the message id.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// The message id without angle brackets.
    pub fn message_id(&self) -> &str {
        &self.message_id
    }

    /// The recipient in normal form.
    pub fn recipient(&self) -> &str {
        &self.recipient
    }
}

/// How a fact names what it is about, as found in the request alone.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Correlation {
    /// A valid token of ours.
    Token {
        /// The delivery that it was made for.
        delivery: DeliveryId,
        /// The key that verified it.
        key_id: u8,
        /// Where it was seen.
        seen_in: SeenIn,
    },
    /// A message id and the one recipient that the request names.
    Key(CorrelationKey),
    /// A message id without a recipient.
    Message {
        /// The account that gave it.
        endpoint: Endpoint,
        /// The id without angle brackets.
        message_id: Box<str>,
    },
}

impl Correlation {
    /// By a message id alone.
    pub fn message(endpoint: Endpoint, message_id: &str) -> Self {
        Self::Message { endpoint, message_id: bare_message_id(message_id).into() }
    }

    /// The stream that the fact belongs to: a function of the request alone.
    pub fn stream(&self, namespace: &Namespace) -> StreamId {
        match self {
            Self::Token { delivery, .. } => StreamId::delivery(*delivery),
            Self::Key(key) => StreamId::key(namespace, key),
            Self::Message { endpoint, message_id } => {
                StreamId::message(namespace, endpoint, message_id)
            }
        }
    }
}

/// Whose the fact is, as the request says. Part of the fact: never guessed, never changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::exhaustive_enums, reason = "the design names all three")]
pub enum Attribution {
    /// One delivery, by a token or because we saw it ourselves.
    #[default]
    Delivery,
    /// One recipient of a message.
    Recipient,
    /// A message with perhaps several recipients: raises nobody's status.
    Message,
}

fn bare_message_id(text: &str) -> &str {
    let text = text.trim();
    text.strip_prefix('<').and_then(|t| t.strip_suffix('>')).unwrap_or(text)
}
