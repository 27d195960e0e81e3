//! The planning of a broadcast and of its rows.

use serde::{Deserialize, Serialize};

use crate::id::{BroadcastId, ContactId, DeliveryId, Kind};
use crate::reason::Reason;

/// The facts of one row of the Email Log. Its person is in [`Private`](crate::event::Private).
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
