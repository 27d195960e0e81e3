//! The Email Log in another order, and page by page.

use std::fmt;
use std::ops::ControlFlow;
use std::str::FromStr;

use mailtrail_core::DeliveryId;

use crate::email_log::EmailLogState;
use crate::index::EmailLogIndex;
use crate::planned_row::PlannedRow;
use crate::query::{Query, QueryError};
use crate::row::EmailLogRow;

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
    pub(crate) delivery: DeliveryId,
    pub(crate) value: Value,
}

/// The value by which a row was sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Value {
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
            Some(_) => self.page_sorted(query, paging),
        }
    }

    fn page_in_order(&self, query: &Query, paging: &Paging) -> Result<Page, QueryError> {
        let after = match &paging.after {
            None => None,
            Some(cursor) => Some(self.cursor_row(cursor)?.order_key()),
        };
        let limit = paging.limit.unwrap_or(usize::MAX);
        let (mut rows, mut is_more) = (Vec::new(), false);
        self.visit::<QueryError>(query, after.as_ref(), |planned, evidence| {
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

    fn page_sorted(&self, query: &Query, paging: &Paging) -> Result<Page, QueryError> {
        let found = EmailLogIndex::of(self, query)?.find(query, paging)?;
        Ok(Page { rows: self.rows_of(&found.deliveries, query.now)?, next: found.next })
    }

    fn cursor_row(&self, cursor: &Cursor) -> Result<PlannedRow, QueryError> {
        let delivery = cursor.delivery;
        self.held_row(delivery)?.ok_or(QueryError::UnknownCursor { delivery })
    }
}
