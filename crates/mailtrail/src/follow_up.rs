//! The next broadcast, planned from the rows of an earlier one.

use std::collections::BTreeSet;

use mailtrail_core::event::{Event, Row};
use mailtrail_core::evidence::{OnDoubt, Planned};
use mailtrail_core::id::{Category, Kind};
use mailtrail_core::plan::{Broadcast, Contact, ContactAddress, PlanError, PlanReport, Planner};
use mailtrail_core::store::{EventStoreExt, Filter, ReadError};
use mailtrail_core::{BroadcastId, Envelope, Evidence, Position, Status, StreamId};
use serde::Serialize;

use crate::tracker::Tracker;

/// A broadcast that sends an earlier one again, to the rows of it that have one of these statuses.
///
/// Kind, From and subject are those of the earlier one, unless they are given.
///
/// # Which rows are taken over?
/// Each row with one of the statuses, to the address, with the name, the time zone and the labels that it was planned
/// with; the Blocked Email list is asked anew. A Duplicate counts as the row that has its address. Left out, and
/// counted, are rows whose contact was erased, and those in doubt: an attempt was made, and nobody knows what became
/// of it ([`on_doubt`](Self::on_doubt)).
///
/// # And an address that was corrected since?
/// The log knows what was planned, not who has moved. Plan the corrected contacts by [`Tracker::plan`], as a
/// [`Broadcast`] of the same name that [follows](Broadcast::follows) the same one: both add to it.
///
/// # Example
/// ```
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// # use mailtrail::core::plan::{Broadcast, Contact, ContactAddress};
/// use mailtrail::FollowUp;
/// use mailtrail::prelude::*;
/// # let tracker = Tracker::builder(mailtrail::memory::MemoryStore::new()).open();
/// # let broadcast = Broadcast::new("snow-day".parse()?, "emergency".parse()?);
/// # let ann = Contact::new("c1".parse()?).address(ContactAddress::new("ann@a.example"));
/// # tracker.plan(broadcast, [ann]).await?;
/// let follow_up = FollowUp::new("snow-day-2".parse()?, "snow-day".parse()?)
///     .status(Status::Unsent)
///     .status(Status::Bounced)
///     .subject("Closed today (sent again)");
/// let report = tracker.plan_follow_up(&follow_up, &mut |_| ()).await?;
/// assert_eq!((report.plan.queued, report.in_doubt, report.erased), (1, 0, 0));
/// # Ok::<(), Box<dyn std::error::Error>>(()) })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FollowUp {
    broadcast: BroadcastId,
    follows: BroadcastId,
    statuses: BTreeSet<Status>,
    on_doubt: OnDoubt,
    kind: Option<Kind>,
    from: Option<Box<str>>,
    subject: Option<Box<str>>,
}

impl FollowUp {
    /// A broadcast that follows an earlier one, to none of its rows yet.
    pub fn new(broadcast: BroadcastId, follows: BroadcastId) -> Self {
        let (statuses, on_doubt) = (BTreeSet::new(), OnDoubt::default());
        Self { broadcast, follows, statuses, on_doubt, kind: None, from: None, subject: None }
    }

    /// Also to the rows with this status. [`Status::Duplicate`] is none that can be asked for.
    pub fn status(mut self, status: Status) -> Self {
        self.statuses.insert(status);
        self
    }

    /// Doing this about rows in doubt.
    pub fn on_doubt(mut self, on_doubt: OnDoubt) -> Self {
        self.on_doubt = on_doubt;
        self
    }

    /// Of another kind. The addresses are those that were planned for the earlier kind.
    pub fn kind(mut self, kind: Kind) -> Self {
        self.kind = Some(kind);
        self
    }

    /// With another From address.
    pub fn from_address(mut self, from: impl Into<Box<str>>) -> Self {
        self.from = Some(from.into());
        self
    }

    /// With another subject line.
    pub fn subject(mut self, subject: impl Into<Box<str>>) -> Self {
        self.subject = Some(subject.into());
        self
    }

    fn broadcast_after(&self, earlier: &Broadcast) -> Broadcast {
        let kind = self.kind.as_ref().unwrap_or(earlier.kind()).clone();
        let mut broadcast =
            Broadcast::new(self.broadcast.clone(), kind).follows(self.follows.clone());
        if let Some(from) = self.from.as_deref().or(earlier.from_line()) {
            broadcast = broadcast.from_address(from);
        }
        if let Some(subject) = self.subject.as_deref().or(earlier.subject_line()) {
            broadcast = broadcast.subject(subject);
        }
        broadcast
    }
}

/// What a follow-up came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
pub struct FollowUpReport {
    /// The rows of the new broadcast.
    #[serde(flatten)]
    pub plan: PlanReport,
    /// Rows that were left out, because an attempt of theirs is in doubt.
    pub in_doubt: u64,
    /// Rows that were left out, because their contact was erased: they have no address any more.
    pub erased: u64,
    /// Rows that were taken over, and still wait in the earlier broadcast: whoever sends that one too, sends them twice.
    pub still_waiting: u64,
}

