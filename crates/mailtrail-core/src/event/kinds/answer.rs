//! What the recipient answered, and what was read again.

use serde::{Deserialize, Serialize};

use super::Agent;
use crate::id::EventId;
use crate::reason::Reason;

payload! {
    /// The recipient complained.
    Complained {
        /// The feedback type (RFC 5965 §7.3), such as `abuse`.
        #[serde(skip_serializing_if = "Option::is_none")]
        feedback_type: Option<Box<str>>,
    }
}

/// How someone unsubscribed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum UnsubscribedHow {
    /// On our page, which only someone who reads the message finds.
    Page,
    /// By the mailbox's button (RFC 8058).
    OneClick,
    /// By the provider's own means.
    Provider,
    /// Not by the recipient: an administrator, or the provider after a bounce or complaint.
    #[default]
    #[serde(other)]
    ByOthers,
}

payload! {
    /// The recipient wants no more of this.
    Unsubscribed {
        /// How.
        how: UnsubscribedHow,
        /// Of which list.
        #[serde(skip_serializing_if = "Option::is_none")]
        list: Option<Box<str>>,
    }
}

payload! {
    /// The recipient wants it again.
    Resubscribed {
        /// How.
        how: UnsubscribedHow,
        /// To which list.
        #[serde(skip_serializing_if = "Option::is_none")]
        list: Option<Box<str>>,
    }
}

payload! {
    /// An automatic answer came: the message was delivered.
    AutoReplied {
        /// Whether it says that the person has moved; [`Private::new_address`](crate::event::Private::new_address) may say where.
        address_change: bool,
    }
}

/// A newer reading of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Reading {
    /// Of a failure.
    Reason(Reason),
    /// Of an open or click.
    Agent(Agent),
}

/// An event was read again, by newer rules. Its first reading stays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Reclassified {
    /// The event.
    pub of: EventId,
    /// Its type.
    pub of_type: Box<str>,
    /// The new reading.
    pub reading: Reading,
    /// Grows with every release of our rules.
    pub rules_sequence: u64,
    /// The digest of the rules.
    pub rules_digest: Box<str>,
}

impl Reclassified {
    /// A reading of this event by these rules.
    pub fn new(
        of: EventId,
        of_type: impl Into<Box<str>>,
        reading: Reading,
        rules_sequence: u64,
        rules_digest: impl Into<Box<str>>,
    ) -> Self {
        let (of_type, rules_digest) = (of_type.into(), rules_digest.into());
        Self { of, of_type, reading, rules_sequence, rules_digest }
    }
}

payload! {
    /// Anything else: kept, and raises nothing. Its JSON is in [`Private::custom`](crate::event::Private::custom).
    Custom {
        /// Its type, in the words of its source.
        custom_type: Box<str>,
    }
}
