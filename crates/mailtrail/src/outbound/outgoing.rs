//! Messages on their way, and those that are to be made once more.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use mailtrail_core::{EventId, Position};
use mailtrail_webhook::outbound::{Failed, Message, MessageId};

use super::folder::{DeadLetter, Waiting};

/// A message that waits, or is under way.
pub(super) struct Outgoing {
    pub(super) message: Arc<Message>,
    pub(super) event: EventId,
    pub(super) position: Position,
    pub(super) attempts: u32,
    /// How many messages had been taken when it was tried first.
    pub(super) taken_before: u64,
    pub(super) due_at: Option<DateTime<Utc>>,
    pub(super) is_posting: bool,
    /// Whether there is a dead letter of it.
    pub(super) is_letter: bool,
}

/// Messages of one event that are to be made once more.
pub(super) struct Again {
    pub(super) position: Position,
    /// And whether there is a dead letter of it.
    pub(super) waiting: HashMap<MessageId, (Waiting, bool)>,
}

impl Outgoing {
    pub(super) fn waiting(&self) -> Waiting {
        Waiting {
            message: self.message.id.clone(),
            position: self.position,
            attempts: self.attempts,
            taken_before: self.taken_before,
            due_at: self.due_at,
        }
    }

    pub(super) fn letter(&self, failed: &Failed, since: DateTime<Utc>) -> DeadLetter {
        DeadLetter {
            message: self.message.id.clone(),
            event: self.event,
            position: self.position,
            attempts: self.attempts,
            since,
            cause: failed.to_string().into(),
        }
    }
}

impl Again {
    /// Those that waited, by their events, in order.
    pub(super) fn of(waiting: &[Waiting], letters: &HashSet<MessageId>) -> VecDeque<Self> {
        let mut by_event: BTreeMap<Position, Self> = BTreeMap::new();
        for waiting in waiting {
            let position = waiting.position;
            let again = by_event.entry(position);
            let again = again.or_insert_with(|| Self { position, waiting: HashMap::new() });
            let is_letter = letters.contains(&waiting.message);
            again.waiting.insert(waiting.message.clone(), (waiting.clone(), is_letter));
        }
        by_event.into_values().collect()
    }

    pub(super) fn letter(letter: DeadLetter) -> Self {
        let (position, message) = (letter.position, letter.message);
        let (attempts, taken_before, due_at) = (0, 0, None);
        let waiting =
            Waiting { message: message.clone(), position, attempts, taken_before, due_at };
        Self { position, waiting: HashMap::from([(message, (waiting, true))]) }
    }
}
