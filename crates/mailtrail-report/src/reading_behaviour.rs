//! Reading behaviour: what is read most, and what least.

use std::collections::BTreeMap;
use std::str::FromStr;

use chrono::{DateTime, Datelike, Timelike, Utc};
use chrono_tz::Tz;
use mailtrail_core::event::{Agent, Reading};
use mailtrail_core::projection::StateError;
use mailtrail_core::{Evidence, Status};

use crate::email_log::EmailLogState;
use crate::planned_row::PlannedRow;
use crate::query::Query;
use crate::sheet::{Cell, Chart, Column, Kind, Sheet};
use crate::summary::Rate;

/// How much of what arrived is read, by some property of it.
///
/// # What is counted?
/// Of the rows that are at least Delivered: those opened by a person, those opened by nobody can tell whom (which count as
/// read, and are shown apart), and those that a machine fetched and nobody opened. The first two are together the Opened of
/// the summary.
///
/// # How sure is it?
/// The rate has its interval, and there is none of fewer than twenty rows. That something is read most is said only if its
/// interval lies above that of what is read least.
///
/// ```
/// use mailtrail_report::{By, EmailLogState, Query, ReadingBehaviour};
/// let state = EmailLogState::default();             // filled by `mailtrail_core::projection::replay`
/// let reading = ReadingBehaviour::of(&state, &Query::default(), &By::Hour)?;
/// assert!(reading.groups.is_empty());
/// assert_eq!(&*reading.sheet().columns[0].title, "Hour sent");
/// # Ok::<(), mailtrail_core::projection::StateError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReadingBehaviour {
    /// By what.
    pub by: By,
    /// What is read most comes first, what is too few to say last.
    pub groups: Vec<(Box<str>, ReadCounts)>,
    /// How many rows were first opened in each hour of the day, in the contact's time zone.
    pub opened_in_hour: [u64; 24],
    /// How many of the rows have no time zone: their hours are in UTC.
    pub without_time_zone: u64,
}

/// By what rows are put together.
///
/// ```
/// use mailtrail_report::By;
/// assert_eq!("weekday".parse(), Ok(By::Weekday));
/// assert_eq!("school".parse(), Ok(By::Label("school".into())));
/// # Ok::<(), std::convert::Infallible>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum By {
    /// The broadcast's type.
    #[default]
    Kind,
    /// The subject line.
    Subject,
    /// The hour in which it was sent, in the contact's time zone.
    Hour,
    /// The day of the week on which it was sent, in the contact's time zone.
    Weekday,
    /// The contact.
    Contact,
    /// The recipient's domain.
    Domain,
    /// A label.
    Label(Box<str>),
}

/// How much is read of some rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReadCounts {
    /// At least Delivered.
    pub delivered: u64,
    /// Opened by a person.
    pub by_persons: u64,
    /// Opened, and nobody can tell by whom.
    pub by_unknown: u64,
    /// Fetched by a machine of the mailbox's provider, and not opened.
    pub by_machine_only: u64,
}

impl ReadCounts {
    /// How many are read, of those that arrived.
    pub fn read(&self) -> Rate {
        Rate::new(self.by_persons.saturating_add(self.by_unknown), self.delivered)
    }

    fn count(&mut self, evidence: &Evidence) {
        let one = |count: &mut u64| *count = count.saturating_add(1);
        one(&mut self.delivered);
        match evidence.status() {
            Status::Opened if is_by_a_person(evidence) => one(&mut self.by_persons),
            Status::Opened => one(&mut self.by_unknown),
            _ if evidence.opens().machine > 0 => one(&mut self.by_machine_only),
            _ => {}
        }
    }
}

impl By {
    fn title(&self) -> &str {
        match self {
            Self::Kind => "Broadcast Type",
            Self::Subject => "Subject",
            Self::Hour => "Hour sent",
            Self::Weekday => "Weekday sent",
            Self::Contact => "Contact ID",
            Self::Domain => "Domain",
            Self::Label(label) => label,
        }
    }

    fn name(&self) -> &str {
        match self {
            Self::Kind => "broadcast_type",
            Self::Subject => "subject",
            Self::Hour => "hour",
            Self::Weekday => "weekday",
            Self::Contact => "contact_id",
            Self::Domain => "domain",
            Self::Label(label) => label,
        }
    }

    /// Where a row belongs: what sorts, and what is shown.
    fn group(&self, planned: &PlannedRow, evidence: &Evidence) -> (u32, Box<str>) {
        let sent = || Some(planned.local(evidence.sent_at().or(evidence.delivered_at())?));
        let text: Box<str> = match self {
            Self::Kind => planned.row.kind.as_str().into(),
            Self::Subject => planned.personal(planned.subject.as_deref()),
            Self::Contact => planned.row.contact.as_str().into(),
            Self::Domain => planned.domain().unwrap_or_default(),
            Self::Label(label) => planned.label(label).into(),
            Self::Hour => match sent() {
                Some(at) => return (at.hour(), format!("{:02}:00", at.hour()).into()),
                None => return (u32::MAX, UNKNOWN.into()),
            },
            Self::Weekday => match sent() {
                Some(at) => {
                    let day = at.weekday();
                    return (day.num_days_from_monday(), at.format("%A").to_string().into());
                }
                None => return (u32::MAX, UNKNOWN.into()),
            },
        };
        (0, text)
    }
}

