//! The broadcast summary: the ten counts of each broadcast, ready at any time.

use mailtrail_core::event::{Envelope, Event};
use mailtrail_core::id::Category;
use mailtrail_core::projection::{
    ApplyError, Deliveries, Emit, KeptState, Pages, Parted, Projection, StateError, Table,
    TableKey, TableValue,
};
use mailtrail_core::store::Filter;
use mailtrail_core::{BroadcastId, DeliveryId, Status};
use serde::{Deserialize, Serialize};

use crate::standing::{BroadcastTag, Standing};
use crate::summary::Summary;

/// Counts the rows of each broadcast by their status. One delivery takes about fifty bytes.
///
/// ```
/// use mailtrail_core::Status;
/// use mailtrail_core::projection::{Projection, replay};
/// use mailtrail_report::{BroadcastSummary, BroadcastSummaryState};
/// # futures_executor::block_on(async {
/// # use mailtrail_core::plan::{Broadcast, Contact, ContactAddress, Planner};
/// # let store = mailtrail_memory::MemoryStore::new();
/// # let clock = || chrono::DateTime::UNIX_EPOCH;
/// # let mut planner = Planner::open(&store, Broadcast::new("snow-day".parse()?, "general".parse()?), &clock).await?;
/// # planner.add(Contact::new("c1".parse()?).address(ContactAddress::new("ann@a.example"))).await?;
/// # planner.finish().await?;
/// let mut state = BroadcastSummaryState::default();
/// replay(&store, &BroadcastSummary, &mut state, Default::default(), &Default::default()).await?;
/// assert_eq!(state.of(&"snow-day".parse()?)?.of(Status::Unsent), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "it has no parts")]
pub struct BroadcastSummary;

/// Where every delivery stands, and the counts that follow from it.
#[derive(Debug, Clone)]
pub struct BroadcastSummaryState {
    deliveries: Deliveries<Standing>,
    counts: Table<BroadcastTag, Counts>,
    unmatched: Table<Only, u64>,
}

/// The counts of one broadcast.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Counts {
    broadcast: Option<BroadcastId>,
    statuses: [u64; 10],
    bounced_after_delivery: u64,
    complained: u64,
    unsubscribed: u64,
    in_doubt: u64,
}

impl Projection for BroadcastSummary {
    type State = BroadcastSummaryState;

    fn name(&self) -> &'static str {
        "broadcast_summary"
    }

    fn revision(&self) -> u32 {
        1
    }

    fn filter(&self) -> Filter {
        let categories =
            [Category::BROADCAST, Category::DELIVERY, Category::KEY, Category::MESSAGE];
        categories.into_iter().fold(Filter::all(), Filter::category)
    }

    fn apply(
        &self,
        envelope: &Envelope,
        state: &mut BroadcastSummaryState,
    ) -> Result<(), ApplyError> {
        Ok(state.apply(envelope)?)
    }

    fn look_ahead(&self, next: &[&Envelope], state: &BroadcastSummaryState) {
        state.deliveries.look_ahead(next);
    }
}

#[expect(clippy::missing_errors_doc, reason = "of each: an entry has to be read, and can't be")]
impl BroadcastSummaryState {
    /// The counts of a broadcast: nothing but zeros for one that has no rows.
    pub fn of(&self, broadcast: &BroadcastId) -> Result<Summary, StateError> {
        let counts = self.counts.get(&BroadcastTag::of(broadcast))?;
        Ok(counts.map(|counts| counts.summary()).unwrap_or_default())
    }

    /// The counts of all broadcasts together.
    pub fn of_all(&self) -> Result<Summary, StateError> {
        let mut all = Summary::default();
        self.counts.each(|counts| {
            all.add(&counts.summary());
            Ok::<_, StateError>(())
        })?;
        Ok(all)
    }

    /// The broadcasts that there are, in order.
    pub fn broadcasts(&self) -> Result<Vec<BroadcastId>, StateError> {
        let mut broadcasts = Vec::new();
        self.counts.each(|counts| {
            broadcasts.extend(counts.broadcast.clone());
            Ok::<_, StateError>(())
        })?;
        broadcasts.sort();
        Ok(broadcasts)
    }

    /// The status of a delivery.
    pub fn status(&self, delivery: DeliveryId) -> Result<Status, StateError> {
        Ok(self.deliveries.of(delivery)?.status())
    }

    /// How many streams of feedback no delivery names.
    pub fn unmatched(&self) -> Result<u64, StateError> {
        Ok(self.unmatched.get(&Only)?.map_or(0, |count| *count))
    }

