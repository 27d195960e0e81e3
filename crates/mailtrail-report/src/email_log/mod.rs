//! The Email Log: one row for each delivery.

mod visit;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use chrono::{DateTime, Utc};
use mailtrail_core::event::{Envelope, Event, Row};
use mailtrail_core::id::Category;
use mailtrail_core::projection::{
    ApplyError, Deliveries, Emit, Entry, KeptState, Pages, Parted, Projection, StateError, Table,
};
use mailtrail_core::store::Filter;
use mailtrail_core::{BroadcastId, DeliveryId, Evidence, Join, StreamId};

use crate::page::Sort;
use crate::planned_row::{Follows, HeldRow, PlannedRow};
use crate::query::{Query, QueryError};
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
/// assert!(state.rows(&Query::default())?.is_empty());
/// # Ok::<(), mailtrail_core::projection::ApplyError>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "it has no parts")]
pub struct EmailLog;

/// Evidence of every delivery, and the rows that were planned.
///
/// In memory, or read entry by entry from where it is kept: the rows of one broadcast are read without those
/// of others.
///
/// ```
/// use mailtrail_core::Status;
/// use mailtrail_report::{EmailLogState, Query};
/// let state = EmailLogState::default();             // filled by `mailtrail_core::projection::replay`
/// let needs_attention = Query::default().status(Status::Bounced).status(Status::Failed);
/// assert!(state.rows(&needs_attention)?.is_empty());
/// assert_eq!(state.summary(&Query::default())?.rows(), 0);
/// assert_eq!(state.unmatched()?, 0);
/// # Ok::<(), mailtrail_core::projection::StateError>(())
/// ```
#[derive(Debug, Clone)]
pub struct EmailLogState {
    deliveries: Deliveries<Evidence>,
    rows: Table<DeliveryId, HeldRow>,
    follows: Table<BroadcastId, Follows>,
    pages: Option<Pages>,
}

impl Projection for EmailLog {
    type State = EmailLogState;

    fn name(&self) -> &'static str {
        "email_log"
    }

    fn revision(&self) -> u32 {
        4
    }

    fn filter(&self) -> Filter {
        let categories =
            [Category::BROADCAST, Category::DELIVERY, Category::KEY, Category::MESSAGE];
        categories.into_iter().fold(Filter::all(), Filter::category)
    }

    fn apply(&self, envelope: &Envelope, state: &mut EmailLogState) -> Result<(), ApplyError> {
        Ok(state.apply(envelope)?)
    }
}

#[expect(clippy::missing_errors_doc, reason = "of each: an entry has to be read, and can't be")]
impl EmailLogState {
    /// The rows that a query asks for, in the order of broadcast, contact and address.
    pub fn rows(&self, query: &Query) -> Result<Vec<EmailLogRow>, StateError> {
        let (mut rows, mut order) = (Vec::new(), Vec::new());
        self.each_row(query, |planned, evidence| {
            order.push((planned.order_key(), rows.len()));
            rows.push(Some(EmailLogRow::of(planned, evidence, self, query.now)?));
            Ok(())
        })?;
        // Rows are large: their keys are put in order instead.
        order.sort_unstable();
        Ok(order.into_iter().filter_map(|(_, at)| rows.get_mut(at)?.take()).collect())
    }

    /// Visits the rows that a query asks for, in no order: one at a time is in memory.
    ///
    /// # Errors
    /// [`StateError`] if an entry has to be read, and can't be; or the first error of `visit`.
    pub fn visit_rows<E: From<StateError>>(
        &self,
        query: &Query,
        mut visit: impl FnMut(EmailLogRow) -> Result<(), E>,
    ) -> Result<(), E> {
        self.each_row_until(query, |planned, evidence| {
            visit(EmailLogRow::of(planned, evidence, self, query.now)?)?;
            Ok(ControlFlow::Continue(()))
        })
    }

    /// Whether there is every column and label that is named. Of a log without rows nothing is asked.
    pub fn check(&self, query: &Query, sort: Option<&Sort>) -> Result<(), QueryError> {
        self.check_labels(query, query.labels_named(sort).collect())
    }

