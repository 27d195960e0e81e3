//! What is known of every delivery, from its own stream and the streams of the keys that it names.

use std::borrow::Cow;

use smallvec::SmallVec;

use super::state::{Emit, Pages};
use super::state_store::StateError;
use super::table::{Table, TableKey, TableValue};
use crate::event::{Envelope, Fact};
use crate::evidence::Evidence;
use crate::fold::is_evidence;
use crate::id::{BroadcastId, DeliveryId, StreamId};
use crate::lattice::{Distinct, Join};

/// What a projection knows of one delivery: a join of its events.
pub trait Knowledge: TableValue + Join {
    /// Takes in an event; `fact` is absent if this version can't read it.
    fn learn(&mut self, envelope: &Envelope, fact: Option<&Fact>);
}

impl Knowledge for Evidence {
    fn learn(&mut self, envelope: &Envelope, fact: Option<&Fact>) {
        let event = &envelope.event;
        match fact {
            Some(fact) => self.add(event.event_id, event.occurred_at, fact),
            None => self.add_foreign(event.event_id, event.occurred_at),
        };
    }
}

/// What is known of every delivery: a [`Fold`](crate::fold::Fold) that can be kept in pages, of evidence or of
/// less.
///
/// Its tables have the tags `d`, `k` and `n`.
#[derive(Debug, Clone)]
pub struct Deliveries<E> {
    pub(super) own: Table<DeliveryId, E>,
    pub(super) keys: Table<DeliveryId, Distinct<StreamId>>,
    pub(super) others: Table<StreamId, Correlated<E>>,
}

/// What is known by a key, and who names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Correlated<E> {
    pub(super) known: Option<E>,
    pub(super) named_by: Distinct<DeliveryId>,
}

impl<E: Knowledge> Deliveries<E> {
    /// Those whose entries are read from pages.
    pub fn attached(pages: &Pages) -> Self {
        let (own, keys) = (Table::attached(OWN, pages), Table::attached(KEYS, pages));
        Self { own, keys, others: Table::attached(OTHERS, pages) }
    }

    /// Takes in an event; `fact` is absent if this version can't read it.
    ///
    /// # Errors
    /// [`StateError`] if an entry has to be read, and can't be.
    pub fn add(&mut self, envelope: &Envelope, fact: Option<&Fact>) -> Result<(), StateError> {
        let stream = envelope.stream;
        if !is_evidence(stream.category()) {
            return Ok(());
        }
        let Some(delivery) = stream.as_delivery() else {
            let other = self.others.get_mut(&stream)?;
            other.known.get_or_insert_default().learn(envelope, fact);
            return Ok(());
        };
        self.own.get_mut(&delivery)?.learn(envelope, fact);
        for key in fact.map(Fact::keys).unwrap_or_default() {
            self.keys.get_mut(&delivery)?.insert(*key);
            self.others.get_mut(key)?.named_by.insert(delivery);
        }
        Ok(())
    }

    /// Brings nearer what is in memory of the streams of these events. Each is waited for when it is far away in memory; of
    /// many that are looked for together, all are waited for at once.
    pub fn look_ahead(&self, next: &[&Envelope]) {
        let streams = || next.iter().map(|envelope| &envelope.stream);
        let deliveries: SmallVec<[DeliveryId; 64]> =
            streams().filter_map(StreamId::as_delivery).collect();
        self.own.look_ahead(deliveries.iter());
        self.keys.look_ahead(deliveries.iter());
        self.others.look_ahead(streams().filter(|stream| stream.as_delivery().is_none()));
    }

    /// What is known of a delivery: by its own stream, and by the streams of the keys that it names.
    ///
    /// # Errors
    /// [`StateError`] if an entry has to be read, and can't be.
    pub fn of(&self, delivery: DeliveryId) -> Result<E, StateError> {
        let mut known = self.own.get(&delivery)?.map(Cow::into_owned).unwrap_or_default();
        self.join_keys(&mut known, self.keys.get(&delivery)?.as_deref())?;
        Ok(known)
    }

