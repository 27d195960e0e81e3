//! What single events say that evidence forgets: when each status was reached, what nobody's delivery is told, who spoke
//! against it.

use chrono::{DateTime, Utc};
use mailtrail_core::event::{DecodeError, Envelope, Event};
use mailtrail_core::id::Category;
use mailtrail_core::lattice::{Each, First, Last, Moment, Sparse};
use mailtrail_core::projection::{
    ApplyError, Deliveries, Emit, KeptState, Knowledge, Pages, Parted, Projection, StateError,
    Table, TableKey, TableValue,
};
use mailtrail_core::reason::Reason;
use mailtrail_core::store::Filter;
use mailtrail_core::{DeliveryId, EventId, Fact, Join, Status, StreamId};
use serde::{Deserialize, Serialize};

/// Builds the state from which [`UnmatchedFeedback`](crate::UnmatchedFeedback), [`Contradictions`](crate::Contradictions),
/// [`CustomEvents`](crate::CustomEvents) and [`OverTime`](crate::OverTime) are read, whatever the order of events.
///
/// ```
/// use mailtrail_core::projection::Projection;
/// use mailtrail_report::{Trails, TrailsState, UnmatchedFeedback};
/// let mut state = TrailsState::default();
/// # let envelopes: Vec<mailtrail_core::event::Envelope> = Vec::new();
/// for envelope in &envelopes {
///     Trails.apply(envelope, &mut state)?;
/// }
/// assert!(UnmatchedFeedback::of(&state)?.feedback.is_empty());
/// # Ok::<(), mailtrail_core::projection::ApplyError>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "it has no parts")]
pub struct Trails;

/// What single events say, by delivery and by key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrailsState {
    deliveries: Deliveries<Trail>,
    custom: Table<CustomKey, HeldCustom>,
}

/// What the events of one stream say.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Trail {
    is_planned: bool,
    reached: Steps,
    refusals: Each<EventId, First<Brought>>,
    /// Of a stream that is not planned: it may be nobody's.
    ends: Sparse<Ends>,
}

/// When each status was reached first: the place of the status in the chain, and the time in microseconds; the greatest
/// time of all if none is known. In order of the statuses.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Steps(Vec<(u8, i64)>);

/// The first event of a stream, and when the last one was.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Ends {
    first: First<Brought>,
    last: Last<()>,
}

/// An event, and who brought it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Brought {
    pub(crate) stream: StreamId,
    pub(crate) event_type: Box<str>,
    pub(crate) source: Box<str>,
    pub(crate) reason: Option<Reason>,
}

/// A status, and when a delivery reached it first.
pub(crate) type Reached = (Status, Option<DateTime<Utc>>);

/// The first event of a stream, and when the last one was.
pub(crate) type FirstAndLast = (Moment, Brought, Option<DateTime<Utc>>);

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
        1
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
    /// When a delivery reached each of its statuses first, in order of the statuses; without a time, if none is known.
    pub(crate) fn reached(&self, delivery: DeliveryId) -> Result<Vec<Reached>, StateError> {
        let trail = self.deliveries.of(delivery)?;
        let status = |place: u8| Status::ALL.get(usize::from(place)).copied();
        let reached = trail.reached.0.iter();
        let time = |at: i64| DateTime::from_timestamp_micros(at).filter(|_| at != NO_TIME);
        Ok(reached.filter_map(|(place, at)| Some((status(*place)?, time(*at)))).collect())
    }

    /// A refusal of a delivery.
    pub(crate) fn refusal(
        &self,
        delivery: DeliveryId,
        event: EventId,
    ) -> Result<Option<(Moment, Brought)>, StateError> {
        let trail = self.deliveries.of(delivery)?;
        let first = trail.refusals.get(&event);
        Ok(first.and_then(|first| first.moment().zip(first.value().cloned())))
    }

    /// The first event of each stream that no delivery names, and when the last one was: in order of time.
    pub(crate) fn unmatched(&self) -> Result<Vec<FirstAndLast>, StateError> {
        let mut unmatched: Vec<FirstAndLast> = Vec::new();
        self.deliveries.each_unmatched(
            |trail| trail.is_planned,
            |trail| {
                let Some(ends) = trail.ends.value() else { return };
                let first = ends.first.moment().zip(ends.first.value().cloned());
                unmatched.extend(first.map(|(moment, first)| (moment, first, ends.last.at())));
            },
        )?;
        unmatched.sort_by_key(|(moment, ..)| (moment.at, moment.event));
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
        self.deliveries.add(envelope, fact.ok().as_ref())
    }
}

impl Knowledge for Trail {
    fn learn(&mut self, envelope: &Envelope, fact: Option<&Fact>) {
        let moment = moment(envelope);
        self.is_planned |= fact.is_some_and(|fact| fact.event.row().is_some());
        if self.is_planned {
            self.ends = Sparse::default();
        } else {
            let ends = self.ends.grow();
            ends.first.join(First::of(moment, Brought::of(envelope, fact)));
            ends.last.join(Last::of(moment, ()));
        }
        let Some(fact) = fact else { return };
        let Some(floor) = fact.floor() else { return };
        let place = (0_u8..).zip(Status::ALL).find(|(_, status)| *status == floor);
        if let Some((place, _)) = place {
            self.reached.add(place, moment.at.map_or(NO_TIME, |at| at.timestamp_micros()));
        }
        let is_refusal = matches!(floor, Status::Blocked | Status::Bounced | Status::Failed);
        // One that was read again is the same refusal.
        if is_refusal && !matches!(fact.event, Event::Reclassified(_)) {
            let brought = Brought::of(envelope, Some(fact));
            self.refusals.join_at(moment.event, First::of(moment, brought));
        }
    }
}

impl Brought {
    fn of(envelope: &Envelope, fact: Option<&Fact>) -> Self {
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

fn moment(envelope: &Envelope) -> Moment {
    Moment { at: envelope.event.occurred_at, event: envelope.event.event_id }
}

impl Join for Trail {
    fn join(&mut self, other: Self) -> bool {
        let mut grew = other.is_planned && !self.is_planned;
        self.is_planned |= other.is_planned;
        grew |= self.reached.join(other.reached);
        grew |= self.refusals.join(other.refusals);
        if self.is_planned {
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
        self.first.join(other.first) | self.last.join(other.last)
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
        Ok(Self { deliveries, custom })
    }

    fn take_changes(&mut self, emit: Emit<'_>) -> Result<(), StateError> {
        self.deliveries.take_changes(emit)?;
        self.custom.take_changes(emit)
    }
}

impl Parted for TrailsState {
    fn of_parts(parts: Vec<Self>) -> Result<Self, StateError> {
        let mut whole = Self::default();
        for part in parts {
            whole.deliveries.join(part.deliveries)?;
            whole.custom.join(part.custom)?;
        }
        Ok(whole)
    }
}

impl Default for TrailsState {
    fn default() -> Self {
        Self { deliveries: Deliveries::default(), custom: Table::new(CUSTOM) }
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

fn written(value: &impl Serialize) -> Result<Vec<u8>, StateError> {
    postcard::to_stdvec(value).map_err(|error| StateError::Unwritable { cause: error.into() })
}

fn read<T: for<'de> Deserialize<'de>>(bytes: &[u8]) -> Result<T, StateError> {
    postcard::from_bytes(bytes).map_err(|error| StateError::Corrupt { cause: error.into() })
}

const CUSTOM: u8 = b'c';
/// After every time that there is.
const NO_TIME: i64 = i64::MAX;
