//! The Blocked Email list: who must not be written to, for which kinds of broadcast, and why.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::event::{BlockCause, Envelope, Event};
use crate::id::{EventId, Kind};

/// What a block covers.
///
/// ```
/// use mailtrail_core::suppression::Scope;
/// let scope = Scope::Kind("general".parse()?);
/// assert_eq!(serde_json::to_string(&scope).unwrap(), r#"{"kind":"general"}"#);
/// assert_eq!(serde_json::to_string(&Scope::AllKinds).unwrap(), r#""all_kinds""#);
/// # Ok::<(), mailtrail_core::id::IdError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::exhaustive_enums, reason = "all kinds, or one: closed by the design")]
pub enum Scope {
    /// All kinds of broadcast.
    AllKinds,
    /// One kind.
    Kind(Kind),
}

impl Scope {
    /// Whether it covers broadcasts of this kind.
    pub fn covers(&self, kind: &Kind) -> bool {
        match self {
            Self::AllKinds => true,
            Self::Kind(own) => own == kind,
        }
    }

    pub(crate) fn tag(&self) -> &'static str {
        match self {
            Self::AllKinds => "all_kinds",
            Self::Kind(_) => "kind",
        }
    }

    pub(crate) fn kind_text(&self) -> &str {
        match self {
            Self::AllKinds => "",
            Self::Kind(kind) => kind.as_str(),
        }
    }
}

/// The present entry of one scope.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Entry {
    /// Whether it blocks.
    pub blocked: bool,
    /// Why.
    pub cause: BlockCause,
    /// Since when.
    pub since: DateTime<Utc>,
    /// The event.
    pub event: EventId,
}

/// The entries of one address: per scope the latest. No join: times decide, and at equal times the
/// block wins.
///
/// ```
/// use mailtrail_core::suppression::Suppression;
/// let list = Suppression::default();
/// assert!(list.blocked_for(&"general".parse()?).is_none());
/// # Ok::<(), mailtrail_core::id::IdError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Suppression {
    entries: BTreeMap<Scope, Entry>,
}

impl Suppression {
    /// The list of an address, from the events of its stream in any order.
    pub fn of<'a>(events: impl IntoIterator<Item = &'a Envelope>) -> Self {
        let mut list = Self::default();
        for envelope in events {
            list.add(envelope);
        }
        list
    }

    /// Takes in an event; what is no entry changes nothing.
    pub fn add(&mut self, envelope: &Envelope) {
        let Ok(fact) = envelope.fact() else { return };
        let (scope, blocked, cause) = if let Event::AddressBlocked(entry) = fact.event {
            (entry.scope, true, entry.cause)
        } else if let Event::AddressUnblocked(entry) = fact.event {
            (entry.scope, false, BlockCause::Other)
        } else {
            return;
        };
        let event = &envelope.event;
        let first_recorded = event.origin.as_ref().map_or(envelope.recorded_at, |o| o.recorded_at);
        let since = event.occurred_at.unwrap_or(first_recorded);
        let entry = Entry { blocked, cause, since, event: event.event_id };
        let rank = |entry: &Entry| (entry.since, entry.blocked, entry.event);
        match self.entries.get(&scope) {
            Some(held) if rank(held) >= rank(&entry) => {}
            Some(_) | None => {
                self.entries.insert(scope, entry);
            }
        }
    }

    /// The entry that blocks the address for a kind of broadcast, with its scope.
    pub fn blocked_for(&self, kind: &Kind) -> Option<(&Scope, &Entry)> {
        self.entries.iter().find(|(scope, entry)| entry.blocked && scope.covers(kind))
    }

    /// All present entries.
    pub fn entries(&self) -> impl Iterator<Item = (&Scope, &Entry)> {
        self.entries.iter()
    }
}