    pub(super) fn join_keys(
        &self,
        known: &mut E,
        keys: Option<&Distinct<StreamId>>,
    ) -> Result<(), StateError> {
        for key in keys.map_or(&[][..], Distinct::as_slice) {
            if let Some(of_key) = self.others.get(key)?.and_then(|other| other.known.clone()) {
                known.join(of_key);
            }
        }
        Ok(())
    }

    /// Visits every value that another table of the same state has for a delivery, with what is known of that, in no order. It
    /// is read as it was saved last, and many times faster than one by one.
    ///
    /// # Errors
    /// [`StateError`] if an entry has to be read, and can't be; or the first error of `visit`.
    pub fn each_of<V: TableValue, Err: From<StateError>>(
        &self,
        values: &Table<DeliveryId, V>,
        mut visit: impl FnMut(Cow<'_, V>, &E) -> Result<(), Err>,
    ) -> Result<(), Err> {
        let (mut own, mut keys) = (self.own.ahead(), self.keys.ahead());
        values.each_key(|bytes, value| {
            let Ok(bytes) = bytes.try_into() else { return Ok(()) };
            let delivery = DeliveryId::from_bytes(bytes);
            let mut known = own.get(&delivery)?.map(Cow::into_owned).unwrap_or_default();
            self.join_keys(&mut known, keys.get(&delivery)?.as_deref())?;
            visit(value, &known)
        })
    }

    /// The deliveries that an event on this stream concerns.
    ///
    /// # Errors
    /// [`StateError`] if an entry has to be read, and can't be.
    pub fn concerned(&self, stream: StreamId) -> Result<Vec<DeliveryId>, StateError> {
        if let Some(delivery) = stream.as_delivery() {
            return Ok(vec![delivery]);
        }
        let other = self.others.get(&stream)?;
        Ok(other.map(|other| other.named_by.as_slice().to_vec()).unwrap_or_default())
    }

    /// Visits every delivery that has a stream of its own, and is in memory.
    pub fn in_memory(&self) -> impl Iterator<Item = DeliveryId> {
        self.own.each_in_memory().map(|(delivery, _)| *delivery)
    }

    /// How many streams of feedback no delivery names, as `planned` tells which deliveries are planned:
    /// *unmatched feedback*. Reads everything.
    ///
    /// # Errors
    /// [`StateError`] if an entry has to be read, and can't be.
    pub fn unmatched(&self, planned: impl Fn(&E) -> bool) -> Result<u64, StateError> {
        let mut count = 0_u64;
        self.each_unmatched(planned, |_| count = count.saturating_add(1))?;
        Ok(count)
    }

    /// Visits what is known by each of these, in no order.
    ///
    /// # Errors
    /// [`StateError`] if an entry has to be read, and can't be.
    pub fn each_unmatched(
        &self,
        planned: impl Fn(&E) -> bool,
        mut visit: impl FnMut(&E),
    ) -> Result<(), StateError> {
        self.own.each(|known| {
            if !planned(&known) {
                visit(&known);
            }
            Ok::<_, StateError>(())
        })?;
        self.others.each(|other| {
            other.known.iter().filter(|_| other.is_unmatched()).for_each(&mut visit);
            Ok(())
        })
    }

    /// See [`Table::join`].
    ///
    /// # Errors
    /// [`StateError`] if an entry has to be read, and can't be.
    pub fn join(&mut self, other: Self) -> Result<bool, StateError> {
        let grew = self.own.join(other.own)? | self.keys.join(other.keys)?;
        Ok(grew | self.others.join(other.others)?)
    }

    /// See [`Table::take_changes`].
    ///
    /// # Errors
    /// As of that.
    pub fn take_changes(&mut self, emit: Emit<'_>) -> Result<(), StateError> {
        self.own.take_changes(emit)?;
        self.keys.take_changes(emit)?;
        self.others.take_changes(emit)
    }
}

impl<E> Correlated<E> {
    /// Whether feedback is known that no delivery names.
    pub(super) fn is_unmatched(&self) -> bool {
        self.known.is_some() && self.named_by.is_empty()
    }
}

impl<E: Knowledge> Default for Deliveries<E> {
    fn default() -> Self {
        Self { own: Table::new(OWN), keys: Table::new(KEYS), others: Table::new(OTHERS) }
    }
}

/// By what is in memory.
impl<E: Knowledge + PartialEq> PartialEq for Deliveries<E> {
    fn eq(&self, other: &Self) -> bool {
        self.own == other.own && self.keys == other.keys && self.others == other.others
    }
}

impl<E: Knowledge + Eq> Eq for Deliveries<E> {}

impl<E> Default for Correlated<E> {
    fn default() -> Self {
        Self { known: None, named_by: Distinct::default() }
    }
}

impl<E: Join> Join for Correlated<E> {
    fn join(&mut self, other: Self) -> bool {
        let grew = match other.known {
            None => false,
            Some(other) => {
                let new = self.known.is_none();
                self.known.get_or_insert_default().join(other) || new
            }
        };
        self.named_by.join(other.named_by) || grew
    }
}

impl<E: Knowledge> TableValue for Correlated<E> {
    fn encode(&self) -> Result<Vec<u8>, StateError> {
        let mut bytes = vec![u8::from(self.known.is_some())];
        let named = self.named_by.encode()?;
        let length = u32::try_from(named.len()).unwrap_or(u32::MAX);
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(&named);
        if let Some(known) = &self.known {
            bytes.extend_from_slice(&known.encode()?);
        }
        Ok(bytes)
    }

