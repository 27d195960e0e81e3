//! What only some deliveries have: a pointer in the evidence of all others.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::event::{Agent, Reading, Reclassified};
use crate::id::EventId;
use crate::lattice::{Distinct, Each, First, Greatest, Join, Last};
use crate::reason::Reason;

/// What the last deferral said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Deferral {
    /// Why.
    pub reason: Reason,
    /// Which attempt it was.
    pub attempt: Option<u32>,
    /// When the next one is.
    pub next_attempt: Option<DateTime<Utc>>,
}

/// Who opened and clicked.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Seen {
    pub(super) opened: First<()>,
    pub(super) opens: Distinct<(EventId, Agent)>,
    pub(super) clicks: Distinct<(EventId, Agent)>,
}

/// Deferrals and refusals.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Trouble {
    pub(super) deferred: Last<Deferral>,
    pub(super) deferrals: Distinct<EventId>,
    pub(super) refusals: Distinct<EventId>,
}

/// What few deliveries have.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Rare {
    pub(super) readings: Each<EventId, Greatest<CurrentReading>>,
    pub(super) complained: First<()>,
    pub(super) unsubscribed: First<()>,
    pub(super) auto_replied: First<()>,
    pub(super) moved: First<()>,
    pub(super) foreign: Distinct<EventId>,
}

impl Join for Seen {
    fn join(&mut self, other: Self) -> bool {
        let grew = self.opened.join(other.opened) | self.opens.join(other.opens);
        grew | self.clicks.join(other.clicks)
    }
}

impl Join for Trouble {
    fn join(&mut self, other: Self) -> bool {
        let grew = self.deferred.join(other.deferred) | self.deferrals.join(other.deferrals);
        grew | self.refusals.join(other.refusals)
    }
}

impl Join for Rare {
    fn join(&mut self, other: Self) -> bool {
        let mut grew = self.readings.join(other.readings);
        grew |= self.complained.join(other.complained);
        grew |= self.unsubscribed.join(other.unsubscribed);
        grew |= self.auto_replied.join(other.auto_replied);
        grew |= self.moved.join(other.moved);
        grew | self.foreign.join(other.foreign)
    }
}

/// Ordered as the design says: by the rules' sequence, their digest, then the event.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct CurrentReading {
    rules_sequence: u64,
    rules_digest: Box<str>,
    event: EventId,
    pub(super) reading: Reading,
}

impl CurrentReading {
    pub(super) fn of(reclassified: &Reclassified, event: EventId) -> Self {
        let Reclassified { rules_sequence, rules_digest, reading, .. } = reclassified.clone();
        Self { rules_sequence, rules_digest, event, reading }
    }
}
