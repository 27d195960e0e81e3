//! What each event says: the facts that go into `data`, and the personal part.

use std::borrow::Cow;
use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use crate::diagnosis::{Diagnosis, EnhancedCode, ReplyCode};
use crate::id::{BroadcastId, ContactId, DeliveryId, EventId, Kind, StreamId};
use crate::reason::Reason;
use crate::suppression::Scope;

macro_rules! payload {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
        #[serde(default)]
        #[non_exhaustive]
        pub struct $name { $($(#[$field_doc])* pub $field: $type,)* }
    };
}

/// The facts of one row of the Email Log. Its person is in [`Private`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Row {
    /// The delivery.
    pub delivery: DeliveryId,
    /// The broadcast.
    pub broadcast: BroadcastId,
    /// The contact.
    pub contact: ContactId,
    /// The broadcast's type.
    pub kind: Kind,
    /// The From address of the broadcast.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Box<str>>,
    /// The contact's time zone (IANA name).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<Box<str>>,
}

impl Row {
    /// A row without From and time zone.
    pub fn new(
        delivery: DeliveryId,
        broadcast: BroadcastId,
        contact: ContactId,
        kind: Kind,
    ) -> Self {
        Self { delivery, broadcast, contact, kind, from: None, time_zone: None }
    }
}

/// A broadcast exists.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct BroadcastCreated {
    /// The broadcast.
    pub broadcast: BroadcastId,
    /// Its type.
    pub kind: Kind,
    /// Its From address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Box<str>>,
    /// The broadcast that it sends again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub follows: Option<BroadcastId>,
}

impl BroadcastCreated {
    /// A broadcast of a kind.
    pub fn new(broadcast: BroadcastId, kind: Kind) -> Self {
        Self { broadcast, kind, from: None, follows: None }
    }
}

/// A broadcast gets no more rows. Feedback goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct BroadcastClosed {
    /// The broadcast.
    pub broadcast: BroadcastId,
}

impl BroadcastClosed {
    /// The end of this broadcast.
    pub fn new(broadcast: BroadcastId) -> Self {
        Self { broadcast }
    }
}

/// A row is planned and waits to be sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Queued {
    /// The row.
    pub row: Row,
}

impl Queued {
    /// The planning of this row.
    pub fn new(row: Row) -> Self {
        Self { row }
    }
}

/// The contact has no address associated with this type of broadcast.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct NotSelected {
    /// The row.
    pub row: Row,
    /// How many addresses of other types the contact has.
    #[serde(default)]
    pub addresses: u32,
}

impl NotSelected {
    /// The planning of this row.
    pub fn new(row: Row, addresses: u32) -> Self {
        Self { row, addresses }
    }
}

/// Another row of the broadcast has the address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Duplicated {
    /// The row.
    pub row: Row,
    /// The delivery that has the address.
    pub of: DeliveryId,
}

impl Duplicated {
    /// The planning of this row.
    pub fn new(row: Row, of: DeliveryId) -> Self {
        Self { row, of }
    }
}

/// The text is not an address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Malformed {
    /// The row.
    pub row: Row,
    /// Always `bad_address_syntax`.
    pub reason: Reason,
}

impl Malformed {
    /// The planning of this row.
    pub fn new(row: Row) -> Self {
        Self { row, reason: Reason::BadAddressSyntax }
    }
}

/// Who kept a delivery from being sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SuppressedBy {
    /// Planning found the address on the blocked list.
    Planner,
    /// The sender did, later.
    #[default]
    Sender,
    /// The provider refused this message because of its own list.
    Provider,
}

/// Why an address is blocked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum BlockCause {
    /// A person decided it.
    Manual,
    /// The recipient complained.
    Complaint,
    /// The recipient unsubscribed.
    Unsubscribe,
    /// The provider's own list has it.
    ProviderList,
    /// Something that this version doesn't know.
    #[default]
    #[serde(other)]
    Other,
}

