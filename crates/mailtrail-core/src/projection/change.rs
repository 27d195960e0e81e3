//! What an event changes of what is known: for projections that count.

use smallvec::SmallVec;

use super::deliveries::{Deliveries, Knowledge};
use super::state_store::StateError;
use crate::event::{Envelope, Fact};
use crate::fold::is_evidence;
use crate::id::DeliveryId;
use crate::lattice::Distinct;

/// What an event changed of what is known of deliveries: see [`Deliveries::change`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change<E> {
    known: SmallVec<[(E, E); 1]>,
    unmatched: i64,
}

impl<E> Change<E> {
    /// How many streams are [unmatched](Deliveries::unmatched) that were not; less than zero: no longer.
    pub fn unmatched(&self) -> i64 {
        self.unmatched
    }

    /// Of each delivery of which more is known now: what was known before, and what is known now.
    pub fn into_known(self) -> impl Iterator<Item = (E, E)> {
        self.known.into_iter()
    }
}

impl<E: Knowledge + PartialEq> Deliveries<E> {
    /// Takes in an event as [`add`](Self::add) does, and tells what that changed: for a projection that counts. `planned`
    /// tells which deliveries are planned.
    ///
    /// # Errors
    /// [`StateError`] if an entry has to be read, and can't be.
    pub fn change(
        &mut self,
        envelope: &Envelope,
        fact: Option<&Fact>,
        planned: impl Fn(&E) -> bool,
    ) -> Result<Change<E>, StateError> {
        let stream = envelope.stream;
        if !is_evidence(stream.category()) {
            return Ok(Change::default());
        }
        let Some(delivery) = stream.as_delivery() else {
            return self.change_by_key(envelope, fact);
        };
        let (own, is_new) = self.own.get_or_insert(&delivery)?;
        let mut before = own.clone();
        own.learn(envelope, fact);
        let mut after = own.clone();
        let was_unmatched = !is_new && !planned(&before);
        let mut change = Change::default();
        change.count(was_unmatched, !planned(&after));
        let names = fact.map(Fact::keys).unwrap_or_default();
        if names.is_empty() && before == after {
            return Ok(change);
        }
        let named = self.keys.get(&delivery)?;
        self.join_keys(&mut before, named.as_deref())?;
        if names.is_empty() {
            self.join_keys(&mut after, named.as_deref())?;
            change.push(before, after);
            return Ok(change);
        }
        for key in names {
            self.keys.get_mut(&delivery)?.insert(*key);
            let other = self.others.get_mut(key)?;
            change.count(other.is_unmatched(), false);
            other.named_by.insert(delivery);
        }
        self.join_keys(&mut after, self.keys.get(&delivery)?.as_deref())?;
        change.push(before, after);
        Ok(change)
    }

    fn change_by_key(
        &mut self,
        envelope: &Envelope,
        fact: Option<&Fact>,
    ) -> Result<Change<E>, StateError> {
        let of_all = |deliveries: &Self, named_by: &Distinct<DeliveryId>| {
            let of = |delivery: &DeliveryId| deliveries.of(*delivery);
            named_by.as_slice().iter().map(of).collect::<Result<Vec<_>, _>>()
        };
        let stream = envelope.stream;
        let named_by = self.others.get(&stream)?.map(|other| other.named_by.clone());
        let named_by = named_by.unwrap_or_default();
        let before = of_all(self, &named_by)?;
        let other = self.others.get_mut(&stream)?;
        let was_unmatched = other.is_unmatched();
        other.known.get_or_insert_default().learn(envelope, fact);
        let mut change = Change::default();
        change.count(was_unmatched, other.is_unmatched());
        for (before, after) in before.into_iter().zip(of_all(self, &named_by)?) {
            change.push(before, after);
        }
        Ok(change)
    }
}

impl<E: PartialEq> Change<E> {
    fn count(&mut self, was_unmatched: bool, is_unmatched: bool) {
        self.unmatched = self.unmatched.saturating_add(i64::from(is_unmatched));
        self.unmatched = self.unmatched.saturating_sub(i64::from(was_unmatched));
    }

    fn push(&mut self, before: E, after: E) {
        if before != after {
            self.known.push((before, after));
        }
    }
}

impl<E> Default for Change<E> {
    fn default() -> Self {
        Self { known: SmallVec::new(), unmatched: 0 }
    }
}
