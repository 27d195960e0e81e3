//! Contradictions: what arrived, and yet was refused.

use chrono::{DateTime, Utc};
use mailtrail_core::EventId;
use mailtrail_core::projection::StateError;
use mailtrail_core::reason::Reason;

use crate::email_log::EmailLogState;
use crate::query::Query;
use crate::row::EmailLogRow;
use crate::sheet::{Column, Kind, Sheet, Shown};
use crate::trails::TrailsState;

/// The refusals that speak against a delivery which arrived, one by one. The status stays what it is.
///
/// ```
/// use mailtrail_report::{Contradictions, EmailLogState, Query, TrailsState};
/// let (log, trails) = (EmailLogState::default(), TrailsState::default());
/// assert!(Contradictions::of(&log, &trails, &Query::default())?.contradictions.is_empty());
/// # Ok::<(), mailtrail_core::projection::StateError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Contradictions {
    /// In the order of the Email Log, then of the events.
    pub contradictions: Vec<Contradiction>,
}

/// A refusal of a delivery that arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Contradiction {
    /// The row that it speaks against.
    pub row: EmailLogRow,
    /// The event.
    pub event: EventId,
    /// When it claims to have happened.
    pub at: Option<DateTime<Utc>>,
    /// Its type; empty where only a newer reading of it is known.
    pub event_type: Box<str>,
    /// What brought it.
    pub source: Box<str>,
    /// Why it was refused, as it was read first.
    pub reason: Option<Reason>,
}

impl Contradictions {
    /// Of the rows that a query asks for. The trails are of the same log as the Email Log, or of a longer one.
    ///
    /// # Errors
    /// [`StateError`] if a state can't be read.
    pub fn of(
        log: &EmailLogState,
        trails: &TrailsState,
        query: &Query,
    ) -> Result<Self, StateError> {
        let mut contradictions = Vec::new();
        log.each_row(query, |planned, evidence| {
            for event in evidence.contradictions() {
                let refusal = trails.refusal(planned.row.delivery, *event)?;
                let (moment, brought) = refusal.unzip();
                let contradiction = Contradiction {
                    row: EmailLogRow::of(planned, evidence, log, query.now)?,
                    event: *event,
                    at: moment.and_then(|moment| moment.at),
                    event_type: brought
                        .as_ref()
                        .map_or_else(Box::default, |of| of.event_type.clone()),
                    source: brought.as_ref().map_or_else(Box::default, |of| of.source.clone()),
                    reason: brought.and_then(|of| of.reason),
                };
                contradictions.push((planned.order_key(), contradiction));
            }
            Ok(())
        })?;
        contradictions.sort_by(|(one, _), (other, _)| one.cmp(other));
        Ok(Self { contradictions: contradictions.into_iter().map(|(_, one)| one).collect() })
    }

    /// As a report; with a label, by the values of it.
    pub fn sheet(&self, by: Option<&str>) -> Sheet {
        use Kind::{Status, Text, Time};
        use Shown::{Always, Data, Full, Roomy};
        let columns = [
            ("delivery", "Delivery", Text, Data),
            ("broadcast", "Broadcast", Text, Roomy),
            ("contact_id", "Contact ID", Text, Always),
            ("email_address", "Email Address", Text, Always),
            ("delivery_results", "Delivery Results", Status, Always),
            ("delivered", "Delivered", Time, Roomy),
            ("refused", "Refused", Time, Always),
            ("type", "By Event", Text, Full),
            ("source", "Source", Text, Always),
            ("why", "Why", Text, Always),
            ("event_id", "Event ID", Text, Full),
        ];
        let columns =
            columns.map(|(name, title, kind, shown)| Column::new(name, title, kind).shown(shown));
        let mut sheet = Sheet::new("contradictions", "Contradictions", columns);
        let value = |one: &&Contradiction| {
            by.map(|label| one.row.labels.get(label).cloned().unwrap_or_default())
        };
        let mut contradictions: Vec<_> = self.contradictions.iter().collect();
        contradictions.sort_by_cached_key(value);
        for one in &contradictions {
            let row = &one.row;
            sheet.push([
                row.delivery.to_string().into(),
                row.broadcast.clone().into(),
                row.contact_id.clone().into(),
                row.email_address.clone().into(),
                row.status.into(),
                row.delivered.into(),
                one.at.into(),
                one.event_type.clone().into(),
                one.source.clone().into(),
                one.reason.map(Reason::sentence).into(),
                one.event.to_string().into(),
            ]);
        }
        sheet.note("What arrived stays Delivered or Opened: explain tells the whole trail.");
        match by {
            Some(label) => sheet.led_by(label, contradictions.iter().filter_map(value)),
            None => sheet,
        }
    }
}
