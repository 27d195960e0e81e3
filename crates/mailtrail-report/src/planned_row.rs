//! A row as it was planned, and how it is kept.

use std::error::Error;
use std::str::FromStr;

use bytes::Bytes;
use mailtrail_core::event::{Envelope, Row};
use mailtrail_core::projection::{StateError, TableValue};
use mailtrail_core::{BroadcastId, DeliveryId, EmailAddress, EventId, Join};
use serde::{Deserialize, Serialize};

use crate::labels::LabelSet;
use crate::trail::{read, written};

/// A row as it was planned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PlannedRow {
    event: EventId,
    pub(crate) row: Row,
    pub(crate) name: Option<Box<str>>,
    pub(crate) address: Option<Box<str>>,
    pub(crate) normal_address: Option<Box<str>>,
    pub(crate) subject: Option<Box<str>>,
    pub(crate) labels: LabelSet,
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
            labels: private.labels.into_iter().collect(),
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
        label.map(|label| self.label(label).into()).unwrap_or_default()
    }

    /// The same of one that is named.
    pub(crate) fn label(&self, name: &str) -> &str {
        self.labels.get(name).unwrap_or_default()
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

/// In postcard: compact, and thrown away whenever the projection's revision is raised.
impl TableValue for HeldRow {
    fn encode(&self) -> Result<Vec<u8>, StateError> {
        written(&self.0.as_ref().map(Kept::of))
    }

    fn decode(bytes: &[u8]) -> Result<Self, StateError> {
        let kept: Option<Kept<'_>> = read(bytes)?;
        kept.map(Kept::row).transpose().map(Self)
    }
}

/// The fields of a [`PlannedRow`], in their order.
#[derive(Serialize, Deserialize)]
struct Kept<'a> {
    event: EventId,
    delivery: DeliveryId,
    broadcast: &'a str,
    contact: &'a str,
    kind: &'a str,
    from: Option<&'a str>,
    time_zone: Option<&'a str>,
    name: Option<&'a str>,
    address: Option<&'a str>,
    normal_address: Option<&'a str>,
    subject: Option<&'a str>,
    #[serde(borrow)]
    labels: Vec<(&'a str, &'a str)>,
    erased: bool,
}

impl<'a> Kept<'a> {
    fn of(planned: &'a PlannedRow) -> Self {
        let row = &planned.row;
        Self {
            event: planned.event,
            delivery: row.delivery,
            broadcast: row.broadcast.as_str(),
            contact: row.contact.as_str(),
            kind: row.kind.as_str(),
            from: row.from.as_deref(),
            time_zone: row.time_zone.as_deref(),
            name: planned.name.as_deref(),
            address: planned.address.as_deref(),
            normal_address: planned.normal_address.as_deref(),
            subject: planned.subject.as_deref(),
            labels: planned.labels.iter().collect(),
            erased: planned.erased,
        }
    }

    fn row(self) -> Result<PlannedRow, StateError> {
        let (broadcast, contact, kind) = (id(self.broadcast)?, id(self.contact)?, id(self.kind)?);
        let mut row = Row::new(self.delivery, broadcast, contact, kind);
        row.from = self.from.map(Into::into);
        row.time_zone = self.time_zone.map(Into::into);
        Ok(PlannedRow {
            event: self.event,
            row,
            name: self.name.map(Into::into),
            address: self.address.map(Into::into),
            normal_address: self.normal_address.map(Into::into),
            subject: self.subject.map(Into::into),
            labels: self.labels.into_iter().collect(),
            erased: self.erased,
        })
    }
}

fn id<T: FromStr<Err: Error + Send + Sync + 'static>>(text: &str) -> Result<T, StateError> {
    text.parse().map_err(|error: T::Err| StateError::Corrupt { cause: error.into() })
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

const ORDER: u8 = b'o';
const ADDRESS: u8 = b'a';
