//! Invalid addresses: which contacts have to give another one, and why.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use mailtrail_core::event::Row;
use mailtrail_core::projection::StateError;
use mailtrail_core::reason::{Group, Reason};
use mailtrail_core::{BroadcastId, ContactId, DeliveryId, Evidence, Status};

use crate::email_log::EmailLogState;
use crate::labels::Labels;
use crate::planned_row::PlannedRow;
use crate::query::Query;
use crate::sheet::{Cell, Column, Kind, Sheet, Shown};

/// The addresses that have to be corrected, each with its contact.
///
/// # When is an address on the list?
/// When a delivery to it failed because the address is invalid, or an automatic answer says that the person has moved: by
/// the current readings of what came back.
///
/// # When does it leave?
/// When something later works: a delivery to this address, or one to another address of the contact that was planned after
/// the last failure. A person who has moved may still have the old mailbox, so that only an open counts there.
///
/// ```
/// use mailtrail_report::{EmailLogState, InvalidAddresses, Query};
/// let state = EmailLogState::default();             // filled by `mailtrail_core::projection::replay`
/// let invalid = InvalidAddresses::of(&state, &Query::default())?;
/// assert!(invalid.addresses.is_empty());
/// assert_eq!(&*invalid.sheet(Some("school")).columns[0].title, "school");
/// # Ok::<(), mailtrail_core::projection::StateError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct InvalidAddresses {
    /// By contact and address.
    pub addresses: Vec<InvalidAddress>,
}

/// An address that has to be corrected.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct InvalidAddress {
    /// Whose it is.
    pub contact: ContactId,
    /// The contact's name.
    pub name: Box<str>,
    /// The address as given.
    pub email_address: Box<str>,
    /// Why it is on the list.
    pub fault: Fault,
    /// The first such failure since it last worked.
    pub since: Option<DateTime<Utc>>,
    /// In how many broadcasts since then.
    pub broadcasts: usize,
    /// The last delivery to it that arrived.
    pub last_good_delivery: Option<DateTime<Utc>>,
    /// The delivery that says so, the last one.
    pub delivery: DeliveryId,
    /// The contact's labels.
    pub labels: BTreeMap<String, String>,
}

/// What is wrong with an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// A delivery failed because of it.
    Invalid(Reason),
    /// An automatic answer says that the person has moved.
    Moved,
}

impl Fault {
    /// Its name in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Invalid(reason) => reason.name(),
            Self::Moved => "moved",
        }
    }

    /// What is wrong, in one sentence.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::Invalid(reason) => reason.sentence(),
            Self::Moved => "An automatic answer says that the person has moved.",
        }
    }

    /// What to do about it.
    pub fn advice(self) -> &'static str {
        match self {
            Self::Invalid(reason) => reason.advice(),
            Self::Moved => "Ask the contact for the new address.",
        }
    }
}

impl InvalidAddresses {
    /// Those of which a failed row is among the rows that a query asks for. All rows of all broadcasts are read: what an
    /// address did elsewhere, and what came later, decides.
    ///
    /// # Errors
    /// [`StateError`] if the state can't be read.
    pub fn of(state: &EmailLogState, query: &Query) -> Result<Self, StateError> {
        let mut contacts: BTreeMap<ContactId, Addresses> = BTreeMap::new();
        state.each_row(&Query::default(), |planned, evidence| {
            if let Some((address, known)) = Known::of(planned, evidence) {
                let addresses = contacts.entry(planned.row.contact.clone()).or_default();
                addresses.entry(address).or_default().push(known);
            }
            Ok(())
        })?;
        contacts.retain(|_, addresses| addresses.values().flatten().any(Known::is_faulty));
        let mut asked = BTreeSet::new();
        if !query.is_of_all() {
            state.each_row(query, |planned, _| {
                asked.insert(planned.row.delivery);
                Ok(())
            })?;
        }
        let is_asked = |known: &&Known| query.is_of_all() || asked.contains(&known.row.delivery);
        let mut invalid = Self::default();
        for addresses in contacts.values() {
            for address in addresses.keys() {
                let faulty = faulty(addresses, address);
                let last = faulty.iter().max_by_key(|known| known.order());
                let Some(last) = last.filter(|last| !is_replaced(addresses, address, last)) else {
                    continue;
                };
                if !faulty.iter().any(is_asked) {
                    continue;
                }
                let own = addresses.get(address).map_or(&[][..], Vec::as_slice);
                let Some(planned) = state.held_row(last.row.delivery)? else { continue };
                invalid.addresses.extend(last.invalid(&planned, &faulty, own));
            }
        }
        Ok(invalid)
    }

    /// The list; with a label, by the values of it.
    pub fn sheet(&self, by: Option<&str>) -> Sheet {
        let labels = Labels::of(self.addresses.iter().map(|address| &address.labels));
        let first = by.map(|label| Column::new(label, label, Kind::Text));
        let columns = first.into_iter().chain(columns()).chain(labels.columns(Shown::Roomy));
        let mut sheet = Sheet::new("invalid_addresses", "Invalid addresses", columns);
        let value = |address: &InvalidAddress| {
            by.map(|label| address.labels.get(label).cloned().unwrap_or_default())
        };
        let mut addresses: Vec<_> = self.addresses.iter().collect();
        addresses.sort_by_cached_key(|address| value(address));
        for address in addresses {
            let first = value(address).map(Cell::from);
            let labels = labels.cells(&address.labels);
            sheet.push(first.into_iter().chain(address.cells()).chain(labels));
        }
        let contacts: BTreeSet<_> = self.addresses.iter().map(|address| &address.contact).collect();
        sheet.note(match contacts.len() {
            0 => "No contact has to give another address.".to_owned(),
            1 => "1 contact has to give another address.".to_owned(),
            count => format!("{count} contacts have to give another address."),
        });
        sheet
    }
}

