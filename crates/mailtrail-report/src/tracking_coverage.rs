//! Tracking coverage: how much is known of what was sent, and what would make it more.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use mailtrail_core::projection::StateError;
use mailtrail_core::{ContactId, Evidence, Status};

use crate::email_log::EmailLogState;
use crate::query::Query;
use crate::render::text;
use crate::sheet::{Cell, Chart, Column, Kind, Sheet};
use crate::summary::Rate;

/// How much is known of what was taken, by recipient domain and by From address.
///
/// # When is there advice?
/// Only when the numbers speak for it, with their intervals:
/// - *Trusted senders*, if at least one in ten of those who followed a link shows no open: their programs show no images of ours.
/// - *Keep the From address*, if contacts who got mail from one From address read more of it than those who got it from
///   several: the interval of their rate lies above that of the others.
///
/// ```
/// use mailtrail_report::{EmailLogState, Query, TrackingCoverage};
/// let state = EmailLogState::default();             // filled by `mailtrail_core::projection::replay`
/// let coverage = TrackingCoverage::of(&state, &Query::default())?;
/// assert!(coverage.advice().is_empty());
/// # Ok::<(), mailtrail_core::projection::StateError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TrackingCoverage {
    /// By the recipient's domain.
    pub domains: BTreeMap<Box<str>, Coverage>,
    /// By the From address; rows without one are under the empty text.
    pub from: BTreeMap<Box<str>, Coverage>,
    /// Opened, of what arrived, by how many From addresses the contact got mail from: one, or several.
    pub read_by_from_addresses: [Rate; 2],
    /// Of the rows of which a person followed a link, those that show no open.
    pub clicked_without_open: Rate,
}

/// How much is known of some rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Coverage {
    /// Taken by someone, and not refused since.
    pub taken: u64,
    /// At least Delivered.
    pub delivered: u64,
    /// Of these, confirmed by the recipient's server, and not only shown by what came back.
    pub confirmed: u64,
    /// Of these, with an open or click of anyone, machines too.
    pub with_open_signal: u64,
}

/// The From addresses that a contact knows, and how much of what arrived from them was read.
type Contacts = BTreeMap<ContactId, (BTreeSet<Box<str>>, Rate)>;

impl Coverage {
    /// How many are known to have arrived, of those that were taken.
    pub fn known(&self) -> Rate {
        Rate::new(self.delivered, self.taken)
    }

    /// How many give a sign of being opened, of those that arrived.
    pub fn open_signal(&self) -> Rate {
        Rate::new(self.with_open_signal, self.delivered)
    }

    fn count(&mut self, evidence: &Evidence) {
        let one = |count: &mut u64, more: bool| *count = count.saturating_add(u64::from(more));
        let arrived = evidence.status() >= Status::Delivered;
        one(&mut self.taken, true);
        one(&mut self.delivered, arrived);
        one(&mut self.confirmed, arrived && evidence.is_confirmed());
        one(&mut self.with_open_signal, arrived && has_open_signal(evidence));
    }
}

impl TrackingCoverage {
    /// Of the rows that a query asks for.
    ///
    /// # Errors
    /// [`StateError`] if the state can't be read.
    pub fn of(state: &EmailLogState, query: &Query) -> Result<Self, StateError> {
        Ok(Self::by(state, query, None)?.into_values().next().unwrap_or_default())
    }

