//! What an index takes of a row.

use chrono::{DateTime, Utc};
use mailtrail_core::evidence::Planned;
use mailtrail_core::projection::StateError;
use mailtrail_core::{DeliveryId, Evidence};

use crate::email_log::EmailLogState;
use crate::planned_row::PlannedRow;
use crate::row::EmailLogRow;
use crate::words;

/// A row of the Email Log, and what an index has to know beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexedRow {
    pub(super) row: EmailLogRow,
    /// By which rows of one contact are in order.
    pub(super) address: Box<str>,
    /// The delivery whose result the row shows.
    pub(super) holder: Option<DeliveryId>,
    /// When its words change by themselves.
    pub(super) due: Option<DateTime<Utc>>,
}

impl IndexedRow {
    /// The row of a delivery, in words of this time; none if it was never planned.
    ///
    /// # Errors
    /// [`StateError`] if an entry has to be read, and can't be.
    pub fn of(
        state: &EmailLogState,
        delivery: DeliveryId,
        now: Option<DateTime<Utc>>,
    ) -> Result<Option<Self>, StateError> {
        let Some(planned) = state.held_row(delivery)? else { return Ok(None) };
        Self::made(state, &planned, &state.evidence(delivery)?, now).map(Some)
    }

    pub(super) fn made(
        state: &EmailLogState,
        planned: &PlannedRow,
        evidence: &Evidence,
        now: Option<DateTime<Utc>>,
    ) -> Result<Self, StateError> {
        let holder = match evidence.planned() {
            Some(Planned::Duplicated(holder)) => Some(holder),
            _ => None,
        };
        Ok(Self {
            row: EmailLogRow::of(planned, evidence, state, now)?,
            address: planned.ordering_address().into(),
            holder,
            due: now.and_then(|now| words::change_at(evidence, now)),
        })
    }
}
