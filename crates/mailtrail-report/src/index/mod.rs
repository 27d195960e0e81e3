//! The Email Log held in memory by columns, so that a page of very many rows is there at once.

mod columns;
mod due;
mod indexed_row;
mod labels;
mod leading;
mod matching;
mod order;
mod texts;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{BuildHasher, RandomState};
use std::ops::ControlFlow;

use chrono::{DateTime, Utc};
use hashbrown::HashTable;
use mailtrail_core::{BroadcastId, DeliveryId};

use crate::email_log::EmailLogState;
use crate::page::{Cursor, Paging, Sort};
use crate::query::{Query, QueryError};
use columns::{Columns, RowNumber};
use due::Due;
use labels::LabelSets;
use matching::Matching;
use texts::Texts;

pub use indexed_row::IndexedRow;

/// Finds, sorts and counts rows of the Email Log without reading them.
///
/// It holds every cell of every row, each text once: some 150 bytes a row, and the texts with some 40 bytes each. What it finds are deliveries, whose
/// rows are then [read](crate::EmailLogState::row) from the state of the Email Log.
///
/// It is as of the state that its rows were taken from. What comes to that state later has to be [put](Self::put), and so has
/// what is [due](Self::due): words about a long silence change by themselves.
///
/// ```
/// use mailtrail_core::Status;
/// use mailtrail_report::{EmailLogIndex, EmailLogState, IndexedRow, Paging, Query};
/// let state = EmailLogState::default();                 // filled by `mailtrail_core::projection::replay`
/// let mut index = EmailLogIndex::of(&state, &Query::default())?;
/// # let changed = Vec::new();
/// for delivery in changed {                             // by what came since
///     index.put(IndexedRow::of(&state, delivery, None)?)?;
/// }
///
/// let latest = Paging::default().sort("last_change:desc".parse()?).limit(100);
/// let bounced = index.find(&Query::default().status(Status::Bounced), &latest)?;
/// assert_eq!((bounced.deliveries.len(), bounced.count), (0, 0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct EmailLogIndex {
    texts: Texts,
    labels: LabelSets,
    columns: Columns,
    numbers: HashTable<RowNumber>,
    hasher: RandomState,
    /// All rows, by broadcast, contact and address.
    order: Vec<RowNumber>,
    /// By the delivery whose result their rows show.
    duplicates: HashMap<DeliveryId, BTreeSet<DeliveryId>>,
    due: Due,
    /// How often a row has got another text since it was compacted.
    gone: usize,
    /// How many texts there were then.
    compacted: usize,
}

/// The rows of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Found {
    /// In their order.
    pub deliveries: Vec<DeliveryId>,
    /// How many there are on all pages.
    pub count: u64,
    /// Where the next page begins; none behind the last row.
    pub next: Option<Cursor>,
}

/// An index can hold no more than 4,294,967,295 rows, and as many texts: read the state of the Email Log instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the index of the Email Log is full: it holds at most 4,294,967,295 rows and texts")]
#[non_exhaustive]
pub struct IndexFull;

impl EmailLogIndex {
    /// Of the rows of a query's broadcast, or of all, in words of its time.
    ///
    /// # Errors
    /// [`QueryError`]: an entry has to be read, and can't be; or there are too many.
    pub fn of(state: &EmailLogState, query: &Query) -> Result<Self, QueryError> {
        Ok(Self::of_while(state, query, || true)?.unwrap_or_default())
    }

    /// The same, as long as it is to go on, which is asked now and then; `None` if it was not.
    ///
    /// # Errors
    /// As of [`of`](Self::of).
    pub fn of_while(
        state: &EmailLogState,
        query: &Query,
        goes_on: impl Fn() -> bool,
    ) -> Result<Option<Self>, QueryError> {
        let (mut index, mut rows, mut put) = (Self::default(), Vec::new(), Ok(()));
        let of = query.broadcast.clone().map_or_else(Query::default, Query::of);
        state.each_row_until::<QueryError>(&of, |planned, evidence| {
            rows.push(IndexedRow::made(state, planned, evidence, query.now)?);
            if rows.len() < AT_ONCE {
                return Ok(ControlFlow::Continue(()));
            }
            put = index.put(rows.drain(..));
            let flow = if put.is_ok() && goes_on() {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            };
            Ok(flow)
        })?;
        put?;
        index.put(rows)?;
        Ok(goes_on().then_some(index))
    }

    /// Adds rows, or replaces them.
    ///
    /// # Errors
    /// [`IndexFull`]: some of them may be in it.
    pub fn put(&mut self, rows: impl IntoIterator<Item = IndexedRow>) -> Result<(), IndexFull> {
        let mut moved = Vec::new();
        for row in rows {
            moved.extend(self.put_one(&row)?);
        }
        self.texts.place_new();
        self.put_in_order(moved);
        let held = self.texts.len();
        let much = self.compacted.saturating_mul(2).saturating_add(TEXTS_WORTH_FORGETTING);
        if held > much && self.gone > held.div_euclid(2) {
            self.compact();
        }
        Ok(())
    }

    /// How many rows it holds.
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// The deliveries whose rows show the result of this one.
    pub fn duplicates_of(&self, delivery: DeliveryId) -> impl Iterator<Item = DeliveryId> {
        self.duplicates.get(&delivery).into_iter().flatten().copied()
    }

