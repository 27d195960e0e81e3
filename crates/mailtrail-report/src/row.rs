//! One row of the Email Log, in the words that people see.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use mailtrail_core::evidence::Planned;
use mailtrail_core::projection::StateError;
use mailtrail_core::{DeliveryId, Evidence, Status};
use serde::{Serialize, Serializer};

use crate::email_log::EmailLogState;
use crate::planned_row::PlannedRow;
use crate::words;

/// One row of the Email Log. The columns are stable, in this order; labels come last.
///
/// Times are those that the sources claim; where none gives one, the cell is empty. Of a person who
/// was erased, name and address read `erased`.
///
/// ```
/// use mailtrail_report::EmailLogRow;
/// assert_eq!(EmailLogRow::COLUMNS[4..8], ["Contact ID", "Name", "Email Address", "Delivery Results"]);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
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
    /// The status's code.
    pub status: Status,
    /// Why, in plain words.
    pub why: String,
    /// What to do about it.
    pub what_to_do: &'static str,
    /// When it was planned.
    #[serde(serialize_with = "seconds")]
    pub planned: Option<DateTime<Utc>>,
    /// When someone first took it.
    #[serde(serialize_with = "seconds")]
    pub sent: Option<DateTime<Utc>>,
    /// When delivery was first confirmed.
    #[serde(serialize_with = "seconds")]
    pub delivered: Option<DateTime<Utc>>,
    /// When it was first opened.
    #[serde(serialize_with = "seconds")]
    pub first_opened: Option<DateTime<Utc>>,
    /// When the status came to be what it is.
    #[serde(serialize_with = "seconds")]
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
    /// The titles of the columns before the labels.
    pub const COLUMNS: [&'static str; 24] = [
        "Broadcast",
        "Broadcast Type",
        "Subject",
        "From",
        "Contact ID",
        "Name",
        "Email Address",
        "Delivery Results",
        "Why",
        "What To Do",
        "Planned",
        "Sent",
        "Delivered",
        "First Opened",
        "Last Change",
        "Opens (person)",
        "Opens (machine)",
        "Opens (unknown)",
        "Clicks",
        "Attempts",
        "Bounced After Delivery",
        "Complained",
        "Unsubscribed",
        "Duplicate Of",
    ];

    pub(crate) fn of(
        planned: &PlannedRow,
        evidence: &Evidence,
        state: &EmailLogState,
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
            why: words::why(evidence),
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
            labels: planned.labels.clone(),
        })
    }

    /// The cells before the labels, in the order of [`COLUMNS`](Self::COLUMNS).
    pub fn cells(&self) -> [String; 24] {
        let yes = |flag: bool| if flag { "yes".to_owned() } else { String::new() };
        [
            self.broadcast.to_string(),
            self.broadcast_type.to_string(),
            self.subject.to_string(),
            self.from.to_string(),
            self.contact_id.to_string(),
            self.name.to_string(),
            self.email_address.to_string(),
            self.delivery_results.to_owned(),
            self.why.clone(),
            self.what_to_do.to_owned(),
            time(self.planned),
            time(self.sent),
            time(self.delivered),
            time(self.first_opened),
            time(self.last_change),
            self.opens_person.to_string(),
            self.opens_machine.to_string(),
            self.opens_unknown.to_string(),
            self.clicks.to_string(),
            self.attempts.to_string(),
            self.bounced_after_delivery.to_string(),
            yes(self.complained),
            yes(self.unsubscribed),
            self.duplicate_of.clone(),
        ]
    }
}

impl PlannedRow {
    fn personal(&self, text: Option<&str>) -> Box<str> {
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

fn time(at: Option<DateTime<Utc>>) -> String {
    at.map_or_else(String::new, |at| at.format("%Y-%m-%dT%H:%M:%SZ").to_string())
}

#[expect(clippy::ref_option, reason = "serde's signature")]
fn seconds<S: Serializer>(at: &Option<DateTime<Utc>>, serializer: S) -> Result<S::Ok, S::Error> {
    match at {
        Some(_) => serializer.serialize_str(&time(*at)),
        None => serializer.serialize_none(),
    }
}