    /// Whether a row of the query's broadcast has this label. Of a log without rows nothing is asked.
    pub fn check_label(&self, query: &Query, label: &str) -> Result<(), QueryError> {
        self.check_labels(query, vec![label])
    }

    /// The row of a delivery, as it is among those; none if it was never planned.
    pub fn row(&self, delivery: DeliveryId) -> Result<Option<EmailLogRow>, StateError> {
        Ok(self.rows_of(&[delivery], None)?.pop())
    }

    /// The rows of these deliveries, as they are among those; none for what was never planned.
    pub fn rows_of(
        &self,
        deliveries: &[DeliveryId],
        now: Option<DateTime<Utc>>,
    ) -> Result<Vec<EmailLogRow>, StateError> {
        let mut rows = Vec::with_capacity(deliveries.len());
        for delivery in deliveries {
            if let Some(planned) = self.held_row(*delivery)? {
                let evidence = self.deliveries.of(*delivery)?;
                rows.push(EmailLogRow::of(&planned, &evidence, self, now)?);
            }
        }
        Ok(rows)
    }

    /// The counts of the rows that a query asks for.
    pub fn summary(&self, query: &Query) -> Result<Summary, StateError> {
        let mut summary = Summary::default();
        self.each_row(query, |_, evidence| {
            summary.count(evidence);
            Ok(())
        })?;
        Ok(summary)
    }

    /// The same by the values of a label; rows without it are under the empty value.
    pub fn summary_by(
        &self,
        query: &Query,
        label: &str,
    ) -> Result<BTreeMap<String, Summary>, StateError> {
        let mut groups: BTreeMap<String, Summary> = BTreeMap::new();
        self.each_row(query, |planned, evidence| {
            let value = planned.value(Some(label));
            groups.entry(value).or_default().count(evidence);
            Ok(())
        })?;
        Ok(groups)
    }

    /// What is known about a delivery.
    pub fn evidence(&self, delivery: DeliveryId) -> Result<Evidence, StateError> {
        self.deliveries.of(delivery)
    }

    /// The deliveries whose planned address has this normal form, in the order of broadcast and delivery.
    pub fn deliveries_to(&self, normal_address: &str) -> Result<Vec<DeliveryId>, StateError> {
        let rows = self.rows_to([normal_address.into()].into())?.into_values().flatten();
        let found: BTreeSet<_> = rows.map(|row| (row.broadcast, row.delivery)).collect();
        Ok(found.into_iter().map(|(_, delivery)| delivery).collect())
    }

    /// The rows whose planned address has one of these normal forms, by that.
    pub(crate) fn rows_to(&self, addresses: BTreeSet<Box<str>>) -> Result<RowsTo, StateError> {
        let mut found: RowsTo = addresses.iter().map(|to| (to.clone(), Vec::new())).collect();
        let mut add = |planned: &PlannedRow| {
            let to = planned.normal_address.as_ref();
            if let Some(rows) = to.and_then(|to| found.get_mut(to)) {
                rows.push(planned.row.clone());
            }
        };
        let Some(pages) = &self.pages else {
            self.rows.each_in_memory().filter_map(|(_, row)| row.0.as_ref()).for_each(add);
            return Ok(found);
        };
        for address in addresses {
            pages.each(&PlannedRow::address_prefix(&address), |entry| {
                self.row_of(&entry)?.iter().for_each(&mut add);
                Ok::<_, StateError>(())
            })?;
        }
        Ok(found)
    }

    /// The row of a delivery, once it is planned.
    pub fn planned_row(&self, delivery: DeliveryId) -> Result<Option<Row>, StateError> {
        Ok(self.held_row(delivery)?.map(|planned| planned.row))
    }

    /// The normal form of the address of a delivery, if it has one.
    pub fn normal_address(&self, delivery: DeliveryId) -> Result<Option<Box<str>>, StateError> {
        Ok(self.held_row(delivery)?.and_then(|planned| planned.normal_address))
    }

    /// The deliveries that an event on this stream concerns.
    pub fn concerned(&self, stream: StreamId) -> Result<Vec<DeliveryId>, StateError> {
        self.deliveries.concerned(stream)
    }

