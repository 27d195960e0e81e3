//! The right to be forgotten: what identifies a person goes, what happened stays.

use std::collections::{BTreeMap, BTreeSet};

use mailtrail_core::event::{Private, RawHash};
use mailtrail_core::projection::{StateError, StateStore};
use mailtrail_core::store::{EventStoreExt, Filter, RawError, RawStore, ReadError, RedactError};
use mailtrail_core::{ContactId, Envelope, EventId, EventStore, Evidence, Position, StreamId};

/// Everything that identifies a contact: found first, to be looked at, then erased.
///
/// It is the private part of every event on the streams of the contact's deliveries, on the keys that they
/// name, and of any event whose private part holds an address of the contact, wherever it is; and the raw
/// bodies that these events name.
///
/// # Privacy
/// An address that another contact has too is not looked for elsewhere: those events are that person's. The
/// blocked list goes on to work, as its streams are named by hashes. Copies elsewhere, such as earlier
/// exports, are not reached.
///
/// # Example
/// ```
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// # use mailtrail::core::plan::{Broadcast, Contact, ContactAddress};
/// use mailtrail::audit::Erasure;
/// # use mailtrail::prelude::*;
/// # let raw = mailtrail::memory::MemoryRaw::default();
/// # let tracker = Tracker::builder(mailtrail::memory::MemoryStore::new()).open();
/// # let ann = Contact::new("c1".parse()?).address(ContactAddress::new("ann@a.example"));
/// # tracker.plan(Broadcast::new("b".parse()?, "general".parse()?), [ann]).await?;
/// let erasure = Erasure::find(&**tracker.store(), &"c1".parse()?).await?;
/// assert!(!erasure.events.is_empty());
/// erasure.erase(&**tracker.store(), &raw, None).await?;
/// assert!(Erasure::find(&**tracker.store(), &"c1".parse()?).await?.events.is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(()) })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Erasure {
    /// The events whose private part goes.
    pub events: Vec<EventId>,
    /// The raw bodies that go.
    pub raw: Vec<RawHash>,
    /// Events of other people that came in the same bodies: they can no longer be read again by better
    /// rules.
    pub unreadable: Vec<EventId>,
}

/// What was erased.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Erased {
    /// Events whose private part is gone.
    pub events: usize,
    /// Raw bodies that were there, and are gone.
    pub raw: u64,
}

impl Erasure {
    /// Reads the log for what identifies a contact. Twice, in pages; memory holds the addresses that are
    /// planned, and the ids of events that have raw bodies.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn find(store: &dyn EventStore, contact: &ContactId) -> Result<Self, ReadError> {
        let mut person = Person::default();
        each(store, |envelope| person.learn(envelope, contact)).await?;
        for delivery in person.streams.clone() {
            let mut evidence = Evidence::default();
            for envelope in store.stream(delivery).await? {
                evidence.add_envelope(&envelope);
            }
            person.streams.extend(evidence.keys());
        }
        let mut found = Self::default();
        let mut raw_of: BTreeMap<RawHash, Vec<EventId>> = BTreeMap::new();
        let mut theirs = BTreeSet::new();
        each(store, |envelope| {
            let id = envelope.event.event_id;
            let raw = envelope.fact().ok().and_then(|fact| fact.raw);
            if let Some(raw) = raw {
                raw_of.entry(raw).or_default().push(id);
            }
            if person.is_in(envelope) {
                theirs.insert(id);
                found.raw.extend(raw);
                if envelope.event.private.is_some() {
                    found.events.push(id);
                }
            }
        })
        .await?;
        found.raw.sort_unstable();
        found.raw.dedup();
        let of_bodies = found.raw.iter().filter_map(|raw| raw_of.get(raw)).flatten();
        found.unreadable = of_bodies.filter(|id| !theirs.contains(id)).copied().collect();
        Ok(found)
    }

    /// Erases it, and all kept states of projections, which are built anew without it. Ids, facts, statuses, sums
    /// and the chain stay. Erasing it again changes nothing.
    ///
    /// # Errors
    /// [`EraseError`]: erase it again.
    pub async fn erase(
        &self,
        store: &dyn EventStore,
        raw: &dyn RawStore,
        states: Option<&dyn StateStore>,
    ) -> Result<Erased, EraseError> {
        // The bodies go first: afterwards nothing would name them.
        let bodies = raw.remove(&self.raw).await?;
        if !self.events.is_empty() {
            store.redact(&self.events).await?;
        }
        // After the log, or what is built anew would hold it again; also where an erasure is done once more.
        if let Some(states) = states {
            states.discard_all()?;
        }
        Ok(Erased { events: self.events.len(), raw: bodies })
    }
}

/// What is a contact's, and what tells them.
#[derive(Debug, Default)]
struct Person {
    streams: BTreeSet<StreamId>,
    addresses: BTreeSet<String>,
    shared: BTreeSet<String>,
}

impl Person {
    fn learn(&mut self, envelope: &Envelope, contact: &ContactId) {
        let Ok(fact) = envelope.fact() else { return };
        let Some(row) = fact.event.row() else { return };
        let theirs = row.contact == *contact;
        if theirs {
            self.streams.insert(StreamId::delivery(row.delivery));
        }
        let addresses = if theirs { &mut self.addresses } else { &mut self.shared };
        addresses.extend(addresses_of(&envelope.private()));
    }

    fn is_in(&self, envelope: &Envelope) -> bool {
        if self.streams.contains(&envelope.stream) {
            return true;
        }
        let Some(private) = &envelope.event.private else { return false };
        let text = String::from_utf8_lossy(private).to_lowercase();
        self.addresses.difference(&self.shared).any(|address| names(&text, address))
    }
}

fn addresses_of(private: &Private) -> impl Iterator<Item = String> {
    let texts = [private.address.as_deref(), private.normal_address.as_deref()];
    texts.map(|text| text.map(str::to_lowercase)).into_iter().flatten()
}

/// Whether an address stands in a text as a whole, not as the end of a longer one.
fn names(text: &str, address: &str) -> bool {
    text.match_indices(address).any(|(at, _)| {
        let before = text.get(..at).and_then(|text| text.chars().next_back());
        let after = text.get(at + address.len()..).and_then(|text| text.chars().next());
        let part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '+');
        // A full stop after an address ends a sentence; before it, it is a part of the address.
        !before.is_some_and(|c| part(c) || c == '.') && !after.is_some_and(part)
    })
}

async fn each(store: &dyn EventStore, mut call: impl FnMut(&Envelope)) -> Result<(), ReadError> {
    let mut next = Some(Position::START);
    while let Some(after) = next {
        let page = store.read_all(&Filter::all(), after, PAGE).await?;
        page.events.iter().for_each(&mut call);
        next = page.next;
    }
    Ok(())
}

/// Why not everything was erased.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EraseError {
    /// The raw bodies could not be deleted; nothing is erased in the log.
    #[error("the raw bodies could not be deleted")]
    Raw(#[from] RawError),
    /// The log could not be erased.
    #[error("the log could not be erased")]
    Redact(#[from] RedactError),
    /// The kept states could not be discarded.
    #[error("the kept states of projections could not be discarded")]
    States(#[from] StateError),
}

/// Records read at once.
const PAGE: usize = 4_096;
