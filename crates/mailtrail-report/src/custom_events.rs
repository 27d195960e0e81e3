//! Custom events: what is kept, and is none of the events that we know.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use mailtrail_core::event::Row;
use mailtrail_core::projection::StateError;
use mailtrail_core::{EventId, StreamId};

use crate::email_log::EmailLogState;
use crate::query::Query;
use crate::sheet::{Column, Kind, Sheet, Shown};
use crate::trails::TrailsState;

/// Events of integrators, of newer versions, and what could not be read: each kept, none raises a status.
///
/// ```
/// use mailtrail_report::{CustomEvents, EmailLogState, Query, TrailsState};
/// let (log, trails) = (EmailLogState::default(), TrailsState::default());
/// assert!(CustomEvents::of(&log, &trails, &Query::default())?.events.is_empty());
/// # Ok::<(), mailtrail_core::projection::StateError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CustomEvents {
    /// In order of time.
    pub events: Vec<CustomEvent>,
}

/// An event that is none of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CustomEvent {
    /// When it claims to have happened.
    pub at: Option<DateTime<Utc>>,
    /// Its type, in the words of its source.
    pub custom_type: Box<str>,
    /// What brought it.
    pub source: Box<str>,
    /// Its id.
    pub event: EventId,
    /// Its stream.
    pub stream: StreamId,
    /// The row that it concerns, if one is planned.
    pub row: Option<Row>,
    /// The labels of that row.
    pub labels: BTreeMap<String, String>,
}

impl CustomEvents {
    /// All of them; if a query asks for some rows only, those that concern one of them. The trails are of the same log as
    /// the Email Log, or of a longer one.
    ///
    /// # Errors
    /// [`StateError`] if a state can't be read.
    pub fn of(
        log: &EmailLogState,
        trails: &TrailsState,
        query: &Query,
    ) -> Result<Self, StateError> {
        let mut events = Vec::new();
        for (moment, brought) in trails.custom()? {
            let stream = brought.stream;
            let mut planned = None;
            for delivery in trails.concerned(stream)? {
                if log.answers(query, delivery)? {
                    planned = log.held_row(delivery)?;
                    break;
                }
            }
            if planned.is_some() || query.is_of_all() {
                let labels = planned.as_ref().map(|planned| planned.labels.to_map());
                events.push(CustomEvent {
                    at: moment.at,
                    custom_type: brought.event_type,
                    source: brought.source,
                    event: moment.event,
                    stream,
                    row: planned.map(|planned| planned.row),
                    labels: labels.unwrap_or_default(),
                });
            }
        }
        Ok(Self { events })
    }

    /// As a report; with a label, by the values of it.
    pub fn sheet(&self, by: Option<&str>) -> Sheet {
        use Kind::{Text, Time};
        use Shown::{Always, Data, Full, Roomy};
        let columns = [
            ("at", "At", Time, Always),
            ("type", "Type", Text, Always),
            ("source", "Source", Text, Always),
            ("broadcast", "Broadcast", Text, Roomy),
            ("contact_id", "Contact ID", Text, Always),
            ("delivery", "Delivery", Text, Data),
            ("stream", "Stream", Text, Full),
            ("event_id", "Event ID", Text, Roomy),
        ];
        let columns =
            columns.map(|(name, title, kind, shown)| Column::new(name, title, kind).shown(shown));
        let mut sheet = Sheet::new("custom_events", "Custom events", columns);
        let value =
            |one: &&CustomEvent| by.map(|label| one.labels.get(label).cloned().unwrap_or_default());
        let mut events: Vec<_> = self.events.iter().collect();
        events.sort_by_cached_key(value);
        for one in &events {
            let row = one.row.as_ref();
            sheet.push([
                one.at.into(),
                one.custom_type.clone().into(),
                one.source.clone().into(),
                row.map(|row| row.broadcast.as_str()).into(),
                row.map(|row| row.contact.as_str()).into(),
                row.map(|row| row.delivery.to_string()).into(),
                one.stream.to_string().into(),
                one.event.to_string().into(),
            ]);
        }
        sheet.note("They are kept, and raise no status.");
        match by {
            Some(label) => sheet.led_by(label, events.iter().filter_map(value)),
            None => sheet,
        }
    }
}
