//! What is known about one delivery: the join of its events.

mod explain;
mod parts;
mod why;

pub use explain::{Explanation, Step};
pub use parts::Deferral;
pub use why::Why;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::event::{Agent, Envelope, Event, Fact, Reading};
use crate::id::{DeliveryId, EventId, StreamId};
use crate::lattice::{Distinct, First, Greatest, Join, Last, Moment, Sparse};
use crate::reason::Reason;
use crate::status::Status;
use parts::{CurrentReading, Rare, Seen, Trouble};
use why::Decisive;

/// The join of a delivery's events: the same whatever their order, repetition and lateness.
///
/// # What decides the status?
/// The highest floor among its events. It never moves back:
/// ```
/// use mailtrail_core::event::{Bounced, Sent};
/// use mailtrail_core::reason::Reason;
/// use mailtrail_core::{Event, EventId, Evidence, Fact, Status};
/// let mut evidence = Evidence::default();
/// let facts: [Event; 2] = [Bounced::because(Reason::UserUnknown).into(), Sent::default().into()];
/// for (n, event) in facts.into_iter().enumerate() {
///     evidence.add(EventId::from_bytes([n as u8; 16]), None, &Fact::new(event));
/// }
/// assert_eq!(evidence.status(), Status::Failed);
/// assert_eq!(evidence.why().unwrap().reason, Some(Reason::UserUnknown));
/// ```
/// # Which facts speak against it?
/// [`contradictions`](Self::contradictions): a delivery that arrived, and yet was refused.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Evidence {
    decisive: Decisive,
    planned: First<Planned>,
    attempted: Distinct<(u32, EventId)>,
    concluded: Distinct<u32>,
    keys: Distinct<StreamId>,
    sent: First<()>,
    delivered: First<()>,
    last: Last<()>,
    seen: Sparse<Seen>,
    trouble: Sparse<Trouble>,
    rare: Sparse<Rare>,
}

/// How a row was planned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Planned {
    /// To be sent.
    Queued,
    /// The contact has no address for this kind of broadcast.
    NotSelected,
    /// This delivery has the address.
    Duplicated(DeliveryId),
    /// The address was blocked.
    Suppressed,
    /// The text is no address.
    Malformed,
}

/// What to do about an attempt of which no outcome is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum OnDoubt {
    /// Leave it: nobody gets the message twice.
    #[default]
    Hold,
    /// Send again: nobody is left out.
    Resend,
}

/// Opens by who opened, by current readings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Opens {
    /// By persons.
    pub human: usize,
    /// By the mailbox's provider.
    pub machine: usize,
    /// Nobody can tell.
    pub unknown: usize,
}

impl Evidence {
    /// The evidence of one fact.
    pub fn of(id: EventId, occurred_at: Option<DateTime<Utc>>, fact: &Fact) -> Self {
        let mut evidence = Self::default();
        evidence.add(id, occurred_at, fact);
        evidence
    }

    /// Takes in a fact. Says whether it was new.
    pub fn add(&mut self, id: EventId, occurred_at: Option<DateTime<Utc>>, fact: &Fact) -> bool {
        let moment = Moment { at: occurred_at, event: id };
        let mut grew = self.last.join(Last::of(moment, ()));
        if let Some(floor) = fact.floor() {
            let why = Why::of(&fact.event);
            grew |= self.decisive.join(Decisive::of(floor, moment, why));
            if matches!(floor, Status::Blocked | Status::Bounced | Status::Failed) {
                // Read again it is still one refusal.
                let refusal = why.reread.unwrap_or(id);
                grew |= self.trouble.grow().refusals.insert(refusal);
            }
            grew |= self.add_raising(moment, fact, floor);
        }
        grew | self.add_neutral(moment, &fact.event)
    }

    /// Takes in a stored event; one that this version can't read is counted as foreign.
    pub fn add_envelope(&mut self, envelope: &Envelope) -> bool {
        let event = &envelope.event;
        match envelope.fact() {
            Ok(fact) => self.add(event.event_id, event.occurred_at, &fact),
            Err(_) => self.add_foreign(event.event_id, event.occurred_at),
        }
    }

