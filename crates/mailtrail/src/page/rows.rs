//! The rows of the Email Log as pages show them: found by an index in memory, which follows the log.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, Weak};
use std::time::Duration;

use chrono::{DateTime, Utc};
use mailtrail_core::projection::{Checkpoint, Projection, StateError};
use mailtrail_core::{BroadcastId, DeliveryId, Position};
use mailtrail_report::{
    Cursor, EmailLog, EmailLogIndex, EmailLogRow, EmailLogState, IndexedRow, Paging, Query,
    QueryError,
};
use pollster::block_on;
use tokio::runtime::Handle;

use super::fault::Fault;
use super::live::after;
use super::shared::Shared;

/// The index, and how far it is.
#[derive(Debug, Default)]
pub(super) struct Rows {
    held: RwLock<Held>,
    /// Held by whoever takes over what has come.
    stepping: Mutex<()>,
    is_followed: AtomicBool,
}

#[derive(Debug, Default)]
enum Held {
    /// It is being made: rows are read from the kept state, which takes its time where there are very many.
    #[default]
    BeingMade,
    Ready(Box<Ready>),
    /// There are more rows than it can hold.
    Full,
}

#[derive(Debug)]
struct Ready {
    index: EmailLogIndex,
    position: Position,
    /// The state from which the rows are: one that is built anew, as after an erasure, is another.
    begun: Option<u64>,
}

/// Some rows.
pub(super) struct Shown {
    pub(super) rows: Vec<EmailLogRow>,
    /// How many there are on all pages, if that is known at once.
    pub(super) count: Option<u64>,
    pub(super) next: Option<Cursor>,
}

/// The Email Log at one moment.
pub(super) struct View<'a> {
    rows: &'a Rows,
    state: EmailLogState,
    checkpoint: Checkpoint,
}

impl View<'_> {
    fn is_ready(&self) -> bool {
        self.ready(&self.rows.read()).is_some()
    }

    /// How far it is at least.
    pub(super) fn position(&self) -> Position {
        match self.ready(&self.rows.read()) {
            Some(ready) => ready.position.min(self.checkpoint.position),
            None => self.checkpoint.position,
        }
    }

    /// Some of the rows that a query asks for.
    pub(super) fn page(&self, query: &Query, paging: &Paging) -> Result<Shown, QueryError> {
        let found = match self.ready(&self.rows.read()) {
            Some(ready) => {
                ready.index.check(query, paging.sort.as_ref())?;
                Some(ready.index.find(query, paging)?)
            }
            None => None,
        };
        if let Some(found) = found {
            let rows = self.state.rows_of(&found.deliveries, query.now)?;
            return Ok(Shown { rows, count: Some(found.count), next: found.next });
        }
        self.state.check(query, paging.sort.as_ref())?;
        let page = self.state.page(query, paging)?;
        Ok(Shown { rows: page.rows, count: None, next: page.next })
    }

    /// How many rows a query asks for.
    pub(super) fn count(&self, query: &Query) -> Result<u64, StateError> {
        Ok(self.state.summary(query)?.rows())
    }

    /// Labels of a broadcast's rows, each as name and value, until it is enough.
    pub(super) fn labels(
        &self,
        broadcast: &BroadcastId,
        enough: usize,
    ) -> Result<BTreeSet<(String, String)>, QueryError> {
        if let Some(ready) = self.ready(&self.rows.read()) {
            let labels = ready.index.labels(broadcast).into_iter();
            let pairs = labels.flat_map(|(name, values)| {
                values.into_iter().map(move |value| (name.clone(), value))
            });
            return Ok(pairs.take(enough).collect());
        }
        let first = Paging::default().limit(enough);
        let rows = self.state.page(&Query::of(broadcast.clone()), &first)?.rows;
        let labels = rows.into_iter().flat_map(|row: EmailLogRow| row.labels);
        Ok(labels.collect::<BTreeSet<_>>().into_iter().take(enough).collect())
    }

    /// The index, if it is of this state.
    fn ready<'h>(&self, held: &'h Held) -> Option<&'h Ready> {
        match held {
            Held::Ready(ready) if ready.begun == self.checkpoint.begun => Some(ready),
            Held::Ready(_) | Held::BeingMade | Held::Full => None,
        }
    }
}

impl Rows {
    fn read(&self) -> RwLockReadGuard<'_, Held> {
        self.held.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, held: Held) {
        *self.held.write().unwrap_or_else(PoisonError::into_inner) = held;
    }

    /// How far the index is.
    fn position(&self) -> Option<Position> {
        match &*self.read() {
            Held::Ready(ready) => Some(ready.position),
            Held::BeingMade | Held::Full => None,
        }
    }

    /// The deliveries whose words have changed by themselves.
    fn due(&self, now: DateTime<Utc>) -> BTreeSet<DeliveryId> {
        match &*self.read() {
            Held::Ready(ready) => ready.index.due(now).collect(),
            Held::BeingMade | Held::Full => BTreeSet::new(),
        }
    }

    /// Takes over the rows of these deliveries, and those that show the results of these.
    fn put(
        &self,
        state: &EmailLogState,
        mut changed: BTreeSet<DeliveryId>,
        now: DateTime<Utc>,
        to: Position,
    ) -> Result<(), StateError> {
        if let Held::Ready(ready) = &*self.read() {
            let shown = changed.iter().flat_map(|delivery| ready.index.duplicates_of(*delivery));
            let shown: Vec<_> = shown.collect();
            changed.extend(shown);
        }
        // Nobody waits for the log while its rows are read.
        let rows = changed.into_iter().map(|delivery| IndexedRow::of(state, delivery, Some(now)));
        let rows = rows.filter_map(Result::transpose).collect::<Result<Vec<_>, _>>()?;
        let mut held = self.held.write().unwrap_or_else(PoisonError::into_inner);
        if let Held::Ready(ready) = &mut *held {
            ready.position = to;
            if ready.index.put(rows).is_err() {
                *held = Held::Full;
            }
        }
        Ok(())
    }
}