impl BlockCause {
    /// Why, in the middle of a sentence.
    pub fn words(self) -> &'static str {
        match self {
            Self::Manual => "someone blocked it by hand",
            Self::Complaint => "the recipient complained about an earlier message",
            Self::Unsubscribe => "the recipient unsubscribed",
            Self::ProviderList => "the provider has it on its own list",
            Self::Other => "no cause is known",
        }
    }
}

payload! {
    /// A delivery was kept back because the address is blocked.
    Suppressed {
        /// By whom.
        by: SuppressedBy,
        /// The row, if this is its planning.
        #[serde(skip_serializing_if = "Option::is_none")]
        row: Option<Row>,
        /// Why the address is blocked.
        cause: BlockCause,
        /// Since when.
        #[serde(skip_serializing_if = "Option::is_none")]
        since: Option<DateTime<Utc>>,
        /// What the block covers.
        #[serde(skip_serializing_if = "Option::is_none")]
        scope: Option<Scope>,
        /// What the provider stated.
        #[serde(skip_serializing_if = "Option::is_none")]
        diagnosis: Option<Diagnosis>,
    }
}

payload! {
    /// We are about to hand the message over. Without an outcome the attempt is in doubt.
    Attempted {
        /// Which attempt, from 1.
        attempt: u32,
        /// The host that we talk to.
        #[serde(skip_serializing_if = "Option::is_none")]
        host: Option<Box<str>>,
        /// The Message-ID that we gave, without angle brackets.
        #[serde(skip_serializing_if = "Option::is_none")]
        message_id: Option<Box<str>>,
        /// The streams of the keys by which feedback may name this delivery.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        keys: Vec<StreamId>,
    }
}

/// How far a message got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SentStage {
    /// A relay or provider took it.
    #[default]
    Accepted,
    /// It was handed to a system that gives no confirmation of the mailbox.
    HandedOver,
}

payload! {
    /// Someone took the message.
    Sent {
        /// How far it got.
        stage: SentStage,
        /// Our attempt, if it was ours.
        #[serde(skip_serializing_if = "Option::is_none")]
        attempt: Option<u32>,
        /// The streams of the keys by which feedback may name this delivery.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        keys: Vec<StreamId>,
        /// Who took it.
        #[serde(skip_serializing_if = "Option::is_none")]
        host: Option<Box<str>>,
        /// Its reply.
        #[serde(skip_serializing_if = "Option::is_none")]
        reply_code: Option<ReplyCode>,
        /// Its enhanced code.
        #[serde(skip_serializing_if = "Option::is_none")]
        enhanced_code: Option<EnhancedCode>,
        /// What it calls the message.
        #[serde(skip_serializing_if = "Option::is_none")]
        queue_id: Option<Box<str>>,
    }
}

payload! {
    /// An attempt failed, and whoever made it will try again.
    Deferred {
        /// What was stated.
        diagnosis: Diagnosis,
        /// Which attempt it was.
        #[serde(skip_serializing_if = "Option::is_none")]
        attempt: Option<u32>,
        /// When the next one is.
        #[serde(skip_serializing_if = "Option::is_none")]
        next_attempt: Option<DateTime<Utc>>,
        /// The streams of the keys by which feedback may name this delivery.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        keys: Vec<StreamId>,
    }
}

impl Deferred {
    /// A deferral of which only the reason is known.
    pub fn because(reason: Reason) -> Self {
        Self { diagnosis: Diagnosis::because(reason), ..Self::default() }
    }
}

payload! {
    /// Given up.
    Bounced {
        /// What was stated.
        diagnosis: Diagnosis,
        /// Our attempt, if it was ours.
        #[serde(skip_serializing_if = "Option::is_none")]
        attempt: Option<u32>,
        /// The streams of the keys by which feedback may name this delivery.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        keys: Vec<StreamId>,
    }
}

impl Bounced {
    /// A bounce of which only the reason is known.
    pub fn because(reason: Reason) -> Self {
        Self { diagnosis: Diagnosis::because(reason), ..Self::default() }
    }
}