    /// Counts an event that this version can't read.
    pub fn add_foreign(&mut self, id: EventId, occurred_at: Option<DateTime<Utc>>) -> bool {
        let moment = Moment { at: occurred_at, event: id };
        self.last.join(Last::of(moment, ())) | self.rare.grow().foreign.insert(id)
    }

    /// What people see.
    pub fn status(&self) -> Status {
        self.decisive.status()
    }

    /// What decided the status; `None` if nothing is known.
    pub fn why(&self) -> Option<&Why> {
        self.decisive.0.as_ref().map(|(_, _, why)| why)
    }

    /// The event that decided the status, and when it claims to have happened.
    pub fn decided_by(&self) -> Option<Moment> {
        self.decisive.0.as_ref().map(|(_, moment, _)| *moment)
    }

    /// The events that speak against a status of at least Delivered.
    pub fn contradictions(&self) -> &[EventId] {
        match self.trouble.value() {
            Some(trouble) if self.status() >= Status::Delivered => trouble.refusals.as_slice(),
            Some(_) | None => &[],
        }
    }

    /// How the row was planned; `None` if it has no planning event (*unmatched feedback*).
    pub fn planned(&self) -> Option<Planned> {
        self.planned.value().copied()
    }

    /// When the row was planned.
    pub fn planned_at(&self) -> Option<DateTime<Utc>> {
        self.planned.at()
    }

    /// When someone first took it.
    pub fn sent_at(&self) -> Option<DateTime<Utc>> {
        self.sent.at()
    }

    /// Whether it waits to be sent: planned for it, and nothing final has come since.
    pub fn is_waiting(&self) -> bool {
        self.planned() == Some(Planned::Queued)
            && matches!(self.status(), Status::Unsent | Status::SoftBounced)
            && !self.is_sent()
    }

    /// Whether its delivery was confirmed, and not only shown by what came back.
    pub fn is_confirmed(&self) -> bool {
        self.delivered.value().is_some()
    }

    /// Whether someone took it.
    pub fn is_sent(&self) -> bool {
        self.sent.value().is_some()
    }

    /// When delivery was first confirmed.
    pub fn delivered_at(&self) -> Option<DateTime<Utc>> {
        self.delivered.at()
    }

    /// When it was first opened by a person, or by nobody can tell whom.
    pub fn first_opened_at(&self) -> Option<DateTime<Utc>> {
        self.seen.value()?.opened.at()
    }

    /// What the last deferral said, and when.
    pub fn deferred(&self) -> Option<(Option<DateTime<Utc>>, &Deferral)> {
        let deferred = &self.trouble.value()?.deferred;
        deferred.value().map(|deferral| (deferred.at(), deferral))
    }

    /// How many attempts were deferred.
    pub fn deferrals(&self) -> usize {
        self.trouble.value().map_or(0, |trouble| trouble.deferrals.len())
    }

    /// How many attempts we made.
    pub fn attempts(&self) -> usize {
        self.attempted.len()
    }

    /// The number of our last attempt.
    pub fn last_attempt(&self) -> Option<u32> {
        self.attempted.as_slice().last().map(|(number, _)| *number)
    }

    /// Our attempts of which no outcome is known: the message may have been taken, or not.
    pub fn in_doubt(&self) -> impl Iterator<Item = u32> {
        let numbers = self.attempted.as_slice().iter().map(|(number, _)| *number);
        numbers.filter(|number| !self.concluded.contains(number))
    }

    /// The streams of the keys by which feedback may name this delivery.
    pub fn keys(&self) -> &[StreamId] {
        self.keys.as_slice()
    }

    /// Opens by who opened, by current readings.
    pub fn opens(&self) -> Opens {
        let mut opens = Opens::default();
        for (id, agent) in self.seen.value().map_or(&[][..], |seen| seen.opens.as_slice()) {
            let count = match self.current_agent(*id).unwrap_or(*agent) {
                Agent::Human => &mut opens.human,
                Agent::MailboxMachine => &mut opens.machine,
                Agent::Unknown => &mut opens.unknown,
                Agent::Scanner | Agent::Foreign => continue,
            };
            *count = count.saturating_add(1);
        }
        opens
    }

