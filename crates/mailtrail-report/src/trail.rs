//! What the events of one stream say that evidence forgets.

use chrono::{DateTime, Utc};
use mailtrail_core::address::normal_or_folded;
use mailtrail_core::event::{Envelope, Event};
use mailtrail_core::lattice::{Each, First, Last, Moment, Sparse};
use mailtrail_core::projection::{Knowledge, StateError, TableValue};
use mailtrail_core::reason::Reason;
use mailtrail_core::{EventId, Fact, Join, Status, StreamId};
use serde::{Deserialize, Serialize};

use crate::course::{Life, place};
use crate::standing::BroadcastTag;

/// What the events of one stream say.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Trail {
    plan: Option<Plan>,
    reached: Steps,
    refusals: Each<EventId, First<Brought>>,
    /// Of a stream that is not planned: it may be nobody's.
    ends: Sparse<Ends>,
}

/// Of which broadcast a row is, and when it was planned, in microseconds; the greatest time of all if nobody knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Plan {
    broadcast: BroadcastTag,
    at: i64,
}

/// When each status was reached first: the place of the status in the chain, and the time in microseconds; the greatest
/// time of all if none is known. In order of the statuses.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Steps(Vec<(u8, i64)>);

/// The first event of a stream, when the last one was, and the recipient that the first of those names which name one: an
/// address in normal form.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Ends {
    first: First<Brought>,
    last: Last<()>,
    recipient: First<Box<str>>,
}

/// An event, and who brought it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Brought {
    pub(crate) stream: StreamId,
    pub(crate) event_type: Box<str>,
    pub(crate) source: Box<str>,
    pub(crate) reason: Option<Reason>,
}

/// The broadcast of a row, once it is planned, and how it came to its status.
pub(crate) type PlannedLife = Option<(BroadcastTag, Life)>;

/// The first event of a stream, when the last one was, and whom they name.
#[derive(Debug)]
pub(crate) struct Unnamed {
    pub(crate) moment: Moment,
    pub(crate) first: Brought,
    pub(crate) last: Option<DateTime<Utc>>,
    pub(crate) recipient: Option<Box<str>>,
}

impl Trail {
    pub(crate) fn planned(&self) -> PlannedLife {
        Some((self.plan?.broadcast, self.life()))
    }

    pub(crate) fn life(&self) -> Life {
        let known = |at: i64| (at != NO_TIME).then_some(at);
        let planned = self.plan.and_then(|plan| known(plan.at));
        Life::of(planned, self.reached.0.iter().map(|(place, at)| (*place, known(*at))))
    }

    pub(crate) fn is_planned(&self) -> bool {
        self.plan.is_some()
    }

    /// A refusal.
    pub(crate) fn refusal(&self, event: EventId) -> Option<(Moment, Brought)> {
        let first = self.refusals.get(&event)?;
        first.moment().zip(first.value().cloned())
    }

    /// Of a stream that is not planned.
    pub(crate) fn unnamed(&self) -> Option<Unnamed> {
        let Ends { first, last, recipient } = self.ends.value()?;
        Some(Unnamed {
            moment: first.moment()?,
            first: first.value()?.clone(),
            last: last.at(),
            recipient: recipient.value().cloned(),
        })
    }

    fn plan(&mut self, plan: Plan) -> bool {
        let before = self.plan;
        let held = self.plan.get_or_insert(plan);
        held.broadcast = held.broadcast.max(plan.broadcast);
        held.at = held.at.min(plan.at);
        self.plan != before
    }
}

impl Knowledge for Trail {
    fn learn(&mut self, envelope: &Envelope, fact: Option<&Fact>) {
        let moment = moment(envelope);
        let at = moment.at.map_or(NO_TIME, |at| at.timestamp_micros());
        if let Some(row) = fact.and_then(|fact| fact.event.row()) {
            self.plan(Plan { broadcast: BroadcastTag::of(&row.broadcast), at });
        }
        if self.is_planned() {
            self.ends = Sparse::default();
        } else {
            let ends = self.ends.grow();
            ends.first.join(First::of(moment, Brought::of(envelope, fact)));
            ends.last.join(Last::of(moment, ()));
            if let Some(recipient) = envelope.private().recipient {
                let normal = normal_or_folded(&recipient).into();
                ends.recipient.join(First::of(moment, normal));
            }
        }
        let Some(fact) = fact else { return };
        let Some(floor) = fact.floor() else { return };
        self.reached.add(place(floor), at);
        let is_refusal = matches!(floor, Status::Blocked | Status::Bounced | Status::Failed);
        // One that was read again is the same refusal.
        if is_refusal && !matches!(fact.event, Event::Reclassified(_)) {
            let brought = Brought::of(envelope, Some(fact));
            self.refusals.join_at(moment.event, First::of(moment, brought));
        }
    }
}

impl Brought {
    pub(crate) fn of(envelope: &Envelope, fact: Option<&Fact>) -> Self {
        let reason = fact.and_then(|fact| match &fact.event {
            Event::Bounced(event) => Some(event.diagnosis.reason),
            Event::Deferred(event) => Some(event.diagnosis.reason),
            Event::Suppressed(event) => event.diagnosis.as_ref().map(|diagnosis| diagnosis.reason),
            Event::Malformed(event) => Some(event.reason),
            _ => None,
        });
        Self {
            stream: envelope.stream,
            event_type: envelope.event.event_type.as_str().into(),
            source: envelope.event.source.as_str().into(),
            reason,
        }
    }
}

pub(crate) fn moment(envelope: &Envelope) -> Moment {
    Moment { at: envelope.event.occurred_at, event: envelope.event.event_id }
}

impl Join for Trail {
    fn join(&mut self, other: Self) -> bool {
        let mut grew = other.plan.is_some_and(|plan| self.plan(plan));
        grew |= self.reached.join(other.reached);
        grew |= self.refusals.join(other.refusals);
        if self.is_planned() {
            self.ends = Sparse::default();
            return grew;
        }
        grew | self.ends.join(other.ends)
    }
}

impl Steps {
    fn add(&mut self, place: u8, at: i64) -> bool {
        match self.0.binary_search_by_key(&place, |(place, _)| *place) {
            Err(index) => self.0.insert(index, (place, at)),
            Ok(index) => match self.0.get_mut(index) {
                Some((_, held)) if at < *held => *held = at,
                _ => return false,
            },
        }
        true
    }
}

impl Join for Steps {
    fn join(&mut self, other: Self) -> bool {
        other.0.into_iter().fold(false, |grew, (place, at)| self.add(place, at) | grew)
    }
}

impl Join for Ends {
    fn join(&mut self, other: Self) -> bool {
        self.first.join(other.first)
            | self.last.join(other.last)
            | self.recipient.join(other.recipient)
    }
}

/// In postcard: compact, and thrown away whenever the projection's revision is raised.
impl TableValue for Trail {
    fn encode(&self) -> Result<Vec<u8>, StateError> {
        written(self)
    }

    fn decode(bytes: &[u8]) -> Result<Self, StateError> {
        read(bytes)
    }
}

pub(crate) fn written(value: &impl Serialize) -> Result<Vec<u8>, StateError> {
    postcard::to_stdvec(value).map_err(|error| StateError::Unwritable { cause: error.into() })
}

pub(crate) fn read<'de, T: Deserialize<'de>>(bytes: &'de [u8]) -> Result<T, StateError> {
    postcard::from_bytes(bytes).map_err(|error| StateError::Corrupt { cause: error.into() })
}

/// After every time that there is.
const NO_TIME: i64 = i64::MAX;
