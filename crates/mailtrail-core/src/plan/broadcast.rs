//! What is planned: a broadcast, and the contacts that it goes to.

use std::collections::BTreeMap;

use super::planner::PlanError;
use crate::event::{BroadcastCreated, Envelope, Event, Row};
use crate::id::{BroadcastId, ContactId, DeliveryId, Kind};

/// One "Send Now".
///
/// ```
/// use mailtrail_core::plan::Broadcast;
/// let broadcast = Broadcast::new("snow-day".parse()?, "emergency".parse()?)
///     .from_address("office@school.example")
///     .subject("Closed today");
/// assert_eq!(broadcast.id().as_str(), "snow-day");
/// # Ok::<(), mailtrail_core::id::IdError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broadcast {
    created: BroadcastCreated,
    subject: Option<Box<str>>,
}

impl Broadcast {
    /// A broadcast of a kind.
    pub fn new(id: BroadcastId, kind: Kind) -> Self {
        Self { created: BroadcastCreated::new(id, kind), subject: None }
    }

    /// The broadcast that the events of its stream tell of, if it was created.
    pub fn of(events: &[Envelope]) -> Option<Self> {
        events.iter().find_map(|envelope| {
            let Event::BroadcastCreated(created) = envelope.fact().ok()?.event else { return None };
            Some(Self { created, subject: envelope.private().subject })
        })
    }

    /// With its From address.
    pub fn from_address(mut self, from: impl Into<Box<str>>) -> Self {
        self.created.from = Some(from.into());
        self
    }

    /// With its subject line.
    pub fn subject(mut self, subject: impl Into<Box<str>>) -> Self {
        self.subject = Some(subject.into());
        self
    }

    /// That sends an earlier one again.
    pub fn follows(mut self, earlier: BroadcastId) -> Self {
        self.created.follows = Some(earlier);
        self
    }

    /// Its name.
    pub fn id(&self) -> &BroadcastId {
        &self.created.broadcast
    }

    /// Its type.
    pub fn kind(&self) -> &Kind {
        &self.created.kind
    }

    /// Its subject line.
    pub fn subject_line(&self) -> Option<&str> {
        self.subject.as_deref()
    }

    /// Its From address.
    pub fn from_line(&self) -> Option<&str> {
        self.created.from.as_deref()
    }

    /// The broadcast that it sends again.
    pub fn followed(&self) -> Option<&BroadcastId> {
        self.created.follows.as_ref()
    }

    /// Whether what is to be planned can be the broadcast that exists.
    pub(super) fn agrees_with(&self, existing: &Self) -> Result<(), PlanError> {
        let broadcast = self.id().clone();
        if self.kind() != existing.kind() {
            return Err(PlanError::AnotherKind { broadcast });
        }
        match &self.created.follows {
            Some(follows) if existing.followed() != Some(follows) => {
                Err(PlanError::FollowsAnother { broadcast, follows: follows.clone() })
            }
            Some(_) | None => Ok(()),
        }
    }

    pub(super) fn created(&self) -> &BroadcastCreated {
        &self.created
    }

    pub(super) fn row(&self, delivery: DeliveryId, contact: &Contact) -> Row {
        let mut row =
            Row::new(delivery, self.id().clone(), contact.id.clone(), self.kind().clone());
        row.from.clone_from(&self.created.from);
        row.time_zone.clone_from(&contact.time_zone);
        row
    }
}

/// A person with any number of addresses.
///
/// ```
/// use mailtrail_core::plan::{Contact, ContactAddress};
/// let ann = Contact::new("c1".parse()?)
///     .name("Ann Lee")
///     .address(ContactAddress::new("ann@a.example"))
///     .address(ContactAddress::new("ann@work.example").only_for(["emergency".parse()?]));
/// assert_eq!(ann.addresses.len(), 2);
/// # Ok::<(), mailtrail_core::id::IdError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Contact {
    /// The caller's name of the contact.
    pub id: ContactId,
    /// The person's name.
    pub name: Option<Box<str>>,
    /// Where mail for the person goes.
    pub addresses: Vec<ContactAddress>,
    /// The person's time zone (IANA name).
    pub time_zone: Option<Box<str>>,
    /// What reports filter and group by.
    pub labels: BTreeMap<String, String>,
}

impl Contact {
    /// A contact without addresses.
    pub fn new(id: ContactId) -> Self {
        let (addresses, labels) = (Vec::new(), BTreeMap::new());
        Self { id, name: None, addresses, time_zone: None, labels }
    }

    /// With a name.
    pub fn name(mut self, name: impl Into<Box<str>>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// With a further address.
    pub fn address(mut self, address: ContactAddress) -> Self {
        self.addresses.push(address);
        self
    }

    /// With a time zone.
    pub fn time_zone(mut self, zone: impl Into<Box<str>>) -> Self {
        self.time_zone = Some(zone.into());
        self
    }

    /// With a label.
    pub fn label(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.labels.insert(name.into(), value.into());
        self
    }
}

/// One address of a contact, as given: it may turn out to be none.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ContactAddress {
    /// The text.
    pub text: Box<str>,
    /// The kinds of broadcast that it is for; `None` is all.
    pub kinds: Option<Vec<Kind>>,
}

impl ContactAddress {
    /// An address for all kinds of broadcast.
    pub fn new(text: impl Into<Box<str>>) -> Self {
        Self { text: text.into(), kinds: None }
    }

    /// The same for these kinds only; none of them is a choice too.
    pub fn only_for(mut self, kinds: impl IntoIterator<Item = Kind>) -> Self {
        self.kinds = Some(kinds.into_iter().collect());
        self
    }

    /// Whether it is associated with a kind of broadcast.
    pub fn is_for(&self, kind: &Kind) -> bool {
        self.kinds.as_ref().is_none_or(|kinds| kinds.contains(kind))
    }
}