    /// How many streams of feedback no delivery names.
    pub fn unmatched(&self) -> Result<u64, StateError> {
        self.deliveries.unmatched(|evidence| evidence.planned().is_some())
    }

    /// The broadcast that this one sends again.
    pub fn follows(&self, broadcast: &BroadcastId) -> Result<Option<BroadcastId>, StateError> {
        Ok(self.follows.get(broadcast)?.and_then(|follows| follows.into_owned().0))
    }

    fn check_labels(&self, query: &Query, mut unknown: Vec<&str>) -> Result<(), QueryError> {
        if unknown.is_empty() {
            return Ok(());
        }
        let mut is_empty = true;
        let of_broadcast = query.broadcast.clone().map_or_else(Query::default, Query::of);
        self.each_row_until::<StateError>(&of_broadcast, |planned, _| {
            is_empty = false;
            unknown.retain(|name| planned.labels.get(name).is_none());
            Ok(if unknown.is_empty() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
        match unknown.first() {
            Some(name) if !is_empty => Err(QueryError::UnknownColumn { name: (*name).into() }),
            _ => Ok(()),
        }
    }

    pub(crate) fn held_row(&self, delivery: DeliveryId) -> Result<Option<PlannedRow>, StateError> {
        Ok(self.rows.get(&delivery)?.and_then(|row| row.into_owned().0))
    }

    fn apply(&mut self, envelope: &Envelope) -> Result<(), StateError> {
        let fact = envelope.fact().ok();
        self.deliveries.add(envelope, fact.as_ref())?;
        let Some(fact) = fact else { return Ok(()) };
        if let Some(row) = fact.event.row() {
            let planned = PlannedRow::of(envelope, row.clone());
            self.rows.get_mut(&row.delivery)?.plan(planned);
        } else if let Event::BroadcastCreated(created) = fact.event
            && created.follows.is_some()
        {
            self.follows.get_mut(&created.broadcast)?.join(Follows(created.follows));
        }
        Ok(())
    }
}

/// Rows by the normal form of their address.
type RowsTo = BTreeMap<Box<str>, Vec<Row>>;

impl KeptState for EmailLogState {
    fn attach(pages: &Pages) -> Result<Self, StateError> {
        Ok(Self {
            deliveries: Deliveries::attached(pages),
            rows: Table::attached(ROWS, pages),
            follows: Table::attached(FOLLOWS, pages),
            pages: Some(pages.clone()),
        })
    }

    fn take_changes(&mut self, emit: Emit<'_>) -> Result<(), StateError> {
        self.deliveries.take_changes(emit)?;
        self.follows.take_changes(emit)?;
        let mut index = Vec::new();
        self.rows.each_changed(|delivery, row| {
            let keys = row.0.iter().flat_map(PlannedRow::index_keys);
            index.extend(keys.map(|key| (key, *delivery)));
            Ok(())
        })?;
        index.sort_unstable();
        for (key, delivery) in index {
            emit(Entry { key, value: delivery.as_bytes().to_vec().into() })?;
        }
        self.rows.take_changes(emit)
    }
}

impl Parted for EmailLogState {
    fn of_parts(parts: Vec<Self>) -> Result<Self, StateError> {
        let mut whole = Self::default();
        for part in parts {
            whole.deliveries.join(part.deliveries)?;
            whole.rows.join(part.rows)?;
            whole.follows.join(part.follows)?;
        }
        Ok(whole)
    }
}

/// By what is in memory.
impl PartialEq for EmailLogState {
    fn eq(&self, other: &Self) -> bool {
        self.deliveries == other.deliveries
            && self.rows == other.rows
            && self.follows == other.follows
    }
}

impl Eq for EmailLogState {}

impl Default for EmailLogState {
    fn default() -> Self {
        let (rows, follows) = (Table::new(ROWS), Table::new(FOLLOWS));
        Self { deliveries: Deliveries::default(), rows, follows, pages: None }
    }
}

const ROWS: u8 = b'r';
const FOLLOWS: u8 = b'f';
