//! The Email Log: one row for each delivery.

use std::collections::{BTreeMap, HashMap};

use mailtrail_core::event::{Envelope, Event, Row};
use mailtrail_core::fold::{ById, Fold};
use mailtrail_core::id::Category;
use mailtrail_core::projection::{ApplyError, Projection};
use mailtrail_core::store::Filter;
use mailtrail_core::{BroadcastId, DeliveryId, EventId, Evidence};

use crate::query::Query;
use crate::row::EmailLogRow;
use crate::summary::Summary;

/// Builds the state of the Email Log from events, whatever their order.
///
/// ```
/// use mailtrail_core::projection::Projection;
/// use mailtrail_report::{EmailLog, EmailLogState, Query};
/// let mut state = EmailLogState::default();
/// # let envelopes: Vec<mailtrail_core::event::Envelope> = Vec::new();
/// for envelope in &envelopes {
///     EmailLog.apply(envelope, &mut state)?;
/// }
/// assert!(state.rows(&Query::default()).is_empty());
/// # Ok::<(), mailtrail_core::projection::ApplyError>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "it has no parts")]
pub struct EmailLog;

/// Evidence of every delivery, and the rows that were planned: what all reports here are read from.
///
/// ```
/// use mailtrail_core::Status;
/// use mailtrail_report::{EmailLogState, Query};
/// let state = EmailLogState::default();             // filled by `mailtrail_core::projection::replay`
/// let needs_attention = Query::default().status(Status::Bounced).status(Status::Failed);
/// assert!(state.rows(&needs_attention).is_empty());
/// assert_eq!(state.summary(&Query::default()).rows(), 0);
/// assert_eq!(state.unmatched(), 0);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EmailLogState {
    fold: Fold,
    rows: HashMap<DeliveryId, PlannedRow, ById>,
    follows: BTreeMap<BroadcastId, BroadcastId>,
}

/// A row as it was planned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PlannedRow {
    event: EventId,
    pub(crate) row: Row,
    pub(crate) name: Option<Box<str>>,
    pub(crate) address: Option<Box<str>>,
    pub(crate) normal_address: Option<Box<str>>,
    pub(crate) subject: Option<Box<str>>,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) erased: bool,
}

impl Projection for EmailLog {
    type State = EmailLogState;

    fn name(&self) -> &'static str {
        "email_log"
    }

    fn revision(&self) -> u32 {
        1
    }

    fn filter(&self) -> Filter {
        let categories =
            [Category::BROADCAST, Category::DELIVERY, Category::KEY, Category::MESSAGE];
        categories.into_iter().fold(Filter::all(), Filter::category)
    }

    fn apply(&self, envelope: &Envelope, state: &mut EmailLogState) -> Result<(), ApplyError> {
        state.apply(envelope);
        Ok(())
    }
}

impl EmailLogState {
    /// The rows that a query asks for, in the order of broadcast, contact and address.
    pub fn rows(&self, query: &Query) -> Vec<EmailLogRow> {
        let mut planned: Vec<&PlannedRow> = self.planned(query).collect();
        planned.sort_unstable_by(|a, b| a.order().cmp(&b.order()));
        let row = |planned: &PlannedRow| {
            let evidence = self.fold.evidence(planned.row.delivery);
            let asked = query.has_status(evidence.status());
            asked.then(|| EmailLogRow::of(planned, &evidence, self))
        };
        planned.into_iter().filter_map(row).collect()
    }

    /// The counts of the rows that a query asks for.
    pub fn summary(&self, query: &Query) -> Summary {
        let mut summary = Summary::default();
        for planned in self.planned(query) {
            let evidence = self.fold.evidence(planned.row.delivery);
            if query.has_status(evidence.status()) {
                summary.count(&evidence);
            }
        }
        summary
    }

    /// The same by the values of a label; rows without it are under the empty value.
    pub fn summary_by(&self, query: &Query, label: &str) -> BTreeMap<String, Summary> {
        let mut groups: BTreeMap<String, Summary> = BTreeMap::new();
        for planned in self.planned(query) {
            let evidence = self.fold.evidence(planned.row.delivery);
            if query.has_status(evidence.status()) {
                let value = planned.labels.get(label).cloned().unwrap_or_default();
                groups.entry(value).or_default().count(&evidence);
            }
        }
        groups
    }

    /// What is known about a delivery.
    pub fn evidence(&self, delivery: DeliveryId) -> Evidence {
        self.fold.evidence(delivery)
    }

    /// The deliveries whose planned address has this normal form, and how each was planned.
    pub fn deliveries_to(&self, normal_address: &str) -> Vec<DeliveryId> {
        let to = |row: &&PlannedRow| row.normal_address.as_deref() == Some(normal_address);
        let mut found: Vec<&PlannedRow> = self.rows.values().filter(to).collect();
        found.sort_by_key(|planned| (&planned.row.broadcast, planned.row.delivery));
        found.into_iter().map(|planned| planned.row.delivery).collect()
    }

    /// The row of a delivery, and the normal form of its address.
    pub fn planned_row(&self, delivery: DeliveryId) -> Option<(&Row, Option<&str>)> {
        let planned = self.rows.get(&delivery)?;
        Some((&planned.row, planned.normal_address.as_deref()))
    }

    pub(crate) fn contact_of(&self, delivery: DeliveryId) -> Option<&str> {
        self.rows.get(&delivery).map(|planned| planned.row.contact.as_str())
    }

    /// How many streams of feedback no delivery names.
    pub fn unmatched(&self) -> usize {
        self.fold.unmatched().count()
    }

    /// The folded evidence.
    pub fn fold(&self) -> &Fold {
        &self.fold
    }

    /// The broadcast that this one sends again.
    pub fn follows(&self, broadcast: &BroadcastId) -> Option<&BroadcastId> {
        self.follows.get(broadcast)
    }

    fn planned<'a>(&'a self, query: &'a Query) -> impl Iterator<Item = &'a PlannedRow> {
        self.rows.values().filter(|planned| query.admits(planned))
    }

    fn apply(&mut self, envelope: &Envelope) {
        self.fold.add(envelope);
        let Ok(fact) = envelope.fact() else { return };
        if let Some(row) = fact.event.row() {
            self.plan(PlannedRow::of(envelope, row.clone()));
        } else if let Event::BroadcastCreated(created) = fact.event
            && let Some(earlier) = created.follows
        {
            self.follows.insert(created.broadcast, earlier);
        }
    }

    /// A delivery has one planning event; should a log hold two, the same one counts in any order.
    fn plan(&mut self, planned: PlannedRow) {
        let delivery = planned.row.delivery;
        let held = self.rows.get(&delivery);
        if held.is_none_or(|held| planned.event <= held.event) {
            self.rows.insert(delivery, planned);
        }
    }
}

impl PlannedRow {
    /// A total order that no arrival changes: by the normal form, else by the text as given.
    fn order(&self) -> (&str, &str, Option<&str>, DeliveryId) {
        let address = self.normal_address.as_deref().or(self.address.as_deref());
        (self.row.broadcast.as_str(), self.row.contact.as_str(), address, self.row.delivery)
    }

    fn of(envelope: &Envelope, row: Row) -> Self {
        let private = envelope.private();
        Self {
            event: envelope.event.event_id,
            row,
            name: private.name,
            address: private.address,
            normal_address: private.normal_address,
            subject: private.subject,
            labels: private.labels,
            erased: envelope.is_erased(),
        }
    }
}
