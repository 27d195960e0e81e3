//! Rows, one after the other.

use std::ops::ControlFlow;

use bytes::Bytes;
use mailtrail_core::projection::{Entry, StateError};
use mailtrail_core::{DeliveryId, Evidence};

use super::EmailLogState;
use crate::planned_row::PlannedRow;
use crate::query::Query;
use crate::row::EmailLogRow;

impl EmailLogState {
    /// Visits the rows that a query asks for, in no order.
    pub(crate) fn each_row(
        &self,
        query: &Query,
        mut visit: impl FnMut(&PlannedRow, &Evidence) -> Result<(), StateError>,
    ) -> Result<(), StateError> {
        self.each_row_until(query, |planned, evidence| {
            visit(planned, evidence)?;
            Ok(ControlFlow::Continue(()))
        })
    }

    /// The same, until it is enough.
    pub(crate) fn each_row_until<E: From<StateError>>(
        &self,
        query: &Query,
        mut visit: impl FnMut(&PlannedRow, &Evidence) -> Result<ControlFlow<()>, E>,
    ) -> Result<(), E> {
        if self.pages.is_some() && query.broadcast.is_some() {
            return self.visit(query, None, visit);
        }
        let visited = self.deliveries.each_of(&self.rows, |row, evidence| {
            let Some(planned) = &row.0 else { return Ok(()) };
            if !self.is_asked(query, planned, evidence)? {
                return Ok(());
            }
            Visited::of(visit(planned, evidence).map_err(Visited::Failed)?)
        });
        Visited::done(visited)
    }

    /// Whether a query asks for the row of a delivery.
    pub(crate) fn answers(&self, query: &Query, delivery: DeliveryId) -> Result<bool, StateError> {
        let Some(planned) = self.held_row(delivery)? else { return Ok(false) };
        let evidence = self.deliveries.of(delivery)?;
        self.is_asked(query, &planned, &evidence)
    }

    fn is_asked(
        &self,
        query: &Query,
        planned: &PlannedRow,
        evidence: &Evidence,
    ) -> Result<bool, StateError> {
        if !query.admits(planned) || !query.has_status(evidence.status()) {
            return Ok(false);
        }
        if !query.looks_at_cells() {
            return Ok(true);
        }
        Ok(query.admits_row(&EmailLogRow::of(planned, evidence, self, query.now)?))
    }

    /// Visits, in their order, those behind an order key, until it is enough.
    pub(crate) fn visit<E: From<StateError>>(
        &self,
        query: &Query,
        after: Option<&Bytes>,
        mut visit: impl FnMut(&PlannedRow, &Evidence) -> Result<ControlFlow<()>, E>,
    ) -> Result<(), E> {
        let mut asked = |planned: &PlannedRow| {
            if !query.admits(planned) {
                return Ok(());
            }
            let evidence = self.deliveries.of(planned.row.delivery)?;
            if !self.is_asked(query, planned, &evidence)? {
                return Ok(());
            }
            Visited::of(visit(planned, &evidence).map_err(Visited::Failed)?)
        };
        let visited = if let Some(pages) = &self.pages {
            let prefix = PlannedRow::order_prefix(query.broadcast.as_ref());
            pages.each_after(&prefix, after.cloned(), |entry| match self.row_of(&entry)? {
                Some(planned) => asked(&planned),
                None => Ok(()),
            })
        } else {
            let in_memory = self.rows.each_in_memory().filter_map(|(_, row)| row.0.as_ref());
            let mut planned: Vec<_> = in_memory.map(|row| (row.order_key(), row)).collect();
            planned.retain(|(key, _)| after.is_none_or(|after| key > after));
            planned.sort_by(|(one, _), (other, _)| one.cmp(other));
            planned.into_iter().try_for_each(|(_, planned)| asked(planned))
        };
        Visited::done(visited)
    }

    /// The row that an entry of an index leads to; none if the row has another place by now.
    pub(super) fn row_of(&self, entry: &Entry) -> Result<Option<PlannedRow>, StateError> {
        let Ok(delivery) = <[u8; 16]>::try_from(&*entry.value) else { return Ok(None) };
        let planned = self.held_row(DeliveryId::from_bytes(delivery))?;
        Ok(planned.filter(|planned| planned.index_keys().contains(&entry.key)))
    }
}

/// How visiting rows ends.
enum Visited<E> {
    Enough,
    Failed(E),
}

impl<E> Visited<E> {
    fn of(flow: ControlFlow<()>) -> Result<(), Self> {
        if flow.is_break() { Err(Self::Enough) } else { Ok(()) }
    }

    fn done(visited: Result<(), Self>) -> Result<(), E> {
        match visited {
            Ok(()) | Err(Self::Enough) => Ok(()),
            Err(Self::Failed(error)) => Err(error),
        }
    }
}

impl<E: From<StateError>> From<StateError> for Visited<E> {
    fn from(error: StateError) -> Self {
        Self::Failed(error.into())
    }
}
