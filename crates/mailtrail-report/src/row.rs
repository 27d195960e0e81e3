//! One row of the Email Log, in the words that people see.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use mailtrail_core::evidence::Planned;
use mailtrail_core::projection::StateError;
use mailtrail_core::{DeliveryId, Evidence, Status};

use crate::email_log::EmailLogState;
use crate::labels::Labels;
use crate::planned_row::PlannedRow;
use crate::sheet::{Cell, Column, Kind, Sheet, Shown};
use crate::words;

/// One row of the Email Log. The columns are stable, in this order; labels come last.
///
/// Times are those that the sources claim; where none gives one, the cell is empty. Of a person who
/// was erased, name and address read `erased`.
///
/// ```
/// use mailtrail_report::EmailLogRow;
/// let titles: Vec<_> = EmailLogRow::sheet(&[]).columns.into_iter().map(|column| column.title).collect();
/// assert_eq!(titles[5..9], ["Contact ID", "Name", "Email Address", "Delivery Results"].map(Box::from));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct EmailLogRow {
    /// The delivery.
    pub delivery: DeliveryId,
    /// The broadcast.
    pub broadcast: Box<str>,
    /// Its type.
    pub broadcast_type: Box<str>,
    /// Its subject line.
    pub subject: Box<str>,
    /// Its From address.
    pub from: Box<str>,
    /// The contact.
    pub contact_id: Box<str>,
    /// The contact's name.
    pub name: Box<str>,
    /// The address as given.
    pub email_address: Box<str>,
    /// The status's label.
    pub delivery_results: &'static str,
    /// The status.
    pub status: Status,
    /// Why, in plain words.
    pub why: String,
    /// What to do about it.
    pub what_to_do: &'static str,
    /// When it was planned.
    pub planned: Option<DateTime<Utc>>,
    /// When someone first took it.
    pub sent: Option<DateTime<Utc>>,
    /// When delivery was first confirmed.
    pub delivered: Option<DateTime<Utc>>,
    /// When it was first opened.
    pub first_opened: Option<DateTime<Utc>>,
    /// When the status came to be what it is.
    pub last_change: Option<DateTime<Utc>>,
    /// Opens by persons.
    pub opens_person: usize,
    /// Opens by the mailbox's provider.
    pub opens_machine: usize,
    /// Opens of which nobody can tell.
    pub opens_unknown: usize,
    /// Clicks.
    pub clicks: usize,
    /// Our attempts.
    pub attempts: usize,
    /// How many refusals speak against a delivery.
    pub bounced_after_delivery: usize,
    /// Whether the recipient complained.
    pub complained: bool,
    /// Whether the recipient unsubscribed.
    pub unsubscribed: bool,
    /// The contact whose row has the address, with that row's result.
    pub duplicate_of: String,
    /// The contact's labels.
    pub labels: BTreeMap<String, String>,
}

impl EmailLogRow {
    pub(crate) const DELIVERY: usize = 0;
    pub(crate) const BROADCAST: usize = 1;
    pub(crate) const CONTACT: usize = 5;
    pub(crate) const STATUS: usize = 8;

    /// The rows as the Email Log shows them.
    pub fn sheet(rows: &[Self]) -> Sheet {
        let labels = Labels::of(rows.iter().map(|row| &row.labels));
        let columns = columns().into_iter().chain(labels.columns(Shown::Full));
        let mut sheet = Sheet::new("email_log", "Email Log", columns);
        for row in rows {
            sheet.push(row.cells().into_iter().chain(labels.cells(&row.labels)));
        }
        sheet
    }

    /// The number of the column of this name or title; none, if it can only be a label's. JSON's `status` is that of its
    /// label.
    pub(crate) fn column(name: &str) -> Option<usize> {
        let name = if name == "status" { "delivery_results" } else { name };
        let is_it =
            |column: &Column| *column.name == *name || column.title.eq_ignore_ascii_case(name);
        columns().iter().position(is_it)
    }

    /// The cell of a column.
    pub(crate) fn cell(&self, column: usize) -> Cell {
        self.cells().into_iter().nth(column).unwrap_or(Cell::Empty)
    }

    /// Whether a text stands in a cell or a label, in upper or lower case, or is the whole delivery; `text` is in lower
    /// case.
    pub(crate) fn says(&self, text: &str) -> bool {
        let is_in = |own: &str| own.to_lowercase().contains(text);
        let in_a_cell = |cell: &Cell| match cell {
            Cell::Text(own) => is_in(own),
            Cell::Status(status) => is_in(status.label()),
            _ => false,
        };
        // A delivery is random letters and digits: no part of them says anything.
        self.cells().iter().skip(1).any(in_a_cell)
            || self.labels.values().any(|own| is_in(own))
            || self.delivery.to_string() == text
    }

