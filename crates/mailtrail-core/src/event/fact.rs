//! A fact: an event with its attribution; its floor; its JSON form.

use super::canonical;
use super::common::Common;
use super::envelope::EventType;
use super::kinds::{
    AddressBlocked, AddressClaimed, AddressUnblocked, Agent, Attempted, AutoReplied, Bounced,
    BroadcastClosed, BroadcastCreated, Clicked, Complained, Custom, Deferred, Delivered,
    Duplicated, Hit, Malformed, NotSelected, Opened, Private, Queued, Reading, Reclassified,
    Resubscribed, Row, Sent, Suppressed, Unsubscribed, UnsubscribedHow,
};
use super::raw_hash::RawHash;
use crate::correlation::Attribution;
use crate::id::StreamId;
use crate::status::Status;

macro_rules! events {
    ($($(#[$doc:meta])* $variant:ident $name:literal)*) => {
        /// What happened.
        #[derive(Debug, Clone, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum Event {
            $($(#[$doc])* $variant($variant),)*
        }

        impl Event {
            /// The names of all types.
            pub const TYPES: &'static [&'static str] = &[$($name,)*];

            /// Its type's name in JSON.
            pub fn type_name(&self) -> &'static str {
                match self { $(Self::$variant(_) => $name,)* }
            }

            fn to_json(&self, common: &Common) -> serde_json::Result<Vec<u8>> {
                match self { $(Self::$variant(payload) => common.encode(payload),)* }
            }

            fn from_json(name: &str, data: &str) -> Option<serde_json::Result<Self>> {
                match name {
                    $($name => Some(serde_json::from_str(data).map(Self::$variant)),)*
                    _ => None,
                }
            }

            /// The type's own static name, so that an envelope needs no copy of it.
            pub(super) fn static_name(name: &[u8]) -> Option<&'static str> {
                $(if name == $name.as_bytes() { return Some($name); })*
                None
            }
        }

        $(impl From<$variant> for Event {
            fn from(payload: $variant) -> Self {
                Self::$variant(payload)
            }
        })*
    };
}

events! {
    /// A broadcast exists.
    BroadcastCreated "broadcast_created"
    /// A broadcast gets no more rows.
    BroadcastClosed "broadcast_closed"
    /// Planned, waits to be sent.
    Queued "queued"
    /// Planned: no address for this type of broadcast.
    NotSelected "not_selected"
    /// Planned: another row has the address.
    Duplicated "duplicated"
    /// Kept back: the address is blocked.
    Suppressed "suppressed"
    /// Planned: not an address.
    Malformed "malformed"
    /// About to be handed over.
    Attempted "attempted"
    /// Someone took it.
    Sent "sent"
    /// An attempt failed; it is tried again.
    Deferred "deferred"
    /// Given up.
    Bounced "bounced"
    /// The recipient's server took it.
    Delivered "delivered"
    /// A request to our pixel or links.
    Hit "hit"
    /// Opened.
    Opened "opened"
    /// A link was followed.
    Clicked "clicked"
    /// The recipient complained.
    Complained "complained"
    /// The recipient wants no more.
    Unsubscribed "unsubscribed"
    /// The recipient wants it again.
    Resubscribed "resubscribed"
    /// An automatic answer came.
    AutoReplied "auto_replied"
    /// An event was read again.
    Reclassified "reclassified"
    /// Anything else.
    Custom "custom"
    /// A delivery has an address.
    AddressClaimed "address_claimed"
    /// An address was blocked.
    AddressBlocked "address_blocked"
    /// An address was unblocked.
    AddressUnblocked "address_unblocked"
}

impl Event {
    /// The row, if this is the planning event of one.
    pub fn row(&self) -> Option<&Row> {
        match self {
            Self::Queued(Queued { row })
            | Self::NotSelected(NotSelected { row, .. })
            | Self::Duplicated(Duplicated { row, .. })
            | Self::Malformed(Malformed { row, .. })
            | Self::Suppressed(Suppressed { row: Some(row), .. }) => Some(row),
            Self::Suppressed(_)
            | Self::BroadcastCreated(_)
            | Self::BroadcastClosed(_)
            | Self::Attempted(_)
            | Self::Sent(_)
            | Self::Deferred(_)
            | Self::Bounced(_)
            | Self::Delivered(_)
            | Self::Hit(_)
            | Self::Opened(_)
            | Self::Clicked(_)
            | Self::Complained(_)
            | Self::Unsubscribed(_)
            | Self::Resubscribed(_)
            | Self::AutoReplied(_)
            | Self::Reclassified(_)
            | Self::Custom(_)
            | Self::AddressClaimed(_)
            | Self::AddressBlocked(_)
            | Self::AddressUnblocked(_) => None,
        }
    }