/// Begins to follow the Email Log, where there is a runtime; at the latest with the first request.
pub(super) fn begin(shared: &Arc<Shared>) {
    if let Ok(runtime) = Handle::try_current()
        && !shared.rows.is_followed.swap(true, Ordering::Relaxed)
    {
        runtime.spawn(follow(Arc::downgrade(shared)));
    }
}

/// Keeps the index as the log is, until the page is closed.
async fn follow(shared: Weak<Shared>) {
    while let Some(shared) = shared.upgrade() {
        let mut closed = shared.live.closed.subscribe();
        let of = Arc::clone(&shared);
        // What can't be read now is tried again; the page says why, as the log stands still then, too.
        let done = tokio::task::spawn_blocking(move || follow_once(&of)).await;
        let position = done.ok().and_then(Result::ok);
        let more = async {
            tokio::time::sleep(REST).await;
            match position {
                Some(position) => shared.log.reached(after(position)).await,
                None => tokio::time::sleep(LOOK_AGAIN).await,
            }
        };
        tokio::select! {
            () = more => {}
            () = tokio::time::sleep(LOOK_AGAIN) => {}
            _ = closed.wait_for(|closed| *closed) => return,
        }
    }
}

/// Makes the index, or takes over what has come. Says how far the log is.
fn follow_once(shared: &Shared) -> Result<Position, Fault> {
    let (state, checkpoint) = shared.kept_log()?;
    let view = View { rows: &shared.rows, state, checkpoint };
    let is_full = matches!(&*shared.rows.read(), Held::Full);
    if view.is_ready() {
        step(shared, &view)?;
    } else if !is_full {
        make(shared, &view)?;
    }
    Ok(view.checkpoint.position)
}

/// The Email Log as it is shown: with what has come since the index was looked at last, unless that is very much.
pub(super) fn view(
    shared: &Shared,
    state: EmailLogState,
    checkpoint: Checkpoint,
) -> Result<View<'_>, Fault> {
    let to = checkpoint.position;
    let view = View { rows: &shared.rows, state, checkpoint };
    let behind = |from: Position| to.get().saturating_sub(from.get());
    if view.is_ready() && (1..=WAITED_FOR).contains(&behind(view.position())) {
        step(shared, &view)?;
    }
    Ok(view)
}

/// Takes over what has come, and what has changed by itself.
fn step(shared: &Shared, view: &View<'_>) -> Result<(), Fault> {
    let View { rows, state, checkpoint } = view;
    let to = checkpoint.position;
    let stepping = rows.stepping.lock().unwrap_or_else(PoisonError::into_inner);
    // Another one may have taken over more since.
    let Some(mut from) = rows.position().filter(|from| *from <= to) else { return Ok(()) };
    while from < to {
        let page = block_on(shared.tracker.store().read_all(&EmailLog.filter(), from, AT_ONCE))?;
        let known = page.events.iter().take_while(|envelope| envelope.position <= to);
        let mut changed = BTreeSet::new();
        for envelope in known {
            changed.extend(state.concerned(envelope.stream)?);
        }
        from = page.scanned_to.min(to);
        rows.put(state, changed, shared.now(), from)?;
    }
    rows.put(state, rows.due(shared.now()), shared.now(), to)?;
    drop(stepping);
    Ok(())
}

/// Makes the index anew.
fn make(shared: &Shared, view: &View<'_>) -> Result<(), Fault> {
    // What is forgotten, as after an erasure, is not held meanwhile either.
    shared.rows.set(Held::BeingMade);
    let (of_all, is_open) = (Query::default().now(shared.now()), || !*shared.live.closed.borrow());
    let Checkpoint { position, begun, .. } = view.checkpoint;
    match EmailLogIndex::of_while(&view.state, &of_all, is_open) {
        Ok(Some(index)) => {
            shared.rows.set(Held::Ready(Box::new(Ready { index, position, begun })));
        }
        Ok(None) => {}
        Err(QueryError::TooMany(_)) => shared.rows.set(Held::Full),
        Err(error) => return Err(error.into()),
    }
    Ok(())
}

/// Events that are taken over in one go.
const AT_ONCE: usize = 4_096;
/// What has come is taken over so often; whoever looks before does it himself.
const REST: Duration = Duration::from_millis(250);
/// So many events are taken over before a page is shown.
const WAITED_FOR: u64 = 10_000;
/// How soon it is noticed that words have changed by themselves.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