    fn decode(bytes: &[u8]) -> Result<Self, StateError> {
        let parts = || {
            let (flag, rest) = bytes.split_first()?;
            let (length, rest) = rest.split_first_chunk::<4>()?;
            let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
            let (named, known) = rest.split_at_checked(length)?;
            Some((*flag == 1, named, known))
        };
        let (flag, named, known) = parts().ok_or_else(|| corrupt("feedback by a key"))?;
        let known = if flag { Some(E::decode(known)?) } else { None };
        Ok(Self { known, named_by: Distinct::decode(named)? })
    }
}

impl TableKey for DeliveryId {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.as_bytes());
    }
}

/// Ids have no control characters, so that a zero ends them.
impl TableKey for BroadcastId {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.as_str().as_bytes());
        out.push(0);
    }
}

impl TableKey for StreamId {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.to_bytes());
    }
}

impl TableValue for Distinct<DeliveryId> {
    fn encode(&self) -> Result<Vec<u8>, StateError> {
        Ok(self.as_slice().iter().flat_map(|delivery| *delivery.as_bytes()).collect())
    }

    fn decode(bytes: &[u8]) -> Result<Self, StateError> {
        let (ids, []) = bytes.as_chunks::<16>() else { return Err(corrupt("delivery ids")) };
        Ok(ids.iter().map(|id| DeliveryId::from_bytes(*id)).collect())
    }
}

impl TableValue for Distinct<StreamId> {
    fn encode(&self) -> Result<Vec<u8>, StateError> {
        Ok(self.as_slice().iter().flat_map(StreamId::to_bytes).collect())
    }

    fn decode(bytes: &[u8]) -> Result<Self, StateError> {
        let (ids, []) = bytes.as_chunks::<31>() else { return Err(corrupt("stream names")) };
        let streams = ids.iter().map(StreamId::from_bytes);
        streams.collect::<Option<_>>().ok_or_else(|| corrupt("stream names"))
    }
}

impl TableValue for crate::Status {
    fn encode(&self) -> Result<Vec<u8>, StateError> {
        Ok(self.code().as_bytes().to_vec())
    }

    fn decode(bytes: &[u8]) -> Result<Self, StateError> {
        let text = std::str::from_utf8(bytes).ok();
        text.and_then(|text| text.parse().ok()).ok_or_else(|| corrupt("a status"))
    }
}

/// In postcard: compact, and thrown away whenever the projection's revision is raised.
impl TableValue for Evidence {
    fn encode(&self) -> Result<Vec<u8>, StateError> {
        postcard::to_stdvec(self).map_err(|error| StateError::Unwritable { cause: error.into() })
    }

    fn decode(bytes: &[u8]) -> Result<Self, StateError> {
        postcard::from_bytes(bytes).map_err(|error| StateError::Corrupt { cause: error.into() })
    }
}

fn corrupt(what: &str) -> StateError {
    StateError::Corrupt { cause: format!("these bytes are not {what}").into() }
}

const OWN: u8 = b'd';
const KEYS: u8 = b'n';
const OTHERS: u8 = b'k';
