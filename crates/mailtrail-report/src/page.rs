//! The Email Log in another order, and page by page.

use std::cmp::Ordering;
use std::fmt;
use std::ops::ControlFlow;
use std::str::FromStr;

use bytes::Bytes;
use mailtrail_core::{DeliveryId, Status};

use crate::email_log::EmailLogState;
use crate::planned_row::PlannedRow;
use crate::query::{Query, QueryError};
use crate::row::EmailLogRow;
use crate::sheet::Cell;

/// In which order, how many rows, and behind which one.
///
/// Pages are stable: a row that comes in between, or whose place changes, moves no other. Each row that stays where it is
/// comes once.
///
/// ```
/// use mailtrail_report::{EmailLogState, Paging, Query};
/// let state = EmailLogState::default();
/// let mut paging = Paging::default().sort("last_change:desc".parse()?).limit(100);
/// loop {
///     let page = state.page(&Query::default(), &paging)?;
///     assert!(page.rows.is_empty());                       // of a log that is empty
///     let Some(next) = page.next else { break };
///     paging = paging.after(next);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Paging {
    /// By what; by broadcast, contact and address if absent.
    pub sort: Option<Sort>,
    /// At most so many rows; all if absent.
    pub limit: Option<usize>,
    /// Behind this row.
    pub after: Option<Cursor>,
}

/// A column or label by which rows are sorted. What is empty comes last; rows of one value are by broadcast, contact and
/// address.
///
/// ```
/// use mailtrail_report::Sort;
/// assert!("sent:desc".parse::<Sort>()?.is_descending);
/// assert_eq!(&*"school".parse::<Sort>()?.column, "school");
/// assert_eq!(Sort::by("sent", true).to_string(), "sent:desc");
/// assert!("sent:sideways".parse::<Sort>().is_err());
/// # Ok::<(), mailtrail_report::ParsePagingError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sort {
    /// Its name or title.
    pub column: Box<str>,
    /// Whether the greatest comes first.
    pub is_descending: bool,
}

/// A row behind which the next page begins. It holds no text of the row: it may stand in a URL.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Cursor {
    delivery: DeliveryId,
    value: Value,
}

/// The value by which a row was sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Value {
    /// A text, or none: it is looked up.
    Unstated,
    /// There was none.
    Empty,
    /// It may be another by now.
    Number(i64),
}

/// Some rows.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Page {
    /// The rows.
    pub rows: Vec<EmailLogRow>,
    /// Where the next page begins; none behind the last row.
    pub next: Option<Cursor>,
}

/// A sort order is not `column` or `column:desc`, or a cursor is none that a page gave.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an order is written column or column:desc, and a cursor as the page before gave it")]
#[non_exhaustive]
pub struct ParsePagingError;

impl Paging {
    /// Sorted so.
    pub fn sort(mut self, sort: Sort) -> Self {
        self.sort = Some(sort);
        self
    }

    /// So many rows at most.
    pub fn limit(mut self, limit: usize) -> Self {
        self.limit = Some(limit);
        self
    }

    /// Behind this row.
    pub fn after(mut self, cursor: Cursor) -> Self {
        self.after = Some(cursor);
        self
    }
}

impl Sort {
    /// By this column or label.
    pub fn by(column: &str, is_descending: bool) -> Self {
        Self { column: column.into(), is_descending }
    }
}

impl fmt::Display for Sort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let way = match self.is_descending {
            true => ":desc",
            // What stands behind a colon would be taken for the way.
            false if self.column.contains(':') => ":asc",
            false => "",
        };
        write!(f, "{}{way}", self.column)
    }
}

impl FromStr for Sort {
    type Err = ParsePagingError;

    fn from_str(text: &str) -> Result<Self, ParsePagingError> {
        let (column, is_descending) = match text.rsplit_once(':') {
            None => (text, false),
            Some((column, "desc")) => (column, true),
            Some((column, "asc")) => (column, false),
            Some(_) => return Err(ParsePagingError),
        };
        Ok(Self { column: column.trim().into(), is_descending })
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.value {
            Value::Unstated => write!(f, "{}", self.delivery),
            Value::Empty => write!(f, "{}:", self.delivery),
            Value::Number(number) => write!(f, "{}:{number}", self.delivery),
        }
    }
}

impl FromStr for Cursor {
    type Err = ParsePagingError;

    fn from_str(text: &str) -> Result<Self, ParsePagingError> {
        let (delivery, value) = match text.split_once(':') {
            None => (text, Value::Unstated),
            Some((delivery, "")) => (delivery, Value::Empty),
            Some((delivery, number)) => {
                (delivery, Value::Number(number.parse().map_err(|_| ParsePagingError)?))
            }
        };
        Ok(Self { delivery: delivery.parse().map_err(|_| ParsePagingError)?, value })
    }
}

impl EmailLogState {
    /// Some of the rows that a query asks for, perhaps in another order.
    ///
    /// # Errors
    /// [`QueryError`]: the cursor is of no row, or an entry has to be read, and can't be.
    pub fn page(&self, query: &Query, paging: &Paging) -> Result<Page, QueryError> {
        match &paging.sort {
            None => self.page_in_order(query, paging),
            Some(sort) => self.page_sorted(query, paging, sort),
        }
    }

