//! The order of messages: one after the other where they concern the same, side by side where they don't.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use mailtrail_core::StreamId;
use mailtrail_core::fold::ById;

/// Messages that wait, each in one lane or several. A message may go when it is the first in every lane of its own.
#[derive(Debug)]
pub(super) struct Lanes<T> {
    waiting: BTreeMap<Ticket, (Arc<[StreamId]>, T)>,
    queues: HashMap<StreamId, VecDeque<Ticket>, ById>,
    next: u64,
}

/// The number of a message that waits, in the order in which they came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Ticket(u64);

impl<T> Lanes<T> {
    /// Puts a message at the end of these lanes, each of them named once.
    pub(super) fn push(&mut self, lanes: Arc<[StreamId]>, message: T) -> Ticket {
        let ticket = Ticket(self.next);
        self.next = self.next.saturating_add(1);
        for lane in &*lanes {
            self.queues.entry(*lane).or_default().push_back(ticket);
        }
        self.waiting.insert(ticket, (lanes, message));
        ticket
    }

    /// Whether it may go.
    pub(super) fn is_first(&self, ticket: Ticket) -> bool {
        let first = |lane| self.queues.get(lane).and_then(VecDeque::front) == Some(&ticket);
        self.waiting.get(&ticket).is_some_and(|(lanes, _)| lanes.iter().all(first))
    }

    /// Takes away a message that is the first of its lanes: those that may go by that.
    pub(super) fn remove(&mut self, ticket: Ticket) -> Vec<Ticket> {
        let Some((lanes, _)) = self.waiting.remove(&ticket) else { return Vec::new() };
        let mut fronts = Vec::new();
        for lane in &*lanes {
            let Some(queue) = self.queues.get_mut(lane) else { continue };
            queue.retain(|other| *other != ticket);
            match queue.front() {
                Some(front) => fronts.push(*front),
                None => drop(self.queues.remove(lane)),
            }
        }
        fronts.retain(|front| self.is_first(*front));
        fronts.sort_unstable();
        fronts.dedup();
        fronts
    }

    pub(super) fn get_mut(&mut self, ticket: Ticket) -> Option<&mut T> {
        self.waiting.get_mut(&ticket).map(|(_, message)| message)
    }

    /// All that wait, in the order in which they came.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Ticket, &T)> {
        self.waiting.iter().map(|(ticket, (_, message))| (*ticket, message))
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }
}

impl<T> Default for Lanes<T> {
    fn default() -> Self {
        Self { waiting: BTreeMap::new(), queues: HashMap::default(), next: 0 }
    }
}

#[cfg(test)]
mod tests {
    use mailtrail_core::DeliveryId;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Whatever goes next of what may go: every message goes, and in each lane in the order in which they came.
        #[test]
        fn every_message_goes_and_in_each_lane_in_order(
            messages in prop::collection::vec(prop::collection::btree_set(0_u8..4, 1..3), 1..40),
            choices in prop::collection::vec(any::<prop::sample::Index>(), 40),
        ) {
            let lane = |number: &u8| StreamId::delivery(DeliveryId::from_bytes([*number; 16]));
            let mut lanes = Lanes::default();
            let mut may_go = Vec::new();
            for (number, of) in messages.iter().enumerate() {
                let ticket = lanes.push(of.iter().map(lane).collect(), number);
                if lanes.is_first(ticket) {
                    may_go.push(ticket);
                }
            }
            let mut gone = Vec::new();
            for choice in choices.iter().take(messages.len()) {
                prop_assert!(!may_go.is_empty(), "{} of {} are stuck", lanes.len(), messages.len());
                let ticket = may_go.swap_remove(choice.index(may_go.len()));
                gone.push(*lanes.get_mut(ticket).unwrap());
                may_go.extend(lanes.remove(ticket));
            }
            prop_assert_eq!((lanes.len(), lanes.queues.len()), (0, 0));
            for one in 0..4 {
                let of_lane = gone.iter().filter(|number| messages[**number].contains(&one));
                prop_assert!(of_lane.is_sorted());
            }
        }
    }
}