impl Tracker {
    /// Plans a broadcast from the rows of an earlier one. Planning it again adds the rows that have come to one of the
    /// statuses since, and changes none.
    ///
    /// `progress` is called for each row that is looked at.
    ///
    /// # Errors
    /// [`FollowUpError`]: what was planned before stays; plan it again to go on.
    ///
    /// # Limits
    /// Reads the planning of all rows in the store, a page at a time. Memory is that of [`plan`](Self::plan).
    pub async fn plan_follow_up(
        &self,
        follow_up: &FollowUp,
        progress: &mut (dyn FnMut(FollowUpReport) + Send),
    ) -> Result<FollowUpReport, FollowUpError> {
        let broadcast = self.follow_up_broadcast(follow_up).await?;
        let mut planner = Planner::open(&**self.store(), broadcast, &**self.clock()).await?;
        let mut report = FollowUpReport::default();
        let mut next = Some(Position::START);
        while let Some(after) = next {
            let page = self.store().read_all(&planning_events(), after, PAGE).await?;
            for planned in &page.events {
                let Some(row) = row_of(planned, &follow_up.follows) else { continue };
                let evidence = self.deciding(&row).await?;
                if follow_up.statuses.contains(&evidence.status()) {
                    if follow_up.on_doubt == OnDoubt::Hold && is_in_doubt(&evidence) {
                        report.in_doubt = report.in_doubt.saturating_add(1);
                    } else if let Some(contact) = contact_of(planned, row) {
                        // Not once more for its duplicates.
                        let waits =
                            planned.event.event_type.as_str() == QUEUED && evidence.is_waiting();
                        report.still_waiting = report.still_waiting.saturating_add(waits.into());
                        planner.add(contact).await?;
                    } else {
                        report.erased = report.erased.saturating_add(1);
                    }
                }
                report.plan = planner.so_far();
                progress(report);
            }
            next = page.next;
        }
        report.plan = planner.finish().await?;
        Ok(report)
    }

    async fn follow_up_broadcast(&self, follow_up: &FollowUp) -> Result<Broadcast, FollowUpError> {
        if follow_up.broadcast == follow_up.follows {
            return Err(FollowUpError::Itself);
        }
        if follow_up.statuses.contains(&Status::Duplicate) {
            return Err(FollowUpError::Duplicate);
        }
        let stream = StreamId::broadcast(&self.store().namespace(), &follow_up.follows);
        let earlier = Broadcast::of(&self.store().stream(stream).await?);
        let earlier = earlier
            .ok_or_else(|| FollowUpError::Unknown { broadcast: follow_up.follows.clone() })?;
        Ok(follow_up.broadcast_after(&earlier))
    }

    /// The evidence that decides about a row: of a Duplicate, that of the row that has its address.
    async fn deciding(&self, row: &Row) -> Result<Evidence, ReadError> {
        let evidence = self.evidence(row.delivery).await?;
        match evidence.planned() {
            Some(Planned::Duplicated(of)) if evidence.status() == Status::Duplicate => {
                self.evidence(of).await
            }
            _ => Ok(evidence),
        }
    }
}

/// An attempt of which only the server knows what became of it. What came later, by whatever port, says it.
fn is_in_doubt(evidence: &Evidence) -> bool {
    evidence.is_waiting() && evidence.in_doubt().next().is_some()
}

/// The row that an event plans in a broadcast.
fn row_of(planned: &Envelope, broadcast: &BroadcastId) -> Option<Row> {
    let fact = planned.fact().ok()?;
    fact.event.row().filter(|row| row.broadcast == *broadcast).cloned()
}

/// The contact with the one address of its row; `None` if it was erased.
fn contact_of(planned: &Envelope, row: Row) -> Option<Contact> {
    let private = planned.private();
    let mut contact = Contact::new(row.contact);
    (contact.name, contact.labels) = (private.name, private.labels);
    contact.time_zone = row.time_zone;
    if planned.is_erased() {
        return None;
    }
    if matches!(planned.fact().ok()?.event, Event::NotSelected(_)) {
        let unselected = |text| ContactAddress::new(text).only_for([]);
        contact.addresses = private.other_addresses.into_iter().map(unselected).collect();
        return Some(contact);
    }
    Some(contact.address(ContactAddress::new(private.address?)))
}

fn planning_events() -> Filter {
    let planning = [QUEUED, "not_selected", "duplicated", "suppressed", "malformed"];
    planning.into_iter().fold(Filter::all().category(Category::DELIVERY), Filter::event_type)
}

/// Why a follow-up is not planned, or not all of it. What was stored before stays: plan it again to go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FollowUpError {
    /// The broadcast that it follows is not in the store.
    #[error("there is no broadcast {broadcast} to follow: check its name")]
    Unknown {
        /// The one that it was to follow.
        broadcast: BroadcastId,
    },
    /// It would follow itself.
    #[error("a broadcast can't follow itself: give the new one another name")]
    Itself,
    /// Duplicates were asked for.
    #[error(
        "a duplicate counts as the row that has its address: name the statuses of those rows, and \
         their duplicates come along"
    )]
    Duplicate,
    /// The rows could not be planned.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The store could not be read.
    #[error("the store could not be read")]
    Read(#[from] ReadError),
}

/// The type of the event that plans a row to be sent.
const QUEUED: &str = "queued";
/// Rows asked for at once.
const PAGE: usize = 256;
