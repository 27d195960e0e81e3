//! What single events say that evidence forgets: when each status was reached, what nobody's delivery is told, who spoke
//! against it.

use std::borrow::Cow;

use mailtrail_core::event::{DecodeError, Envelope, Event};
use mailtrail_core::id::Category;
use mailtrail_core::lattice::{First, Moment};
use mailtrail_core::projection::{
    ApplyError, Deliveries, Emit, KeptState, Pages, Parted, Projection, StateError, Table,
    TableKey, TableValue,
};
use mailtrail_core::store::Filter;
use mailtrail_core::{BroadcastId, DeliveryId, EventId, Fact, Join, StreamId};

use crate::course::{Course, Life};
use crate::standing::BroadcastTag;
use crate::trail::{Brought, PlannedLife, Trail, Unnamed, moment, read, written};

/// Builds the state from which [`UnmatchedFeedback`](crate::UnmatchedFeedback), [`Contradictions`](crate::Contradictions),
/// [`CustomEvents`](crate::CustomEvents) and [`OverTime`](crate::OverTime) are read, whatever the order of events.
///
/// ```
/// use mailtrail_core::projection::Projection;
/// use mailtrail_report::{EmailLogState, Trails, TrailsState, UnmatchedFeedback};
/// let mut state = TrailsState::default();
/// # let envelopes: Vec<mailtrail_core::event::Envelope> = Vec::new();
/// for envelope in &envelopes {
///     Trails.apply(envelope, &mut state)?;
/// }
/// assert!(UnmatchedFeedback::of(&EmailLogState::default(), &state)?.feedback.is_empty());
/// # Ok::<(), mailtrail_core::projection::ApplyError>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "it has no parts")]
pub struct Trails;

/// What single events say, by delivery and by key, and how each broadcast went, minute by minute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrailsState {
    deliveries: Deliveries<Trail>,
    custom: Table<CustomKey, HeldCustom>,
    /// Up to date where the state is kept; in memory empty until it is saved: building it costs one look at each row then,
    /// not two at each event.
    courses: Table<BroadcastTag, Course>,
    is_kept: bool,
}

/// The entries of custom events are found by this.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct CustomKey(EventId);

/// An event that is none of ours.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct HeldCustom(First<Brought>);

impl Projection for Trails {
    type State = TrailsState;

    fn name(&self) -> &'static str {
        "trails"
    }

    fn revision(&self) -> u32 {
        3
    }

    fn filter(&self) -> Filter {
        let categories =
            [Category::BROADCAST, Category::DELIVERY, Category::KEY, Category::MESSAGE];
        categories.into_iter().fold(Filter::all(), Filter::category)
    }

    fn apply(&self, envelope: &Envelope, state: &mut TrailsState) -> Result<(), ApplyError> {
        Ok(state.apply(envelope)?)
    }
}

impl TrailsState {
    /// How a row came to its status.
    pub(crate) fn life(&self, delivery: DeliveryId) -> Result<Life, StateError> {
        Ok(self.deliveries.of(delivery)?.life())
    }