    /// How many clicks there were, without those of machines.
    pub fn clicks(&self) -> usize {
        let by_a_person = |(id, agent): &&(EventId, Agent)| {
            matches!(self.current_agent(*id).unwrap_or(*agent), Agent::Human | Agent::Unknown)
        };
        let clicks = self.seen.value().map_or(&[][..], |seen| seen.clicks.as_slice());
        clicks.iter().filter(by_a_person).count()
    }

    /// When the recipient complained; the outer `None` says never.
    pub fn complained(&self) -> Option<Option<DateTime<Utc>>> {
        let first = &self.rare.value()?.complained;
        first.value().map(|()| first.at())
    }

    /// When the recipient unsubscribed; the outer `None` says never.
    pub fn unsubscribed(&self) -> Option<Option<DateTime<Utc>>> {
        let first = &self.rare.value()?.unsubscribed;
        first.value().map(|()| first.at())
    }

    /// When an automatic answer came; the outer `None` says never.
    pub fn auto_replied(&self) -> Option<Option<DateTime<Utc>>> {
        let first = &self.rare.value()?.auto_replied;
        first.value().map(|()| first.at())
    }

    /// When an automatic answer said that the person has moved; the outer `None` says never.
    pub fn moved(&self) -> Option<Option<DateTime<Utc>>> {
        let first = &self.rare.value()?.moved;
        first.value().map(|()| first.at())
    }

    /// When the last fact about it claims to have happened.
    pub fn last_at(&self) -> Option<DateTime<Utc>> {
        self.last.at()
    }

    /// How many events this version can't read: the status may be higher.
    pub fn foreign(&self) -> usize {
        self.rare.value().map_or(0, |rare| rare.foreign.len())
    }

    /// The current reading of an event of this delivery, if it was ever read again.
    pub fn current_reading(&self, event: EventId) -> Option<Reading> {
        self.rare.value()?.readings.get(&event)?.value().map(|current| current.reading)
    }

    /// The current reason of the event that decided the status, where it differs from the first.
    pub fn corrected_reason(&self) -> Option<Reason> {
        let why = self.why()?;
        let event = why.reread.unwrap_or(self.decided_by()?.event);
        match self.current_reading(event)? {
            Reading::Reason(reason) => (why.reason != Some(reason)).then_some(reason),
            Reading::Agent(_) => None,
        }
    }

    /// The reason of the event that decided the status, as it is read at present.
    pub fn current_reason(&self) -> Option<Reason> {
        self.corrected_reason().or(self.why()?.reason)
    }

    fn current_agent(&self, event: EventId) -> Option<Agent> {
        match self.current_reading(event)? {
            Reading::Agent(agent) => Some(agent),
            Reading::Reason(_) => None,
        }
    }

    /// Facts that raise a status: what is message-level never comes here.
    fn add_raising(&mut self, moment: Moment, fact: &Fact, floor: Status) -> bool {
        let once = First::of(moment, ());
        match &fact.event {
            Event::Queued(_) => self.plan(moment, Planned::Queued),
            Event::NotSelected(_) => self.plan(moment, Planned::NotSelected),
            Event::Duplicated(event) => self.plan(moment, Planned::Duplicated(event.of)),
            Event::Malformed(_) => self.plan(moment, Planned::Malformed),
            Event::Suppressed(event) if event.row.is_some() => {
                self.plan(moment, Planned::Suppressed)
            }
            Event::Sent(event) => self.sent.join(once) | self.conclude(event.attempt, &event.keys),
            Event::Deferred(event) => {
                let reason = event.diagnosis.reason;
                let deferral =
                    Deferral { reason, attempt: event.attempt, next_attempt: event.next_attempt };
                let trouble = self.trouble.grow();
                trouble.deferred.join(Last::of(moment, deferral))
                    | trouble.deferrals.insert(moment.event)
                    | self.conclude(event.attempt, &event.keys)
            }
            Event::Bounced(event) => self.conclude(event.attempt, &event.keys),
            Event::Delivered(event) => {
                self.delivered.join(once) | self.conclude(event.attempt, &event.keys)
            }
            Event::Opened(event) => {
                let seen = self.seen.grow();
                let opened = floor == Status::Opened && seen.opened.join(once);
                seen.opens.insert((moment.event, event.agent)) | opened
            }
            Event::Clicked(event) => {
                let seen = self.seen.grow();
                let opened = floor == Status::Opened && seen.opened.join(once);
                seen.clicks.insert((moment.event, event.agent)) | opened
            }
            Event::Complained(_) => self.rare.grow().complained.join(once),
            Event::Unsubscribed(_) => self.rare.grow().unsubscribed.join(once),
            Event::AutoReplied(event) => {
                let rare = self.rare.grow();
                rare.auto_replied.join(once) | (event.address_change && rare.moved.join(once))
            }
            Event::Suppressed(_)
            | Event::Reclassified(_)
            | Event::BroadcastCreated(_)
            | Event::BroadcastClosed(_)
            | Event::Attempted(_)
            | Event::Hit(_)
            | Event::Resubscribed(_)
            | Event::Custom(_)
            | Event::AddressClaimed(_)
            | Event::AddressBlocked(_)
            | Event::AddressUnblocked(_) => false,
        }
    }

