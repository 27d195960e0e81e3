//! Which rows of a broadcast's Email Log are shown, in which order, and from where on.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use data_encoding::BASE64URL_NOPAD;
use mailtrail_core::projection::StateError;
use mailtrail_core::{BroadcastId, Status};
use mailtrail_report::{EmailLogRow, EmailLogState, Query};

use super::fault::Fault;
use super::frame;

/// What an address asks for; one address for each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Listing {
    pub(super) broadcast: BroadcastId,
    pub(super) status: Option<Status>,
    /// A label, as `name=value`.
    pub(super) label: String,
    pub(super) search: String,
    pub(super) order: Order,
    pub(super) descending: bool,
    after: Option<Place>,
    limit: usize,
}

/// What rows are ordered by; those that are alike, by contact and delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Contact,
    Name,
    Address,
    Result,
    LastChange,
}

/// Where a row stands in an order. As it is made of what the row holds, not of its number, rows that come or move don't
/// shift the others from one page to the next.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    key: String,
    contact: String,
    delivery: String,
}

/// A page of rows.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) rows: Vec<EmailLogRow>,
    /// How many stand before them.
    pub(super) before: usize,
    /// How many there are on all pages.
    pub(super) matching: usize,
    /// The next page, if there is one.
    pub(super) next: Option<Listing>,
    /// The labels of the rows, as `name=value`: some, to choose from.
    pub(super) labels: BTreeSet<String>,
}

impl Listing {
    /// All of a broadcast, from the first.
    pub(super) fn of(broadcast: BroadcastId) -> Self {
        let (label, search) = (String::new(), String::new());
        let order = Order::Contact;
        Self {
            broadcast,
            status: None,
            label,
            search,
            order,
            descending: false,
            after: None,
            limit: ROWS,
        }
    }

    /// Reads the query of an address.
    pub(super) fn read(query: &str) -> Result<Self, Fault> {
        let pairs: Vec<_> = form_urlencoded::parse(query.as_bytes()).collect();
        let value = |name: &str| {
            let pair = pairs.iter().find(|(given, value)| given == name && !value.is_empty());
            pair.map(|(_, value)| value.trim())
        };
        let broadcast = value("id").ok_or(Fault::NotFound { what: "broadcast" })?;
        let broadcast = broadcast.parse().map_err(|error| Fault::malformed("id", &error))?;
        let mut listing = Self::of(broadcast);
        if let Some(code) = value("status") {
            let status = Status::ALL.into_iter().find(|status| status.code() == code);
            let unknown = || Fault::malformed("status", &"there are ten, such as soft_bounced");
            listing.status = Some(status.ok_or_else(unknown)?);
        }
        if let Some(label) = value("where") {
            label.parse::<Query>().map_err(|error| Fault::malformed("where", &error))?;
            label.clone_into(&mut listing.label);
        }
        value("search").unwrap_or_default().clone_into(&mut listing.search);
        if let Some(sort) = value("sort") {
            let (descending, name) =
                sort.strip_prefix('-').map_or((false, sort), |name| (true, name));
            let order = Order::ALL.into_iter().find(|order| order.name() == name);
            let unknown = || Fault::malformed("sort", &"there is no such order");
            (listing.order, listing.descending) = (order.ok_or_else(unknown)?, descending);
        }
        if let Some(after) = value("after") {
            let place = Place::read(after)
                .ok_or_else(|| Fault::malformed("after", &"take it from the page before"))?;
            listing.after = Some(place);
        }
        if let Some(limit) = value("limit") {
            let limit: usize = limit.parse().map_err(|error| Fault::malformed("limit", &error))?;
            listing.limit = limit.clamp(1, MOST_ROWS);
        }
        Ok(listing)
    }

    /// The query that [`read`](Self::read) reads.
    pub(super) fn query(&self) -> String {
        let after = self.after.as_ref().map(Place::text).unwrap_or_default();
        let limit = if self.limit == ROWS { String::new() } else { self.limit.to_string() };
        let sort = if (self.order, self.descending) == (Order::Contact, false) {
            String::new()
        } else {
            self.sort()
        };
        frame::query([
            ("id", self.broadcast.as_str()),
            ("status", self.status.map_or("", Status::code)),
            ("where", self.label.as_str()),
            ("search", self.search.as_str()),
            ("sort", sort.as_str()),
            ("after", after.as_str()),
            ("limit", limit.as_str()),
        ])
    }

    /// The order, as an address says it.
    pub(super) fn sort(&self) -> String {
        format!("{}{}", if self.descending { "-" } else { "" }, self.order.name())
    }

    /// From the first row.
    pub(super) fn first(&self) -> Self {
        Self { after: None, ..self.clone() }
    }