/// Who confirmed a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ConfirmedBy {
    /// The recipient's own server, to us.
    Mx,
    /// A delivery report (RFC 3464).
    Dsn,
    /// The provider.
    Provider,
    /// Something that this version doesn't know.
    #[default]
    #[serde(other)]
    Other,
}

payload! {
    /// The recipient's server took the message.
    Delivered {
        /// Who says so.
        confirmed_by: ConfirmedBy,
        /// Our attempt, if it was ours.
        #[serde(skip_serializing_if = "Option::is_none")]
        attempt: Option<u32>,
        /// The server.
        #[serde(skip_serializing_if = "Option::is_none")]
        host: Option<Box<str>>,
        /// Its reply.
        #[serde(skip_serializing_if = "Option::is_none")]
        reply_code: Option<ReplyCode>,
        /// Its enhanced code.
        #[serde(skip_serializing_if = "Option::is_none")]
        enhanced_code: Option<EnhancedCode>,
        /// The streams of the keys by which feedback may name this delivery.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        keys: Vec<StreamId>,
    }
}

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
        /// Whether it says that the person has moved; [`Private::new_address`] may say where.
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
    /// Anything else: kept, and raises nothing. Its JSON is in [`Private::custom`].
    Custom {
        /// Its type, in the words of its source.
        custom_type: Box<str>,
    }
}

/// A delivery has an address in its broadcast: at most one ever does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct AddressClaimed {
    /// The delivery.
    pub delivery: DeliveryId,
}

impl AddressClaimed {
    /// By this delivery.
    pub fn new(delivery: DeliveryId) -> Self {
        Self { delivery }
    }
}

/// An address was put on the blocked list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct AddressBlocked {
    /// What it covers.
    pub scope: Scope,
    /// Why.
    pub cause: BlockCause,
}

impl AddressBlocked {
    /// A block of this scope for this cause.
    pub fn new(scope: Scope, cause: BlockCause) -> Self {
        Self { scope, cause }
    }
}

/// An address was taken off the blocked list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct AddressUnblocked {
    /// What it covers: another scope's block stays.
    pub scope: Scope,
}

impl AddressUnblocked {
    /// The end of the block of this scope.
    pub fn new(scope: Scope) -> Self {
        Self { scope }
    }
}

payload! {
    /// What identifies a person, kept apart so that it can be erased while facts and sums stay.
    Private {
        /// The address as given.
        #[serde(skip_serializing_if = "Option::is_none")]
        address: Option<Box<str>>,
        /// Its normal form.
        #[serde(skip_serializing_if = "Option::is_none")]
        normal_address: Option<Box<str>>,
        /// Other addresses of the contact.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        other_addresses: Vec<Box<str>>,
        /// The contact's name as given.
        #[serde(skip_serializing_if = "Option::is_none")]
        name: Option<Box<str>>,
        /// The subject line.
        #[serde(skip_serializing_if = "Option::is_none")]
        subject: Option<Box<str>>,
        /// The labels of the row.
        #[serde(skip_serializing_if = "BTreeMap::is_empty")]
        labels: BTreeMap<String, String>,
        /// The text of others: a reply, a diagnostic text, a note.
        #[serde(skip_serializing_if = "Option::is_none")]
        text: Option<Box<str>>,
        /// The recipient that the feedback names, as written.
        #[serde(skip_serializing_if = "Option::is_none")]
        recipient: Option<Box<str>>,
        /// The peer's IP address.
        #[serde(skip_serializing_if = "Option::is_none")]
        ip: Option<Box<str>>,
        /// The user agent.
        #[serde(skip_serializing_if = "Option::is_none")]
        user_agent: Option<Box<str>>,
        /// The address that an auto-reply names.
        #[serde(skip_serializing_if = "Option::is_none")]
        new_address: Option<Box<str>>,
        /// The claimed time as written, if it can't be one.
        #[serde(skip_serializing_if = "Option::is_none")]
        occurred_at_text: Option<Box<str>>,
        /// What a `Custom` event holds.
        #[serde(skip_serializing_if = "Option::is_none")]
        custom: Option<Value>,
    }
}

impl Private {
    /// Whether there is nothing to keep apart.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