    fn apply(&mut self, envelope: &Envelope) -> Result<(), StateError> {
        let fact = envelope.fact().ok();
        if let Some(Event::BroadcastCreated(created)) = fact.as_ref().map(|fact| &fact.event) {
            self.name(&created.broadcast)?;
        }
        if let Some(row) = fact.as_ref().and_then(|fact| fact.event.row()) {
            self.name(&row.broadcast)?;
        }
        let is_planned = |standing: &Standing| standing.planned().is_some();
        let change = self.deliveries.change(envelope, fact.as_ref(), is_planned)?;
        let unmatched_more = change.unmatched();
        for (before, after) in change.into_known() {
            self.count(&before, |count| *count = count.saturating_sub(1))?;
            self.count(&after, |count| *count = count.saturating_add(1))?;
        }
        if unmatched_more != 0 {
            let unmatched = self.unmatched.get_mut(&Only)?;
            *unmatched = unmatched.saturating_add_signed(unmatched_more);
        }
        Ok(())
    }

    fn name(&mut self, broadcast: &BroadcastId) -> Result<(), StateError> {
        let counts = self.counts.get_mut(&BroadcastTag::of(broadcast))?;
        counts.broadcast.get_or_insert_with(|| broadcast.clone());
        Ok(())
    }

    /// Changes the counts of a row, once it is one.
    fn count(&mut self, standing: &Standing, change: fn(&mut u64)) -> Result<(), StateError> {
        let Some(broadcast) = standing.planned() else { return Ok(()) };
        self.counts.get_mut(&broadcast)?.count(standing, change);
        Ok(())
    }
}

impl Counts {
    fn count(&mut self, standing: &Standing, change: fn(&mut u64)) {
        let place = Status::ALL.iter().position(|status| *status == standing.status());
        place.and_then(|place| self.statuses.get_mut(place)).into_iter().for_each(change);
        for (holds, count) in [
            (standing.is_contradicted(), &mut self.bounced_after_delivery),
            (standing.has_complained(), &mut self.complained),
            (standing.has_unsubscribed(), &mut self.unsubscribed),
            (standing.is_in_doubt(), &mut self.in_doubt),
        ] {
            if holds {
                change(count);
            }
        }
    }

    fn summary(&self) -> Summary {
        let counts = Status::ALL.into_iter().zip(self.statuses).filter(|(_, count)| *count > 0);
        Summary {
            statuses: counts.collect(),
            bounced_after_delivery: self.bounced_after_delivery,
            complained: self.complained,
            unsubscribed: self.unsubscribed,
            in_doubt: self.in_doubt,
        }
    }
}

impl KeptState for BroadcastSummaryState {
    fn attach(pages: &Pages) -> Result<Self, StateError> {
        Ok(Self {
            deliveries: Deliveries::attached(pages),
            counts: Table::attached(COUNTS, pages),
            unmatched: Table::attached(UNMATCHED, pages),
        })
    }

    fn take_changes(&mut self, emit: Emit<'_>) -> Result<(), StateError> {
        self.deliveries.take_changes(emit)?;
        self.counts.take_changes(emit)?;
        // Always there, so that states that are equal have equal entries.
        self.unmatched.get_mut(&Only)?;
        self.unmatched.take_changes(emit)
    }
}

impl Parted for BroadcastSummaryState {
    /// The counts are made anew: a part doesn't know what a key in another part says of its rows.
    fn of_parts(parts: Vec<Self>) -> Result<Self, StateError> {
        let mut whole = Self::default();
        for part in parts {
            whole.deliveries.join(part.deliveries)?;
            for (tag, counts) in part.counts.each_in_memory() {
                whole.counts.get_mut(tag)?.broadcast.clone_from(&counts.broadcast);
            }
        }
        for delivery in whole.deliveries.in_memory() {
            let standing = whole.deliveries.of(delivery)?;
            if let Some(broadcast) = standing.planned() {
                let counts = whole.counts.get_mut(&broadcast)?;
                counts.count(&standing, |count| *count = count.saturating_add(1));
            }
        }
        let unmatched = whole.deliveries.unmatched(|standing| standing.planned().is_some())?;
        *whole.unmatched.get_mut(&Only)? = unmatched;
        Ok(whole)
    }
}

/// By what is in memory.
impl PartialEq for BroadcastSummaryState {
    fn eq(&self, other: &Self) -> bool {
        self.deliveries == other.deliveries
            && self.counts == other.counts
            && self.unmatched == other.unmatched
    }
}

impl Eq for BroadcastSummaryState {}

impl Default for BroadcastSummaryState {
    fn default() -> Self {
        Self {
            deliveries: Deliveries::default(),
            counts: Table::new(COUNTS),
            unmatched: Table::new(UNMATCHED),
        }
    }
}

impl TableValue for Counts {
    fn encode(&self) -> Result<Vec<u8>, StateError> {
        serde_json::to_vec(self).map_err(|error| StateError::Unwritable { cause: error.into() })
    }

    fn decode(bytes: &[u8]) -> Result<Self, StateError> {
        serde_json::from_slice(bytes).map_err(|error| StateError::Corrupt { cause: error.into() })
    }
}

/// The key of a table with one entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Only;

impl TableKey for Only {
    fn write(&self, _: &mut Vec<u8>) {}
}

const COUNTS: u8 = b'c';
const UNMATCHED: u8 = b'u';