    fn page_in_order(&self, query: &Query, paging: &Paging) -> Result<Page, QueryError> {
        let after = match &paging.after {
            None => None,
            Some(cursor) => Some(self.cursor_row(cursor)?.order_key()),
        };
        let limit = paging.limit.unwrap_or(usize::MAX);
        let (mut rows, mut is_more) = (Vec::new(), false);
        self.visit(query, after.as_ref(), |planned, evidence| {
            if rows.len() >= limit {
                is_more = true;
                return Ok(ControlFlow::Break(()));
            }
            rows.push(EmailLogRow::of(planned, evidence, self, query.now)?);
            Ok(ControlFlow::Continue(()))
        })?;
        let last = rows.last().filter(|_| is_more);
        let next =
            last.map(|row: &EmailLogRow| Cursor { delivery: row.delivery, value: Value::Unstated });
        Ok(Page { rows, next })
    }

    fn page_sorted(&self, query: &Query, paging: &Paging, sort: &Sort) -> Result<Page, QueryError> {
        let after = match &paging.after {
            None => None,
            Some(cursor) => {
                let planned = self.cursor_row(cursor)?;
                let evidence = self.evidence(planned.row.delivery)?;
                let row = EmailLogRow::of(&planned, &evidence, self, query.now)?;
                Some(sort.place_of(cursor, &row, planned.order_key()))
            }
        };
        let limit = paging.limit.unwrap_or(usize::MAX);
        // One more than asked for says whether there is a next page; some more, so that it is seldom sorted.
        let (wanted, held) = (limit.saturating_add(1), limit.saturating_mul(2).saturating_add(64));
        let by_place = |one: &(Place, EmailLogRow), other: &(Place, EmailLogRow)| {
            sort.compare(&one.0, &other.0)
        };
        let mut rows: Vec<(Place, EmailLogRow)> = Vec::new();
        self.each_row(query, |planned, evidence| {
            let row = EmailLogRow::of(planned, evidence, self, query.now)?;
            let place = sort.place(&row, planned.order_key());
            if after.as_ref().is_none_or(|after| sort.compare(&place, after).is_gt()) {
                rows.push((place, row));
            }
            if rows.len() > held {
                rows.sort_by(by_place);
                rows.truncate(wanted);
            }
            Ok(())
        })?;
        rows.sort_by(by_place);
        let is_more = rows.len() > limit;
        rows.truncate(limit);
        let next = rows.last().filter(|_| is_more).map(|(place, row)| sort.cursor(row, place));
        Ok(Page { rows: rows.into_iter().map(|(_, row)| row).collect(), next })
    }

    fn cursor_row(&self, cursor: &Cursor) -> Result<PlannedRow, QueryError> {
        let delivery = cursor.delivery;
        self.held_row(delivery)?.ok_or(QueryError::UnknownCursor { delivery })
    }
}

/// The place of a row in an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    is_empty: bool,
    number: i64,
    text: String,
    order_key: Bytes,
}

impl Sort {
    /// The place of a row.
    pub(crate) fn place(&self, row: &EmailLogRow, order_key: Bytes) -> Place {
        let cell = match EmailLogRow::column(&self.column) {
            Some(column) => row.cell(column),
            None => row.labels.get(&*self.column).cloned().into(),
        };
        let (number, text) = match &cell {
            Cell::Text(text) => (0, text.to_lowercase()),
            cell => (number(cell).unwrap_or(0), String::new()),
        };
        Place { is_empty: cell.is_empty(), number, text, order_key }
    }

    /// The place of a cursor's row, as it was when the page was made.
    pub(crate) fn place_of(&self, cursor: &Cursor, row: &EmailLogRow, order_key: Bytes) -> Place {
        let mut place = self.place(row, order_key);
        match cursor.value {
            Value::Unstated => {}
            Value::Empty => (place.is_empty, place.number) = (true, 0),
            Value::Number(number) => (place.is_empty, place.number) = (false, number),
        }
        place
    }

    /// The cursor of a row at this place.
    pub(crate) fn cursor(&self, row: &EmailLogRow, place: &Place) -> Cursor {
        let column = EmailLogRow::column(&self.column);
        let is_text = column.is_none_or(|column| matches!(row.cell(column), Cell::Text(_)));
        let value = match place.is_empty {
            _ if is_text => Value::Unstated,
            true => Value::Empty,
            false => Value::Number(place.number),
        };
        Cursor { delivery: row.delivery, value }
    }

    pub(crate) fn compare(&self, one: &Place, other: &Place) -> Ordering {
        let by_value = (one.number, &one.text).cmp(&(other.number, &other.text));
        let by_value = if self.is_descending { by_value.reverse() } else { by_value };
        let by_value = one.is_empty.cmp(&other.is_empty).then(by_value);
        by_value.then_with(|| one.order_key.cmp(&other.order_key))
    }
}

fn number(cell: &Cell) -> Option<i64> {
    match cell {
        Cell::Count(count) => i64::try_from(*count).ok(),
        Cell::Flag(flag) => Some(i64::from(*flag)),
        Cell::Time(at) => Some(at.timestamp_micros()),
        Cell::Status(status) => {
            let place = Status::ALL.iter().position(|other| other == status)?;
            i64::try_from(place).ok()
        }
        _ => None,
    }
}