    /// The same by the values of a label as [`summary_by`](EmailLogState::summary_by); without one all are under the empty
    /// value.
    ///
    /// # Errors
    /// As of [`of`](Self::of).
    pub fn by(
        state: &EmailLogState,
        query: &Query,
        label: Option<&str>,
    ) -> Result<BTreeMap<String, Self>, StateError> {
        let mut groups: BTreeMap<String, (Self, Contacts)> = BTreeMap::new();
        state.each_row(query, |planned, evidence| {
            let status = evidence.status();
            let is_taken =
                matches!(status, Status::Sent | Status::SoftBounced) && evidence.is_sent();
            if !is_taken && status < Status::Delivered {
                return Ok(());
            }
            let (coverage, contacts) = groups.entry(planned.value(label)).or_default();
            let from = planned.row.from.clone().unwrap_or_default();
            let domain = planned.domain().unwrap_or_default();
            coverage.domains.entry(domain).or_default().count(evidence);
            coverage.from.entry(from.clone()).or_default().count(evidence);
            if status >= Status::Delivered {
                let (addresses, read) = contacts.entry(planned.row.contact.clone()).or_default();
                addresses.insert(from);
                *read = read.with(status == Status::Opened);
            }
            if evidence.clicks() > 0 {
                let opens = evidence.opens();
                let shows_none = opens.human == 0 && opens.unknown == 0 && opens.machine == 0;
                coverage.clicked_without_open = coverage.clicked_without_open.with(shows_none);
            }
            Ok(())
        })?;
        let with_contacts = |(mut coverage, contacts): (Self, Contacts)| {
            for (addresses, read) in contacts.values() {
                let [one, several] = &mut coverage.read_by_from_addresses;
                let sum = if addresses.len() == 1 { one } else { several };
                *sum = sum.and(*read);
            }
            coverage
        };
        Ok(groups.into_iter().map(|(value, group)| (value, with_contacts(group))).collect())
    }

    /// What would make more known, as far as the numbers speak for it.
    pub fn advice(&self) -> Vec<String> {
        let words = |rate: Rate| text(&Cell::Rate(rate), Kind::Estimate);
        let images = self.clicked_without_open;
        let trusted = images.interval().filter(|(low, _)| *low >= ONE_IN_TEN).map(|_| {
            format!(
                "Ask recipients to add the From address to their trusted senders: of the messages of which someone followed \
                 a link, {} show no open, as the mail program shows no images.",
                words(images)
            )
        });
        let [one, several] = self.read_by_from_addresses;
        let apart = one.interval().zip(several.interval());
        let from = apart.filter(|((low, _), (_, high))| low > high).map(|_| {
            format!(
                "Don't change the From address often, as the permission to show images is tied to it: of what arrived at \
                 contacts who know one From address {} was opened, of those who know several {}.",
                words(one),
                words(several)
            )
        });
        trusted.into_iter().chain(from).collect()
    }

    /// As a report.
    pub fn sheet(&self) -> Sheet {
        let columns = [
            ("of", "Of", Kind::Text),
            ("value", "Domain or From", Kind::Text),
            ("taken", "Taken", Kind::Count),
            ("delivered", "Delivered", Kind::Count),
            ("confirmed", "Confirmed", Kind::Count),
            ("known", "Known to have arrived", Kind::Rate),
            ("open_signal", "With a sign of being opened", Kind::Rate),
        ];
        let columns = columns.map(|(name, title, kind)| Column::new(name, title, kind));
        let mut sheet = Sheet::new("tracking_coverage", "Tracking coverage", columns);
        for (of, groups) in [("domain", &self.domains), ("from", &self.from)] {
            let mut groups: Vec<_> = groups.iter().collect();
            groups.sort_by_key(|(value, coverage)| (Reverse(coverage.taken), *value));
            for (value, coverage) in groups {
                sheet.push([
                    of.into(),
                    value.clone().into(),
                    coverage.taken.into(),
                    coverage.delivered.into(),
                    coverage.confirmed.into(),
                    coverage.known().into(),
                    coverage.open_signal().into(),
                ]);
            }
        }
        sheet.note(
            "Taken: handed over, and not refused since. The rates are of that, and of Delivered.",
        );
        self.advice().into_iter().for_each(|advice| sheet.note(advice));
        let sure =
            self.domains.iter().filter(|(_, coverage)| coverage.known().interval().is_some());
        let bars = sure.map(|(domain, coverage)| (domain.clone(), coverage.known().percent()));
        sheet.charts.push(Chart::bars("Known to have arrived, in percent of what was taken", bars));
        sheet
    }
}

fn has_open_signal(evidence: &Evidence) -> bool {
    let opens = evidence.opens();
    let opened = opens.human > 0 || opens.unknown > 0 || opens.machine > 0;
    opened || evidence.clicks() > 0 || evidence.status() == Status::Opened
}

/// In tenths of a percent.
const ONE_IN_TEN: u64 = 100;