    /// Facts that matter whatever their floor.
    fn add_neutral(&mut self, moment: Moment, event: &Event) -> bool {
        match event {
            Event::Attempted(event) => {
                self.attempted.insert((event.attempt, moment.event))
                    | self.conclude(None, &event.keys)
            }
            Event::Reclassified(event) => {
                let current = CurrentReading::of(event, moment.event);
                self.rare.grow().readings.join_at(event.of, Greatest::of(current))
            }
            Event::Bounced(event) if event.diagnosis.reason == Reason::Foreign => {
                self.rare.grow().foreign.insert(moment.event)
            }
            Event::Deferred(event) if event.diagnosis.reason == Reason::Foreign => {
                self.rare.grow().foreign.insert(moment.event)
            }
            Event::Opened(event) if event.agent == Agent::Foreign => {
                self.rare.grow().foreign.insert(moment.event)
            }
            Event::Clicked(event) if event.agent == Agent::Foreign => {
                self.rare.grow().foreign.insert(moment.event)
            }
            Event::Opened(event) if event.agent == Agent::Scanner => {
                self.seen.grow().opens.insert((moment.event, event.agent))
            }
            Event::Clicked(event) if event.agent == Agent::Scanner => {
                self.seen.grow().clicks.insert((moment.event, event.agent))
            }
            Event::BroadcastCreated(_)
            | Event::BroadcastClosed(_)
            | Event::Queued(_)
            | Event::NotSelected(_)
            | Event::Duplicated(_)
            | Event::Suppressed(_)
            | Event::Malformed(_)
            | Event::Sent(_)
            | Event::Deferred(_)
            | Event::Bounced(_)
            | Event::Delivered(_)
            | Event::Hit(_)
            | Event::Opened(_)
            | Event::Clicked(_)
            | Event::Complained(_)
            | Event::Unsubscribed(_)
            | Event::Resubscribed(_)
            | Event::AutoReplied(_)
            | Event::Custom(_)
            | Event::AddressClaimed(_)
            | Event::AddressBlocked(_)
            | Event::AddressUnblocked(_) => false,
        }
    }

    fn plan(&mut self, moment: Moment, planned: Planned) -> bool {
        self.planned.join(First::of(moment, planned))
    }

    fn conclude(&mut self, attempt: Option<u32>, keys: &[StreamId]) -> bool {
        let concluded = attempt.is_some_and(|number| self.concluded.insert(number));
        keys.iter().fold(concluded, |grew, key| self.keys.insert(*key) | grew)
    }
}

impl Join for Evidence {
    fn join(&mut self, other: Self) -> bool {
        let mut grew = self.decisive.join(other.decisive);
        grew |= self.planned.join(other.planned);
        grew |= self.attempted.join(other.attempted);
        grew |= self.concluded.join(other.concluded);
        grew |= self.keys.join(other.keys);
        grew |= self.sent.join(other.sent);
        grew |= self.delivered.join(other.delivered);
        grew |= self.last.join(other.last);
        grew |= self.seen.join(other.seen);
        grew |= self.trouble.join(other.trouble);
        grew | self.rare.join(other.rare)
    }
}
