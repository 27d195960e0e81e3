//! A row as it was planned, and how it is kept.

use std::collections::BTreeMap;

use bytes::Bytes;
use mailtrail_core::event::{Envelope, Row};
use mailtrail_core::projection::{StateError, TableValue};
use mailtrail_core::{BroadcastId, EmailAddress, EventId, Join};
use serde::{Deserialize, Serialize};

/// A row as it was planned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PlannedRow {
    event: EventId,
    pub(crate) row: Row,
    pub(crate) name: Option<Box<str>>,
    pub(crate) address: Option<Box<str>>,
    pub(crate) normal_address: Option<Box<str>>,
    pub(crate) subject: Option<Box<str>>,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) erased: bool,
}

impl PlannedRow {
    pub(crate) fn of(envelope: &Envelope, row: Row) -> Self {
        let private = envelope.private();
        Self {
            event: envelope.event.event_id,
            row,
            name: private.name,
            address: private.address,
            normal_address: private.normal_address,
            subject: private.subject,
            labels: private.labels,
            erased: envelope.is_erased(),
        }
    }

    /// A total order that no arrival changes: by broadcast, contact, and the address's normal form, else its
    /// text as given. Texts end with a zero, so that a shorter one comes first.
    pub(crate) fn order_key(&self) -> Bytes {
        let mut key = Self::order_prefix(Some(&self.row.broadcast));
        push(&mut key, self.row.contact.as_str());
        push(&mut key, self.ordering_address());
        key.extend_from_slice(self.row.delivery.as_bytes());
        key.into()
    }

    /// The address by which rows of one contact are in order.
    pub(crate) fn ordering_address(&self) -> &str {
        self.normal_address.as_deref().or(self.address.as_deref()).unwrap_or_default()
    }

    /// How the order keys of a broadcast begin; of all of them, if none is named.
    pub(crate) fn order_prefix(broadcast: Option<&BroadcastId>) -> Vec<u8> {
        let mut key = vec![ORDER];
        if let Some(broadcast) = broadcast {
            push(&mut key, broadcast.as_str());
        }
        key
    }

    /// The value of a label; empty without one.
    pub(crate) fn value(&self, label: Option<&str>) -> String {
        label.and_then(|label| self.labels.get(label).cloned()).unwrap_or_default()
    }

    /// The domain of the address, if it is one.
    pub(crate) fn domain(&self) -> Option<Box<str>> {
        if let Some(address) = &self.normal_address {
            return address.rsplit_once('@').map(|(_, domain)| domain.into());
        }
        let address = EmailAddress::parse(self.address.as_deref()?).ok()?;
        Some(address.domain().into())
    }

    /// How the keys begin by which the rows of an address are found.
    pub(crate) fn address_prefix(normal_address: &str) -> Vec<u8> {
        let mut key = vec![ADDRESS];
        push(&mut key, normal_address);
        key
    }

    /// The keys by which the row is found.
    pub(crate) fn index_keys(&self) -> Vec<Bytes> {
        let by_address = self.normal_address.as_deref().map(|address| {
            let mut key = Self::address_prefix(address);
            key.extend_from_slice(self.row.delivery.as_bytes());
            Bytes::from(key)
        });
        std::iter::once(self.order_key()).chain(by_address).collect()
    }
}

/// A text and its end. A zero within it, which only a text that is no address can have, becomes a one.
fn push(key: &mut Vec<u8>, text: &str) {
    key.extend(text.bytes().map(|byte| byte.max(1)));
    key.push(0);
}

/// The row of a delivery, once it is planned.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct HeldRow(pub(crate) Option<PlannedRow>);

impl HeldRow {
    /// A delivery has one planning event; should a log hold two, the same one counts in any order.
    pub(crate) fn plan(&mut self, planned: PlannedRow) -> bool {
        let wins = self.0.as_ref().is_none_or(|held| planned.event < held.event);
        if wins {
            self.0 = Some(planned);
        }
        wins
    }
}

impl Join for HeldRow {
    fn join(&mut self, other: Self) -> bool {
        other.0.is_some_and(|planned| self.plan(planned))
    }
}

impl TableValue for HeldRow {
    fn encode(&self) -> Result<Vec<u8>, StateError> {
        written(&self.0)
    }

    fn decode(bytes: &[u8]) -> Result<Self, StateError> {
        read(bytes).map(Self)
    }
}

/// The broadcast that a broadcast sends again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Follows(pub(crate) Option<BroadcastId>);

impl Join for Follows {
    fn join(&mut self, other: Self) -> bool {
        let grows = other.0 > self.0;
        if grows {
            self.0 = other.0;
        }
        grows
    }
}

impl TableValue for Follows {
    fn encode(&self) -> Result<Vec<u8>, StateError> {
        written(&self.0)
    }

    fn decode(bytes: &[u8]) -> Result<Self, StateError> {
        read(bytes).map(Self)
    }
}

fn written(value: &impl Serialize) -> Result<Vec<u8>, StateError> {
    serde_json::to_vec(value).map_err(|error| StateError::Unwritable { cause: error.into() })
}

fn read<T: for<'de> Deserialize<'de>>(bytes: &[u8]) -> Result<T, StateError> {
    serde_json::from_slice(bytes).map_err(|error| StateError::Corrupt { cause: error.into() })
}

const ORDER: u8 = b'o';
const ADDRESS: u8 = b'a';