    /// With rows of this status only, or of all.
    pub(super) fn with_status(&self, status: Option<Status>) -> Self {
        Self { status, ..self.first() }
    }

    /// In this order; where it is so already, the other way round.
    pub(super) fn ordered(&self, order: Order) -> Self {
        let descending =
            if self.order == order { !self.descending } else { order == Order::LastChange };
        Self { order, descending, ..self.first() }
    }

    /// Its rows, in words of this moment.
    pub(super) fn find(
        &self,
        log: &EmailLogState,
        now: DateTime<Utc>,
    ) -> Result<Found, StateError> {
        let mut query = Query::of(self.broadcast.clone()).now(now);
        query.statuses.extend(self.status);
        if let Some((name, value)) = self.label.split_once('=') {
            query = query.label(name.trim(), value.trim());
        }
        let sought = self.search.to_lowercase();
        let mut rows = log.rows(&query)?;
        let mut labels = BTreeSet::new();
        for (name, value) in rows.iter().flat_map(|row| &row.labels) {
            if labels.len() < LABELS {
                labels.insert(format!("{name}={value}"));
            }
        }
        rows.retain(|row| {
            let texts = [&row.contact_id, &row.name, &row.email_address];
            texts.into_iter().any(|text| text.to_lowercase().contains(&sought))
        });
        rows.sort_by_cached_key(|row| self.order.place(row));
        if self.descending {
            rows.reverse();
        }
        let is_before = |row: &EmailLogRow| {
            self.after.as_ref().is_some_and(|after| {
                let place = self.order.place(row);
                if self.descending { place >= *after } else { place <= *after }
            })
        };
        let (matching, before) = (rows.len(), rows.partition_point(is_before));
        let rows: Vec<_> = rows.into_iter().skip(before).take(self.limit).collect();
        let more = before.saturating_add(rows.len()) < matching;
        let last = rows.last().filter(|_| more).map(|row| self.order.place(row));
        let next = last.map(|last| Self { after: Some(last), ..self.clone() });
        Ok(Found { rows, before, matching, next, labels })
    }
}

impl Order {
    pub(super) const ALL: [Self; 5] =
        [Self::Contact, Self::Name, Self::Address, Self::Result, Self::LastChange];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Contact => "contact_id",
            Self::Name => "name",
            Self::Address => "email_address",
            Self::Result => "delivery_results",
            Self::LastChange => "last_change",
        }
    }

    fn place(self, row: &EmailLogRow) -> Place {
        let key = match self {
            Self::Contact => String::new(),
            Self::Name => row.name.to_lowercase(),
            Self::Address => row.email_address.to_lowercase(),
            Self::Result => {
                let rank = Status::ALL.iter().position(|status| *status == row.status);
                format!("{:02}", rank.unwrap_or_default())
            }
            // Milliseconds since the year 1; a row without is the oldest.
            Self::LastChange => row.last_change.map_or_else(String::new, |at| {
                format!("{:020}", at.timestamp_millis().saturating_add(62_135_596_800_000).max(0))
            }),
        };
        Place { key, contact: row.contact_id.to_string(), delivery: row.delivery.to_string() }
    }
}

impl Place {
    /// As an address holds it.
    fn text(&self) -> String {
        let Self { key, contact, delivery } = self;
        BASE64URL_NOPAD.encode(format!("{key}\0{contact}\0{delivery}").as_bytes())
    }

    fn read(text: &str) -> Option<Self> {
        let text = String::from_utf8(BASE64URL_NOPAD.decode(text.as_bytes()).ok()?).ok()?;
        // Neither a contact's id nor a delivery's holds a control character; a name may.
        let mut parts = text.rsplitn(3, '\0').map(str::to_owned);
        let (delivery, contact, key) = (parts.next()?, parts.next()?, parts.next()?);
        Some(Self { key, contact, delivery })
    }
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
            (status, order, descending) in (0..11_usize, 0..5_usize, any::<bool>()),
            key in "\\PC{0,5}\0?",
        ) {
            let mut listing = Listing::of(id.trim().parse().unwrap());
            listing.status = Status::ALL.get(status).copied();
            (listing.order, listing.descending) = (Order::ALL[order], descending);
            (listing.label, listing.search) = (label, search.trim().to_owned());
            let (contact, delivery) = ("c".to_owned(), "d".to_owned());
            listing.after = Some(Place { key, contact, delivery });
            prop_assert_eq!(Listing::read(&listing.query()).unwrap(), listing);
        }

        #[test]
        fn reading_is_total(query in "\\PC{0,40}", after in "[A-Za-z0-9_=-]{0,20}") {
            Listing::read(&query).ok();
            Listing::read(&format!("id=b&after={after}")).ok();
        }
    }
}
