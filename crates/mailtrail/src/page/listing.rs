//! Which rows of a broadcast's Email Log are shown, in which order, and from where on.

use std::fmt::Display;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use mailtrail_core::{BroadcastId, Status};
use mailtrail_report::{Cursor, EmailLogRow, Paging, Query, Sort, Summary};

use super::fault::Fault;
use super::frame;
use super::rows::View;

/// What an address asks for; one address for each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Listing {
    pub(super) broadcast: BroadcastId,
    pub(super) status: Option<Status>,
    /// A column or label, as `name=value`.
    pub(super) condition: String,
    pub(super) search: String,
    pub(super) paging: Paging,
}

/// A page of rows.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) rows: Vec<EmailLogRow>,
    /// How many there are on all pages.
    pub(super) matching: u64,
    /// The next page, if there is one.
    pub(super) next: Option<Listing>,
}

impl Listing {
    /// All of a broadcast, from the first.
    pub(super) fn of(broadcast: BroadcastId) -> Self {
        let (condition, search) = (String::new(), String::new());
        let paging = Paging::default().limit(ROWS);
        Self { broadcast, status: None, condition, search, paging }
    }

    /// Reads the query of an address.
    pub(super) fn read(query: &str) -> Result<Self, Fault> {
        let pairs: Vec<_> = form_urlencoded::parse(query.as_bytes()).collect();
        let value = |name: &str| {
            let pair = pairs.iter().find(|(given, value)| given == name && !value.is_empty());
            pair.map_or("", |(_, value)| value.trim())
        };
        let broadcast: Option<BroadcastId> = read("id", value("id"))?;
        let mut listing = Self::of(broadcast.ok_or(Fault::NotFound { what: "broadcast" })?);
        listing.status = read("status", value("status"))?;
        value("where").clone_into(&mut listing.condition);
        read::<Query>("where", &listing.condition)?;
        value("search").clone_into(&mut listing.search);
        listing.paging.sort = read("sort", value("sort"))?;
        listing.paging.after = read("after", value("after"))?;
        if let Some(limit) = read::<usize>("limit", value("limit"))? {
            listing.paging.limit = Some(limit.clamp(1, MOST_ROWS));
        }
        Ok(listing)
    }

    /// The query that [`read`](Self::read) reads.
    pub(super) fn query(&self) -> String {
        let after = self.paging.after.as_ref().map(Cursor::to_string).unwrap_or_default();
        let limit = self.paging.limit.filter(|limit| *limit != ROWS);
        let limit = limit.map(|limit| limit.to_string()).unwrap_or_default();
        frame::query([
            ("id", self.broadcast.as_str()),
            ("status", self.status.map_or("", Status::code)),
            ("where", self.condition.as_str()),
            ("search", self.search.as_str()),
            ("sort", self.sort().as_str()),
            ("after", after.as_str()),
            ("limit", limit.as_str()),
        ])
    }

    /// The order, as an address says it.
    pub(super) fn sort(&self) -> String {
        self.paging.sort.as_ref().map(Sort::to_string).unwrap_or_default()
    }

    /// Whether it begins with the first row.
    pub(super) fn is_first(&self) -> bool {
        self.paging.after.is_none()
    }

    /// From the first row.
    pub(super) fn first(&self) -> Self {
        let mut first = self.clone();
        first.paging.after = None;
        first
    }

    /// With rows of this status only, or of all.
    pub(super) fn with_status(&self, status: Option<Status>) -> Self {
        Self { status, ..self.first() }
    }

    /// Whether the greatest comes first, if it is sorted by this column.
    pub(super) fn is_descending_by(&self, column: &str) -> Option<bool> {
        self.paging
            .sort
            .as_ref()
            .filter(|sort| *sort.column == *column)
            .map(|sort| sort.is_descending)
    }

    /// Sorted by this column: times and numbers from the greatest. Where it is so already, the other way round.
    pub(super) fn sorted_by(&self, column: &str, descends: bool) -> Self {
        let descends =
            self.is_descending_by(column).map_or(descends, |is_descending| !is_descending);
        let mut sorted = self.first();
        sorted.paging.sort = Some(Sort::by(column, descends));
        sorted
    }

    /// Its rows, in words of this moment; `counts` are those of the broadcast.
    pub(super) fn find(
        &self,
        log: &View<'_>,
        counts: &Summary,
        now: DateTime<Utc>,
    ) -> Result<Found, Fault> {
        let mut query = Query::of(self.broadcast.clone()).now(now);
        query.statuses.extend(self.status);
        if let Some(condition) = read::<Query>("where", &self.condition)? {
            query = query.and(condition);
        }
        if !self.search.is_empty() {
            query = query.search(self.search.as_str());
        }
        let page = log.page(&query, &self.paging)?;
        let matching = match page.count {
            Some(count) => count,
            None if self.condition.is_empty() && self.search.is_empty() => {
                self.status.map_or_else(|| counts.rows(), |status| counts.of(status))
            }
            None => log.count(&query)?,
        };
        let next = page.next.map(|next| {
            let paging = self.paging.clone().after(next);
            Self { paging, ..self.clone() }
        });
        Ok(Found { rows: page.rows, matching, next })
    }

    /// Labels of its broadcast to choose from, as `name=value`.
    pub(super) fn labels(&self, log: &View<'_>) -> Result<Vec<String>, Fault> {
        let labels = log.labels(&self.broadcast, LABELS)?.into_iter();
        Ok(labels.map(|(name, value)| format!("{name}={value}")).collect())
    }
}

/// What a part of an address says, if it says anything.
fn read<T: FromStr<Err: Display>>(part: &'static str, text: &str) -> Result<Option<T>, Fault> {
    let said = (!text.is_empty()).then(|| text.parse());
    said.transpose().map_err(|error| Fault::malformed(part, &error))
}

const ROWS: usize = 100;
const MOST_ROWS: usize = 1_000;
const LABELS: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn an_address_says_what_is_listed(
            (id, label, search) in ("[a-z./& ]{0,5}[a-zß]", "[a-z]{1,3}=\\w{0,4}", "\\PC{0,8}"),
            (status, column, descends) in (0..11_usize, "[a-z_:]{0,5}[a-z]?", any::<bool>()),
            delivery: [u8; 16],
        ) {
            let mut listing = Listing::of(id.trim().parse().unwrap());
            listing.status = Status::ALL.get(status).copied();
            (listing.condition, listing.search) = (label, search.trim().to_owned());
            listing.paging.sort = (!column.is_empty()).then(|| Sort::by(&column, descends));
            let delivery = mailtrail_core::DeliveryId::from_bytes(delivery);
            listing.paging.after = Some(delivery.to_string().parse().unwrap());
            prop_assert_eq!(Listing::read(&listing.query()).unwrap(), listing);
        }

        #[test]
        fn reading_is_total(query in "\\PC{0,40}", after in "[A-Za-z0-9_=:-]{0,20}") {
            Listing::read(&query).ok();
            Listing::read(&format!("id=b&after={after}")).ok();
        }
    }
}