    /// The least status of a delivery that holds this event, whatever else it holds.
    fn floor(&self) -> Option<Status> {
        match self {
            Self::Queued(_) => Some(Status::Unsent),
            Self::NotSelected(_) => Some(Status::NoEmailSelected),
            Self::Duplicated(_) => Some(Status::Duplicate),
            Self::Suppressed(_) => Some(Status::Blocked),
            Self::Malformed(_) => Some(Status::Failed),
            Self::Sent(_) => Some(Status::Sent),
            Self::Deferred(_) => Some(Status::SoftBounced),
            Self::Bounced(bounced) => Some(bounced.diagnosis.reason.final_status()),
            Self::Delivered(_) | Self::Complained(_) | Self::AutoReplied(_) => {
                Some(Status::Delivered)
            }
            Self::Opened(Opened { agent, .. }) | Self::Clicked(Clicked { agent, .. }) => {
                agent.floor()
            }
            Self::Unsubscribed(unsubscribed) => match unsubscribed.how {
                UnsubscribedHow::Page => Some(Status::Opened),
                UnsubscribedHow::OneClick | UnsubscribedHow::Provider => Some(Status::Delivered),
                UnsubscribedHow::ByOthers => None,
            },
            Self::Reclassified(reclassified) => reclassified.floor(),
            Self::BroadcastCreated(_)
            | Self::BroadcastClosed(_)
            | Self::Attempted(_)
            | Self::Hit(_)
            | Self::Resubscribed(_)
            | Self::Custom(_)
            | Self::AddressClaimed(_)
            | Self::AddressBlocked(_)
            | Self::AddressUnblocked(_) => None,
        }
    }
}

impl Agent {
    fn floor(self) -> Option<Status> {
        match self {
            Self::Human | Self::Unknown => Some(Status::Opened),
            Self::MailboxMachine => Some(Status::Delivered),
            Self::Scanner | Self::Foreign => None,
        }
    }
}

impl Reclassified {
    fn floor(&self) -> Option<Status> {
        match (&*self.of_type, self.reading) {
            ("deferred", Reading::Reason(_)) => Some(Status::SoftBounced),
            ("bounced", Reading::Reason(reason)) => Some(reason.final_status()),
            ("opened" | "clicked", Reading::Agent(agent)) => agent.floor(),
            _ => None,
        }
    }
}

/// An event, whose it is, and where its raw bytes are: all that `data` holds.
///
/// ```
/// use mailtrail_core::{Event, EventType, Fact};
/// use mailtrail_core::event::Bounced;
/// use mailtrail_core::reason::Reason;
/// let fact = Fact::new(Event::Bounced(Bounced::because(Reason::UserUnknown)));
/// let data = fact.encode()?;                                        // RFC 8785
/// assert_eq!(data, br#"{"diagnosis":{"fault":"unknown","reason":"user_unknown"}}"#);
/// assert_eq!(Fact::decode(&EventType::from("bounced"), 1, &data)?, fact);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Fact {
    /// What happened.
    pub event: Event,
    /// Whose it is.
    pub attribution: Attribution,
    /// The raw bytes that it was read from.
    pub raw: Option<RawHash>,
}

impl Fact {
    /// The schema that this version writes. It reads this one and older ones.
    pub const SCHEMA: u16 = 1;

    /// A fact about one delivery, without raw bytes.
    #[inline]
    pub fn new(event: Event) -> Self {
        Self { event, attribution: Attribution::Delivery, raw: None }
    }

    /// The same, attributed.
    #[inline]
    pub fn attributed(mut self, attribution: Attribution) -> Self {
        self.attribution = attribution;
        self
    }

    /// The least status of a delivery that holds this fact: a function of type and data alone.
    pub fn floor(&self) -> Option<Status> {
        match self.attribution {
            Attribution::Message => None,
            Attribution::Delivery | Attribution::Recipient => self.event.floor(),
        }
    }