    pub(crate) fn of(
        planned: &PlannedRow,
        evidence: &Evidence,
        state: &EmailLogState,
        now: Option<DateTime<Utc>>,
    ) -> Result<Self, StateError> {
        let status = evidence.status();
        let opens = evidence.opens();
        Ok(Self {
            delivery: planned.row.delivery,
            broadcast: planned.row.broadcast.as_str().into(),
            broadcast_type: planned.row.kind.as_str().into(),
            subject: planned.subject.clone().unwrap_or_default(),
            from: planned.row.from.clone().unwrap_or_default(),
            contact_id: planned.row.contact.as_str().into(),
            name: planned.personal(planned.name.as_deref()),
            email_address: planned.personal(planned.address.as_deref()),
            delivery_results: status.label(),
            status,
            why: words::why(evidence, now),
            what_to_do: words::what_to_do(evidence),
            planned: evidence.planned_at(),
            sent: evidence.sent_at(),
            delivered: evidence.delivered_at(),
            first_opened: evidence.first_opened_at(),
            last_change: evidence.decided_by().and_then(|moment| moment.at),
            opens_person: opens.human,
            opens_machine: opens.machine,
            opens_unknown: opens.unknown,
            clicks: evidence.clicks(),
            attempts: evidence.attempts(),
            bounced_after_delivery: evidence.contradictions().len(),
            complained: evidence.complained().is_some(),
            unsubscribed: evidence.unsubscribed().is_some(),
            duplicate_of: duplicate_of(evidence, state)?,
            labels: planned.labels.to_map(),
        })
    }

    /// The cells before the labels.
    pub(crate) fn cells(&self) -> [Cell; 25] {
        [
            self.delivery.to_string().into(),
            self.broadcast.clone().into(),
            self.broadcast_type.clone().into(),
            self.subject.clone().into(),
            self.from.clone().into(),
            self.contact_id.clone().into(),
            self.name.clone().into(),
            self.email_address.clone().into(),
            self.status.into(),
            self.why.clone().into(),
            self.what_to_do.into(),
            self.planned.into(),
            self.sent.into(),
            self.delivered.into(),
            self.first_opened.into(),
            self.last_change.into(),
            self.opens_person.into(),
            self.opens_machine.into(),
            self.opens_unknown.into(),
            self.clicks.into(),
            self.attempts.into(),
            self.bounced_after_delivery.into(),
            self.complained.into(),
            self.unsubscribed.into(),
            self.duplicate_of.clone().into(),
        ]
    }
}

/// The columns before the labels: the delivery for programs, then the design's.
pub(crate) fn columns() -> [Column; 25] {
    use Kind::{Count, Flag, Status, Text, Time};
    use Shown::{Always, Data, Full, Roomy};
    [
        ("delivery", "Delivery", Text, Data),
        ("broadcast", "Broadcast", Text, Full),
        ("broadcast_type", "Broadcast Type", Text, Full),
        ("subject", "Subject", Text, Full),
        ("from", "From", Text, Full),
        ("contact_id", "Contact ID", Text, Always),
        ("name", "Name", Text, Always),
        ("email_address", "Email Address", Text, Always),
        ("delivery_results", "Delivery Results", Status, Always),
        ("why", "Why", Text, Always),
        ("what_to_do", "What To Do", Text, Full),
        ("planned", "Planned", Time, Full),
        ("sent", "Sent", Time, Full),
        ("delivered", "Delivered", Time, Full),
        ("first_opened", "First Opened", Time, Full),
        ("last_change", "Last Change", Time, Full),
        ("opens_person", "Opens (person)", Count, Roomy),
        ("opens_machine", "Opens (machine)", Count, Full),
        ("opens_unknown", "Opens (unknown)", Count, Roomy),
        ("clicks", "Clicks", Count, Full),
        ("attempts", "Attempts", Count, Roomy),
        ("bounced_after_delivery", "Bounced After Delivery", Count, Full),
        ("complained", "Complained", Flag, Full),
        ("unsubscribed", "Unsubscribed", Flag, Full),
        ("duplicate_of", "Duplicate Of", Text, Full),
    ]
    .map(|(name, title, kind, shown)| Column::new(name, title, kind).shown(shown))
}

impl PlannedRow {
    pub(crate) fn personal(&self, text: Option<&str>) -> Box<str> {
        if self.erased { "erased".into() } else { text.unwrap_or_default().into() }
    }
}

fn duplicate_of(evidence: &Evidence, state: &EmailLogState) -> Result<String, StateError> {
    let Some(Planned::Duplicated(holder)) = evidence.planned() else { return Ok(String::new()) };
    let result = state.evidence(holder)?.status().label();
    Ok(match state.planned_row(holder)? {
        Some(row) => format!("{} ({result})", row.contact),
        None => format!("{holder} ({result})"),
    })
}
