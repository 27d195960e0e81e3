//! Events: what happened, with its metadata, and the JSON in which it is stored.

mod canonical;
mod common;
mod envelope;
mod fact;
mod json;
mod kinds;
mod provenance;
mod raw_hash;
mod source;

pub use envelope::{ChainHash, Envelope, EventType, NewEvent, Origin, Salt};
pub use fact::{DecodeError, EncodeError, Event, Fact};
pub use json::{EnvelopeLine, LineError};
pub use kinds::{
    AddressBlocked, AddressClaimed, AddressUnblocked, Agent, Attempted, AutoReplied, BlockCause,
    Bounced, BroadcastClosed, BroadcastCreated, Clicked, Complained, ConfirmedBy, Custom, Deferred,
    Delivered, Duplicated, Encryption, Hit, HitKind, Malformed, NotSelected, Opened, Private,
    Queued, Reading, Reclassified, Resubscribed, Row, Said, Sent, SentStage, Stage, Suppressed,
    SuppressedBy, Transcript, Unsubscribed, UnsubscribedHow,
};
pub use provenance::{Authenticity, Provenance};
pub use raw_hash::RawHash;
pub use source::Source;