    /// How the rows of a broadcast came to theirs.
    pub(crate) fn course(&self, broadcast: &BroadcastId) -> Result<Cow<'_, Course>, StateError> {
        let broadcast = BroadcastTag::of(broadcast);
        if self.is_kept {
            return Ok(self.courses.get(&broadcast)?.unwrap_or_default());
        }
        let mut course = Course::default();
        for delivery in self.deliveries.in_memory() {
            let planned = self.deliveries.of(delivery)?.planned();
            if let Some((_, life)) = planned.filter(|(of, _)| *of == broadcast) {
                course.add(&life);
            }
        }
        Ok(Cow::Owned(course))
    }

    /// A refusal of a delivery.
    pub(crate) fn refusal(
        &self,
        delivery: DeliveryId,
        event: EventId,
    ) -> Result<Option<(Moment, Brought)>, StateError> {
        Ok(self.deliveries.of(delivery)?.refusal(event))
    }

    /// The streams that no delivery names, in order of the time of their first events.
    pub(crate) fn unmatched(&self) -> Result<Vec<Unnamed>, StateError> {
        let mut unmatched: Vec<Unnamed> = Vec::new();
        self.deliveries
            .each_unmatched(Trail::is_planned, |trail| unmatched.extend(trail.unnamed()))?;
        unmatched.sort_by_key(|one| (one.moment.at, one.moment.event));
        Ok(unmatched)
    }

    /// All events that are none of ours, in order of time.
    pub(crate) fn custom(&self) -> Result<Vec<(Moment, Brought)>, StateError> {
        let mut custom = Vec::new();
        self.custom.each(|held| {
            custom.extend(held.0.moment().zip(held.0.value().cloned()));
            Ok::<_, StateError>(())
        })?;
        custom.sort_by_key(|(moment, _)| (moment.at, moment.event));
        Ok(custom)
    }

    /// The deliveries that an event on this stream concerns.
    pub(crate) fn concerned(&self, stream: StreamId) -> Result<Vec<DeliveryId>, StateError> {
        self.deliveries.concerned(stream)
    }

    fn apply(&mut self, envelope: &Envelope) -> Result<(), StateError> {
        let fact = envelope.fact();
        let custom_type = match &fact {
            Ok(Fact { event: Event::Custom(custom), .. }) => Some(custom.custom_type.clone()),
            Err(DecodeError::UnknownType) => Some(envelope.event.event_type.as_str().into()),
            _ => None,
        };
        if let Some(custom_type) = custom_type {
            let mut brought = Brought::of(envelope, None);
            brought.event_type = custom_type;
            let held = self.custom.get_mut(&CustomKey(envelope.event.event_id))?;
            held.0.join(First::of(moment(envelope), brought));
        }
        let fact = fact.ok();
        if let Some(row) = fact.as_ref().and_then(|fact| fact.event.row()) {
            // Always there, so that states that are equal have equal entries.
            self.courses.get_mut(&BroadcastTag::of(&row.broadcast))?;
        }
        if !self.is_kept {
            return self.deliveries.add(envelope, fact.as_ref());
        }
        let change = self.deliveries.change(envelope, fact.as_ref(), Trail::is_planned)?;
        for (before, after) in change.into_known() {
            let (before, after) = (before.planned(), after.planned());
            if before != after {
                self.count(before, Course::remove)?;
                self.count(after, Course::add)?;
            }
        }
        Ok(())
    }

    fn count(
        &mut self,
        planned: PlannedLife,
        count: fn(&mut Course, &Life),
    ) -> Result<(), StateError> {
        let Some((broadcast, life)) = planned else { return Ok(()) };
        count(self.courses.get_mut(&broadcast)?, &life);
        Ok(())
    }
}

impl Join for HeldCustom {
    fn join(&mut self, other: Self) -> bool {
        self.0.join(other.0)
    }
}

impl KeptState for TrailsState {
    fn attach(pages: &Pages) -> Result<Self, StateError> {
        let (deliveries, custom) = (Deliveries::attached(pages), Table::attached(CUSTOM, pages));
        let courses = Table::attached(COURSES, pages);
        Ok(Self { deliveries, custom, courses, is_kept: true })
    }

    fn take_changes(&mut self, emit: Emit<'_>) -> Result<(), StateError> {
        if !self.is_kept {
            let deliveries: Vec<_> = self.deliveries.in_memory().collect();
            for delivery in deliveries {
                let planned = self.deliveries.of(delivery)?.planned();
                self.count(planned, Course::add)?;
            }
        }
        self.deliveries.take_changes(emit)?;
        self.custom.take_changes(emit)?;
        self.courses.take_changes(emit)
    }
}

impl Parted for TrailsState {
    fn of_parts(parts: Vec<Self>) -> Result<Self, StateError> {
        let mut whole = Self::default();
        for part in parts {
            whole.deliveries.join(part.deliveries)?;
            whole.custom.join(part.custom)?;
            for (broadcast, _) in part.courses.each_in_memory() {
                whole.courses.get_mut(broadcast)?;
            }
        }
        Ok(whole)
    }
}

impl Default for TrailsState {
    fn default() -> Self {
        let (custom, courses) = (Table::new(CUSTOM), Table::new(COURSES));
        Self { deliveries: Deliveries::default(), custom, courses, is_kept: false }
    }
}

impl TableValue for HeldCustom {
    fn encode(&self) -> Result<Vec<u8>, StateError> {
        written(&self.0)
    }

    fn decode(bytes: &[u8]) -> Result<Self, StateError> {
        read(bytes).map(Self)
    }
}

impl TableKey for CustomKey {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.0.as_bytes());
    }
}

const CUSTOM: u8 = b'c';
const COURSES: u8 = b'b';