    /// The streams of the keys by which feedback may name the delivery that holds this fact.
    pub fn keys(&self) -> &[StreamId] {
        match &self.event {
            Event::Attempted(event) => &event.keys,
            _ if self.floor().is_none() => &[],
            Event::Sent(event) => &event.keys,
            Event::Deferred(event) => &event.keys,
            Event::Bounced(event) => &event.keys,
            Event::Delivered(event) => &event.keys,
            Event::BroadcastCreated(_)
            | Event::BroadcastClosed(_)
            | Event::Queued(_)
            | Event::NotSelected(_)
            | Event::Duplicated(_)
            | Event::Suppressed(_)
            | Event::Malformed(_)
            | Event::Hit(_)
            | Event::Opened(_)
            | Event::Clicked(_)
            | Event::Complained(_)
            | Event::Unsubscribed(_)
            | Event::Resubscribed(_)
            | Event::AutoReplied(_)
            | Event::Reclassified(_)
            | Event::Custom(_)
            | Event::AddressClaimed(_)
            | Event::AddressBlocked(_)
            | Event::AddressUnblocked(_) => &[],
        }
    }

    /// The bytes of `data`: JSON in the form of RFC 8785.
    ///
    /// # Errors
    /// [`EncodeError`] if a number can't be written in that form; none of our events has such a one.
    pub fn encode(&self) -> Result<Vec<u8>, EncodeError> {
        let common = Common { attribution: self.attribution, raw: self.raw };
        self.event.to_json(&common).map_err(EncodeError::json)
    }

    /// Reads `data`.
    ///
    /// # Errors
    /// [`DecodeError`]: the type or schema is of a newer version or an integrator's own, or the
    /// bytes are not what the type says. Whoever folds counts such an event, and goes on.
    pub fn decode(event_type: &EventType, schema: u16, data: &[u8]) -> Result<Self, DecodeError> {
        if schema > Self::SCHEMA {
            return Err(DecodeError::NewerSchema { schema });
        }
        // Checked as a whole, that is faster than string by string.
        let text = match std::str::from_utf8(data) {
            Ok(text) => text,
            Err(_) if Event::static_name(event_type.as_str().as_bytes()).is_none() => {
                return Err(DecodeError::UnknownType);
            }
            Err(error) => return Err(DecodeError::Malformed(serde::de::Error::custom(error))),
        };
        let event = Event::from_json(event_type.as_str(), text)
            .ok_or(DecodeError::UnknownType)?
            .map_err(DecodeError::Malformed)?;
        let common = Common::decode(text).map_err(DecodeError::Malformed)?;
        Ok(Self { event, attribution: common.attribution, raw: common.raw })
    }
}

impl<E: Into<Event>> From<E> for Fact {
    fn from(event: E) -> Self {
        Self::new(event.into())
    }
}

impl Private {
    /// The bytes of `private`, in the form of RFC 8785; `None` if there is nothing to keep.
    ///
    /// # Errors
    /// [`EncodeError`] if a number of a custom event can't be written in that form.
    pub fn encode(&self) -> Result<Option<Vec<u8>>, EncodeError> {
        if self.is_empty() {
            return Ok(None);
        }
        canonical::to_vec(self).map(Some).map_err(EncodeError::json)
    }

    /// Reads `private`. What this version can't read is as if erased.
    pub fn decode(bytes: &[u8]) -> Self {
        serde_json::from_slice(bytes).unwrap_or_default()
    }
}

/// Why an event can't be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// It holds something that RFC 8785 can't express.
    #[error("the event can't be written as canonical JSON (RFC 8785)")]
    Json {
        /// What the JSON writer says.
        #[source]
        cause: serde_json::Error,
    },
}

impl EncodeError {
    fn json(cause: serde_json::Error) -> Self {
        Self::Json { cause }
    }
}

/// Why an event can't be read by this version.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// A newer version or an integrator wrote it.
    #[error("this version does not know the type of the event")]
    UnknownType,
    /// A newer version wrote it.
    #[error("schema {schema} of the event is newer than this version reads")]
    NewerSchema {
        /// The schema.
        schema: u16,
    },
    /// The bytes are not what the type says.
    #[error("the data of the event is not what its type says")]
    Malformed(#[source] serde_json::Error),
}