impl FromStr for By {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text {
            "kind" => Self::Kind,
            "subject" => Self::Subject,
            "hour" => Self::Hour,
            "weekday" => Self::Weekday,
            "contact" => Self::Contact,
            "domain" => Self::Domain,
            label => Self::Label(label.into()),
        })
    }
}

impl ReadingBehaviour {
    /// Of the rows that a query asks for.
    ///
    /// # Errors
    /// [`StateError`] if the state can't be read.
    pub fn of(state: &EmailLogState, query: &Query, by: &By) -> Result<Self, StateError> {
        let mut groups: BTreeMap<(u32, Box<str>), ReadCounts> = BTreeMap::new();
        let (mut opened_in_hour, mut without_time_zone) = ([0_u64; 24], 0_u64);
        state.each_row(query, |planned, evidence| {
            if evidence.status() < Status::Delivered {
                return Ok(());
            }
            groups.entry(by.group(planned, evidence)).or_default().count(evidence);
            if planned.zone().is_none() {
                without_time_zone = without_time_zone.saturating_add(1);
            }
            let hour = evidence.first_opened_at().map(|at| planned.local(at).hour() as usize);
            if let Some(count) = hour.and_then(|hour| opened_in_hour.get_mut(hour)) {
                *count = count.saturating_add(1);
            }
            Ok(())
        })?;
        let mut groups: Vec<_> = groups.into_iter().collect();
        groups.sort_by(|((one_place, _), one), ((other_place, _), other)| {
            most_read_first(one.read(), other.read()).then(one_place.cmp(other_place))
        });
        let groups = groups.into_iter().map(|((_, text), counts)| (text, counts)).collect();
        Ok(Self { by: by.clone(), groups, opened_in_hour, without_time_zone })
    }

    /// As a report.
    pub fn sheet(&self) -> Sheet {
        let columns = [
            (self.by.name(), self.by.title(), Kind::Text),
            ("delivered", "Delivered", Kind::Count),
            ("opened_by_person", "Opened (person)", Kind::Count),
            ("opened_by_unknown", "Opened (unknown)", Kind::Count),
            ("opened_by_machine_only", "Opened by a machine only", Kind::Count),
            ("read", "Read", Kind::Estimate),
        ];
        let columns = columns.map(|(name, title, kind)| Column::new(name, title, kind));
        let mut sheet = Sheet::new("reading_behaviour", "Reading behaviour", columns);
        for (group, counts) in &self.groups {
            sheet.push([
                Cell::from(group.clone()),
                counts.delivered.into(),
                counts.by_persons.into(),
                counts.by_unknown.into(),
                counts.by_machine_only.into(),
                counts.read().into(),
            ]);
        }
        self.notes().for_each(|note| sheet.note(note));
        let sure = self.groups.iter().filter(|(_, counts)| counts.read().interval().is_some());
        let bars = sure.map(|(group, counts)| (group.clone(), counts.read().percent()));
        sheet.charts.push(Chart::bars("Read, in percent of what arrived", bars));
        let hours = (0_u8..).zip(self.opened_in_hour);
        let bars = hours.map(|(hour, count)| (format!("{hour:02}:00"), count));
        sheet.charts.push(Chart::bars("First opened, by the contact's hour", bars));
        sheet
    }

    fn notes(&self) -> impl Iterator<Item = String> {
        let read = "Read: opened by a person, or by nobody can tell whom, of all that is at least Delivered.";
        let is_of_time = matches!(self.by, By::Hour | By::Weekday);
        let without = (is_of_time && self.without_time_zone > 0).then(|| {
            format!("{} of these rows have no time zone: they are in UTC.", self.without_time_zone)
        });
        std::iter::once(read.to_owned()).chain(without).chain(self.extremes())
    }

    /// What is read most and what least, if it is sure.
    fn extremes(&self) -> Option<String> {
        let sure = self.groups.iter().filter_map(|(group, counts)| {
            let read = counts.read();
            Some((group, read, read.interval()?))
        });
        let sure: Vec<_> = sure.collect();
        let (most, _, (low, _)) = sure.first()?;
        let (least, _, (_, high)) = sure.last()?;
        (low > high).then(|| format!("Read most: {most}. Read least: {least}."))
    }
}

/// By the rate, what is too few to say last.
fn most_read_first(one: Rate, other: Rate) -> std::cmp::Ordering {
    let is_unsure = |rate: Rate| rate.interval().is_none();
    let crossed = |a: Rate, b: Rate| u128::from(a.count) * u128::from(b.of);
    is_unsure(one)
        .cmp(&is_unsure(other))
        .then_with(|| crossed(other, one).cmp(&crossed(one, other)))
        .then_with(|| other.of.cmp(&one.of))
}

/// Whether a person opened it, as it is read at present.
fn is_by_a_person(evidence: &Evidence) -> bool {
    let decided = evidence.decided_by().and_then(|moment| evidence.current_reading(moment.event));
    let first = evidence.why().and_then(|why| why.agent);
    let agent = match decided {
        Some(Reading::Agent(agent)) => Some(agent),
        _ => first,
    };
    evidence.opens().human > 0 || agent == Some(Agent::Human)
}

impl PlannedRow {
    /// The contact's time zone, if it is one that we know.
    fn zone(&self) -> Option<Tz> {
        self.row.time_zone.as_ref()?.parse().ok()
    }

    /// A moment as the contact's clock shows it.
    fn local(&self, at: DateTime<Utc>) -> DateTime<Tz> {
        at.with_timezone(&self.zone().unwrap_or(Tz::UTC))
    }
}

const UNKNOWN: &str = "unknown";