    /// The deliveries of whose rows the words are others at this time than when they were put, though nothing came.
    pub fn due(&self, now: DateTime<Utc>) -> impl Iterator<Item = DeliveryId> {
        self.due.at(now).map(|row| self.columns.delivery(row))
    }

    /// Some of the rows that a query asks for, and how many there are. Of words that speak of a long silence it knows those
    /// of the time at which they were put, whatever the query says.
    ///
    /// # Errors
    /// [`QueryError::UnknownCursor`].
    pub fn find(&self, query: &Query, paging: &Paging) -> Result<Found, QueryError> {
        let after = match &paging.after {
            None => None,
            Some(cursor) => {
                let delivery = cursor.delivery;
                let row = self.number(delivery).ok_or(QueryError::UnknownCursor { delivery })?;
                Some((cursor, row))
            }
        };
        let matching = Matching::of(self, query);
        let rows = self.in_order(query.broadcast.as_ref());
        let sorted = self.sorted(paging.sort.as_ref());
        let (rows, count) = sorted.first(rows, &matching, after, paging.limit);
        let shown = rows.len().min(paging.limit.unwrap_or(usize::MAX));
        let is_more = rows.len() > shown;
        let shown = rows.get(..shown).unwrap_or_default();
        let deliveries = shown.iter().map(|row| self.columns.delivery(*row)).collect();
        let next = shown.last().filter(|_| is_more).map(|row| sorted.cursor(*row));
        Ok(Found { deliveries, count, next })
    }

    /// Whether there is every column and label that is named. Of an index without rows nothing is asked.
    ///
    /// # Errors
    /// [`QueryError::UnknownColumn`].
    pub fn check(&self, query: &Query, sort: Option<&Sort>) -> Result<(), QueryError> {
        let is_there = |name: &str| {
            let name = self.texts.find(name);
            let has = |set: &[_]| name.is_some_and(|name| labels::value(set, name).is_some());
            let having = self.labels.map(has);
            let sets = || self.in_order(query.broadcast.as_ref()).iter().map(|row| self.set(row));
            (having.contains(&true) && sets().any(|set| columns::at(&having, set)))
                || sets().next().is_none()
        };
        match query.labels_named(sort).find(|name| !is_there(name)) {
            Some(name) => Err(QueryError::UnknownColumn { name: name.into() }),
            None => Ok(()),
        }
    }

    /// The names and values of the labels that the rows of a broadcast have.
    pub fn labels(&self, broadcast: &BroadcastId) -> BTreeMap<String, BTreeSet<String>> {
        let rows = self.in_order(Some(broadcast));
        let sets: BTreeSet<u32> = rows.iter().map(|row| self.set(row)).collect();
        let text = |code| String::from_utf8_lossy(self.texts.given(code)).into_owned();
        let mut labels: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (name, value) in sets.into_iter().flat_map(|set| self.labels.get(set)) {
            labels.entry(text(*name)).or_default().insert(text(*value));
        }
        labels
    }

    /// Leaves out texts that no row has any more. [`put`](Self::put) does so when there may be very many.
    pub fn compact(&mut self) {
        let (old, mut new) = (std::mem::take(&mut self.texts), Texts::default());
        let mut known = vec![None; old.len()];
        let mut code = |code: texts::Code| {
            let Some(known) = known.get_mut(code as usize) else { return Texts::EMPTY };
            *known.get_or_insert_with(|| {
                // There is room for some of those for which there was room.
                new.code(&String::from_utf8_lossy(old.given(code))).unwrap_or(Texts::EMPTY)
            })
        };
        self.columns.recode(&mut code);
        self.labels.recode(&mut code);
        new.place_new();
        (self.compacted, self.gone) = (new.len(), 0);
        self.texts = new;
    }

    /// The number of a row's set of labels.
    fn set(&self, row: RowNumber) -> u32 {
        columns::at(&self.columns.labels, row)
    }

    fn number(&self, delivery: DeliveryId) -> Option<RowNumber> {
        let hash = self.hasher.hash_one(delivery);
        self.numbers.find(hash, |row| self.columns.delivery(*row) == delivery).copied()
    }

    /// Adds or replaces a row. Says which row has to be put in order, if one has.
    fn put_one(&mut self, row: &IndexedRow) -> Result<Option<RowNumber>, IndexFull> {
        let delivery = row.row.delivery;
        let held = self.number(delivery);
        let number = match held {
            Some(number) => number,
            None => RowNumber::try_from(self.columns.deliveries.len()).map_err(|_| IndexFull)?,
        };
        let labels = self.labels.number(&row.row.labels, &mut self.texts)?;
        let place = held.map(|number| self.place(number));
        let gone = self.columns.set(number, row, labels, &mut self.texts)?;
        self.gone = self.gone.saturating_add(gone);
        self.due.set(number, row.due);
        if let Some(holder) = row.holder {
            self.duplicates.entry(holder).or_default().insert(delivery);
        }
        if held.is_none() {
            let (deliveries, hasher) = (&self.columns, &self.hasher);
            let hash = |row: &RowNumber| hasher.hash_one(deliveries.delivery(*row));
            self.numbers.insert_unique(hash(&number), number, hash);
        }
        Ok((place != Some(self.place(number))).then_some(number))
    }
}

/// So many rows are put at once while an index is made.
const AT_ONCE: usize = 32_768;
/// Fewer that rows no longer have are not worth the time.
const TEXTS_WORTH_FORGETTING: usize = 100_000;
