//! Who opened it, and who followed a link.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::id::EventId;

/// What was requested of us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum HitKind {
    /// The tracking pixel.
    Pixel,
    /// A tracked link.
    Link,
    /// Something that this version doesn't know.
    #[default]
    #[serde(other)]
    Other,
}

payload! {
    /// A request to our pixel or links. Who made it is decided by a verdict, later.
    Hit {
        /// What was requested.
        hit: HitKind,
        /// The link, for a link.
        #[serde(skip_serializing_if = "Option::is_none")]
        link: Option<Box<str>>,
        /// Whether the token in the URL was signed by a retired key.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        retired_key: bool,
    }
}

/// Who opened or clicked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[non_exhaustive]
pub enum Agent {
    /// A person.
    Human,
    /// The mailbox's provider fetched it: proof of delivery, not of reading.
    MailboxMachine,
    /// A gateway looks before it accepts, and may still refuse: proof of nothing.
    Scanner,
    /// Nobody can tell: counts as a person, and says so.
    #[default]
    Unknown,
    /// An agent of a newer version: raises nothing, and is counted.
    Foreign,
}

impl Agent {
    /// Its name in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Human => "human",
            Self::MailboxMachine => "mailbox_machine",
            Self::Scanner => "scanner",
            Self::Unknown => "unknown",
            Self::Foreign => "foreign",
        }
    }

    /// By whom, for people.
    ///
    /// ```
    /// assert_eq!(mailtrail_core::event::Agent::Human.words(), "by a person");
    /// ```
    pub fn words(self) -> &'static str {
        match self {
            Self::Human => "by a person",
            Self::MailboxMachine => "by a machine of the mailbox's provider",
            Self::Scanner => "by a scanner",
            Self::Unknown | Self::Foreign => "nobody can tell by whom",
        }
    }
}

impl Serialize for Agent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Agent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match &*Cow::<str>::deserialize(deserializer)? {
            "human" => Self::Human,
            "mailbox_machine" => Self::MailboxMachine,
            "scanner" => Self::Scanner,
            "unknown" => Self::Unknown,
            _ => Self::Foreign,
        })
    }
}

payload! {
    /// The message was opened.
    Opened {
        /// By whom.
        agent: Agent,
        /// The rule that said so.
        #[serde(skip_serializing_if = "Option::is_none")]
        rule: Option<Box<str>>,
        /// The hit that this is the verdict on.
        #[serde(skip_serializing_if = "Option::is_none")]
        hit: Option<EventId>,
    }
}

payload! {
    /// A link of the message was followed.
    Clicked {
        /// By whom.
        agent: Agent,
        /// The rule that said so.
        #[serde(skip_serializing_if = "Option::is_none")]
        rule: Option<Box<str>>,
        /// The hit that this is the verdict on.
        #[serde(skip_serializing_if = "Option::is_none")]
        hit: Option<EventId>,
        /// The link.
        #[serde(skip_serializing_if = "Option::is_none")]
        link: Option<Box<str>>,
    }
}
