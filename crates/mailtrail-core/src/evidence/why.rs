//! What decided the status.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::diagnosis::{Diagnosis, EnhancedCode, ReplyCode};
use crate::event::{
    Agent, BlockCause, Event, Reading, Reclassified, SuppressedBy, UnsubscribedHow,
};
use crate::id::EventId;
use crate::lattice::{Join, Moment};
use crate::reason::Reason;
use crate::status::Status;

/// The event that decided the status, and what it stated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Why {
    /// The reason of a failure.
    pub reason: Option<Reason>,
    /// The reply code.
    pub reply_code: Option<ReplyCode>,
    /// The enhanced code.
    pub enhanced_code: Option<EnhancedCode>,
    /// Who blocked it, and why.
    pub blocked: Option<(SuppressedBy, BlockCause, Option<DateTime<Utc>>)>,
    /// Who opened it.
    pub agent: Option<Agent>,
    /// The event that was read again, if a newer reading of it decided.
    pub reread: Option<EventId>,
}

/// The highest floor, with the fact that decided it: at one floor a fact that knows its reason goes
/// before one that doesn't, then the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Decisive(pub(super) Option<(Status, Moment, Why)>);

impl Decisive {
    pub(super) fn of(floor: Status, moment: Moment, why: Why) -> Self {
        Self(Some((floor, moment, why)))
    }

    pub(super) fn status(&self) -> Status {
        self.0.as_ref().map_or(Status::Unsent, |(status, _, _)| *status)
    }
}

impl Join for Decisive {
    fn join(&mut self, other: Self) -> bool {
        let Some((status, moment, why)) = other.0 else { return false };
        let wins = self.0.as_ref().is_none_or(|(held, held_moment, held_why)| {
            let rank = |moment: &Moment, why: &Why| {
                (!why.is_specific(), moment.at.is_none(), moment.at, moment.event)
            };
            status > *held || (status == *held && rank(&moment, &why) < rank(held_moment, held_why))
        });
        if wins {
            self.0 = other.0;
        }
        wins
    }
}

impl Why {
    pub(super) fn of(event: &Event) -> Self {
        let failure = |diagnosis: &Diagnosis| Self {
            reason: Some(diagnosis.reason),
            reply_code: diagnosis.reply_code,
            enhanced_code: diagnosis.enhanced_code,
            ..Self::default()
        };
        match event {
            Event::Bounced(event) => failure(&event.diagnosis),
            Event::Deferred(event) => failure(&event.diagnosis),
            Event::Suppressed(event) => Self {
                blocked: Some((event.by, event.cause, event.since)),
                ..event.diagnosis.as_ref().map(failure).unwrap_or_default()
            },
            Event::Malformed(event) => Self { reason: Some(event.reason), ..Self::default() },
            Event::Opened(event) => Self { agent: Some(event.agent), ..Self::default() },
            Event::Clicked(event) => Self { agent: Some(event.agent), ..Self::default() },
            Event::Reclassified(Reclassified { of, reading: Reading::Reason(reason), .. }) => {
                Self { reason: Some(*reason), reread: Some(*of), ..Self::default() }
            }
            Event::Reclassified(Reclassified { of, reading: Reading::Agent(agent), .. }) => {
                Self { agent: Some(*agent), reread: Some(*of), ..Self::default() }
            }
            Event::Unsubscribed(event) if event.how == UnsubscribedHow::Page => {
                Self { agent: Some(Agent::Human), ..Self::default() }
            }
            Event::BroadcastCreated(_)
            | Event::BroadcastClosed(_)
            | Event::Queued(_)
            | Event::NotSelected(_)
            | Event::Duplicated(_)
            | Event::Attempted(_)
            | Event::Sent(_)
            | Event::Delivered(_)
            | Event::Hit(_)
            | Event::Complained(_)
            | Event::Unsubscribed(_)
            | Event::Resubscribed(_)
            | Event::AutoReplied(_)
            | Event::Custom(_)
            | Event::AddressClaimed(_)
            | Event::AddressBlocked(_)
            | Event::AddressUnblocked(_) => Self::default(),
        }
    }

    fn is_specific(&self) -> bool {
        self.reason.is_none_or(Reason::is_known)
            && self.agent.is_none_or(|agent| agent != Agent::Unknown)
    }
}