impl InvalidAddress {
    fn cells(&self) -> [Cell; 10] {
        [
            self.delivery.to_string().into(),
            self.contact.as_str().into(),
            self.name.clone().into(),
            self.email_address.clone().into(),
            self.fault.name().into(),
            self.fault.sentence().into(),
            self.since.into(),
            self.broadcasts.into(),
            self.last_good_delivery.into(),
            self.fault.advice().into(),
        ]
    }
}

fn columns() -> [Column; 10] {
    use Kind::{Count, Text, Time};
    use Shown::{Always, Data, Roomy};
    [
        ("delivery", "Delivery", Text, Data),
        ("contact_id", "Contact ID", Text, Always),
        ("name", "Name", Text, Always),
        ("email_address", "Email Address", Text, Always),
        ("reason", "Reason", Text, Data),
        ("why", "Why", Text, Always),
        ("since", "Since", Time, Always),
        ("broadcasts", "Broadcasts", Count, Roomy),
        ("last_good_delivery", "Last Good Delivery", Time, Roomy),
        ("what_to_do", "What To Do", Text, Roomy),
    ]
    .map(|(name, title, kind, shown)| Column::new(name, title, kind).shown(shown))
}

/// What is known of the addresses of a contact, by their normal form or text.
type Addresses = BTreeMap<Box<str>, Vec<Known>>;

/// What one row says of its address.
struct Known {
    row: Row,
    planned: Option<DateTime<Utc>>,
    said: Said,
    at: Option<DateTime<Utc>>,
}

enum Said {
    Faulty(Fault),
    /// It arrived; whether someone opened it.
    Works(bool),
}

impl Known {
    fn of(planned: &PlannedRow, evidence: &Evidence) -> Option<(Box<str>, Self)> {
        let address = planned.normal_address.as_ref().or(planned.address.as_ref())?.clone();
        let decided = evidence.decided_by().and_then(|moment| moment.at);
        let decided = decided.or(evidence.planned_at());
        let reason = evidence.current_reason();
        let (said, at) = match (evidence.status(), evidence.moved()) {
            (Status::Opened, None) => (Said::Works(true), arrived_at(evidence)),
            (Status::Delivered, None) => (Said::Works(false), arrived_at(evidence)),
            (_, Some(moved)) => (Said::Faulty(Fault::Moved), moved.or(decided)),
            (Status::Bounced | Status::Failed, None) => {
                let reason = reason.filter(|reason| reason.group() == Group::Address)?;
                (Said::Faulty(Fault::Invalid(reason)), decided)
            }
            _ => return None,
        };
        let row = planned.row.clone();
        Some((address, Self { row, planned: evidence.planned_at(), said, at }))
    }

    fn is_faulty(&self) -> bool {
        matches!(self.said, Said::Faulty(_))
    }

    fn order(&self) -> (Option<DateTime<Utc>>, DeliveryId) {
        (self.at, self.row.delivery)
    }

    fn invalid(
        &self,
        planned: &PlannedRow,
        faulty: &[&Self],
        own: &[Self],
    ) -> Option<InvalidAddress> {
        let Said::Faulty(fault) = self.said else { return None };
        let broadcasts: BTreeSet<&BroadcastId> = faulty.iter().map(|k| &k.row.broadcast).collect();
        let works = own.iter().filter(|known| !known.is_faulty());
        Some(InvalidAddress {
            contact: self.row.contact.clone(),
            name: planned.personal(planned.name.as_deref()),
            email_address: planned.personal(planned.address.as_deref()),
            fault,
            since: faulty.iter().filter_map(|known| known.at).min(),
            broadcasts: broadcasts.len(),
            last_good_delivery: works.filter_map(|known| known.at).max(),
            delivery: self.row.delivery,
            labels: planned.labels.to_map(),
        })
    }
}

/// The faulty rows of an address since it last worked.
fn faulty<'a>(addresses: &'a Addresses, address: &str) -> Vec<&'a Known> {
    let own = addresses.get(address).map_or(&[][..], Vec::as_slice);
    let is_over = |faulty: &Known| {
        let has_moved = matches!(faulty.said, Said::Faulty(Fault::Moved));
        own.iter().any(|known| {
            let works = matches!(known.said, Said::Works(opened) if opened || !has_moved);
            works && is_later(known.at, faulty.at)
        })
    };
    own.iter().filter(|known| known.is_faulty() && !is_over(known)).collect()
}

/// Whether something was planned to another address of the contact after this failure, and works.
fn is_replaced(addresses: &Addresses, address: &str, faulty: &Known) -> bool {
    let others = addresses.iter().filter(|(other, _)| ***other != *address);
    let mut rows = others.flat_map(|(_, rows)| rows);
    rows.any(|known| !known.is_faulty() && is_later(known.planned, faulty.at))
}

/// Whether both times are known, and this is later than the other.
fn is_later(this: Option<DateTime<Utc>>, other: Option<DateTime<Utc>>) -> bool {
    this.zip(other).is_some_and(|(this, other)| this > other)
}

/// When it was known to have arrived.
fn arrived_at(evidence: &Evidence) -> Option<DateTime<Utc>> {
    let decided = evidence.decided_by().and_then(|moment| moment.at);
    evidence.delivered_at().or(evidence.first_opened_at()).or(decided)
}
