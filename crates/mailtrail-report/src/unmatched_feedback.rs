//! Unmatched feedback: what came back, and no delivery of ours is named.

use chrono::{DateTime, TimeDelta, Utc};
use mailtrail_core::event::Row;
use mailtrail_core::evidence::Planned;
use mailtrail_core::projection::StateError;
use mailtrail_core::{EventId, StreamId};

use crate::email_log::EmailLogState;
use crate::sheet::{Column, Kind, Sheet, Shown};
use crate::trails::TrailsState;

/// The streams of feedback that no planned delivery names: as many as the summary says.
///
/// What is listed here is kept, and counts as soon as a delivery names it. Mostly it is of mail that another system sent.
///
/// # Whose may it be?
/// Where it names a recipient to whom a message was sent in the fortnight before it, the last one of these is suggested. Nothing
/// is concluded from that: the same person gets mail of others, too.
///
/// ```
/// use mailtrail_report::{EmailLogState, TrailsState, UnmatchedFeedback};
/// let unmatched = UnmatchedFeedback::of(&EmailLogState::default(), &TrailsState::default())?;
/// assert!(unmatched.sheet().rows.is_empty());
/// # Ok::<(), mailtrail_core::projection::StateError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnmatchedFeedback {
    /// In order of time.
    pub feedback: Vec<Unmatched>,
}

/// Feedback about one message to one recipient, that names no delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unmatched {
    /// Its stream: a key's, a message's, or of a delivery that was never planned.
    pub stream: StreamId,
    /// When its first event claims to have happened.
    pub first: Option<DateTime<Utc>>,
    /// And its last.
    pub last: Option<DateTime<Utc>>,
    /// The first event.
    pub event: EventId,
    /// Its type.
    pub event_type: Box<str>,
    /// What brought it.
    pub source: Box<str>,
    /// The row that it may belong to.
    pub suggested: Option<Row>,
}

impl UnmatchedFeedback {
    /// All of it. The trails are of the same log as the Email Log.
    ///
    /// # Errors
    /// [`StateError`] if a state can't be read.
    pub fn of(log: &EmailLogState, trails: &TrailsState) -> Result<Self, StateError> {
        let unmatched = trails.unmatched()?;
        let recipients = unmatched.iter().filter_map(|one| one.recipient.clone());
        let rows = log.rows_to(recipients.collect())?;
        let mut feedback = Vec::new();
        for one in unmatched {
            let to_it = one.recipient.and_then(|recipient| rows.get(&recipient));
            let suggested = match (to_it, one.moment.at) {
                (Some(rows), Some(at)) => last_before(log, rows, at)?,
                _ => None,
            };
            feedback.push(Unmatched {
                stream: one.first.stream,
                first: one.moment.at,
                last: one.last,
                event: one.moment.event,
                event_type: one.first.event_type,
                source: one.first.source,
                suggested,
            });
        }
        Ok(Self { feedback })
    }

    /// As a report.
    pub fn sheet(&self) -> Sheet {
        let columns = [
            ("first", "First", Kind::Time, Shown::Always),
            ("last", "Last", Kind::Time, Shown::Roomy),
            ("type", "First Event", Kind::Text, Shown::Always),
            ("source", "Source", Kind::Text, Shown::Always),
            ("may_belong_to", "May Belong To", Kind::Text, Shown::Always),
            ("suggested_delivery", "Suggested Delivery", Kind::Text, Shown::Data),
            ("stream", "Stream", Kind::Text, Shown::Roomy),
            ("event_id", "Event ID", Kind::Text, Shown::Roomy),
        ];
        let columns =
            columns.map(|(name, title, kind, shown)| Column::new(name, title, kind).shown(shown));
        let mut sheet = Sheet::new("unmatched_feedback", "Unmatched feedback", columns);
        for one in &self.feedback {
            let row = one.suggested.as_ref();
            sheet.push([
                one.first.into(),
                one.last.into(),
                one.event_type.clone().into(),
                one.source.clone().into(),
                row.map(|row| format!("{} in {}", row.contact, row.broadcast)).into(),
                row.map(|row| row.delivery.to_string()).into(),
                one.stream.to_string().into(),
                one.event.to_string().into(),
            ]);
        }
        sheet.note("It counts as soon as a delivery names it.");
        sheet.note(
            "May belong to: the last message to the same address in the fortnight before. Nothing is concluded from it.",
        );
        sheet
    }
}

/// The row that was sent last before this time, or planned, if it is not long ago.
fn last_before(
    log: &EmailLogState,
    rows: &[Row],
    at: DateTime<Utc>,
) -> Result<Option<Row>, StateError> {
    let mut last = None;
    for row in rows {
        let evidence = log.evidence(row.delivery)?;
        let sent = evidence.sent_at().or(evidence.planned_at());
        let was_near = |sent: &DateTime<Utc>| (TimeDelta::zero()..=NEAR).contains(&(at - *sent));
        let sent = sent.filter(was_near).filter(|_| evidence.planned() == Some(Planned::Queued));
        last = last.max(sent.map(|sent| (sent, row.delivery)));
    }
    let is_last = |row: &&Row| last.is_some_and(|(_, delivery)| row.delivery == delivery);
    Ok(rows.iter().find(is_last).cloned())
}

/// Most of what comes back has come by then.
const NEAR: TimeDelta = TimeDelta::days(14);
