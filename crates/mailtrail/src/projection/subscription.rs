//! Every event to an integrator's own code, in order, with a place that is kept.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use futures_util::Stream;
use futures_util::stream::unfold;
use mailtrail_core::projection::{Checkpoint, CheckpointError, CheckpointStore};
use mailtrail_core::store::{Filter, ReadError};
use mailtrail_core::{Envelope, EventStore, Position};

/// The events of a store, from a kept place on: first those that are there, then those that come.
///
/// # Guarantees
/// - In order of position, without a gap, and without a repeat as long as it lives: also where it passes from old
///   events to new ones while others write.
/// - At least once: opened again, it begins behind what was [acknowledged](Self::acknowledge) last.
/// - One that is not read takes the memory of one page, and holds nobody up.
///
/// # Example
/// ```
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// # use std::sync::Arc;
/// # use mailtrail::core::plan::{Broadcast, Contact, ContactAddress};
/// # use mailtrail::core::store::Filter;
/// # use mailtrail::memory::{MemoryCheckpoints, MemoryStore};
/// # use mailtrail::prelude::*;
/// use mailtrail::projection::Subscription;
/// # let (store, checkpoints) = (Arc::new(MemoryStore::new()), Arc::new(MemoryCheckpoints::default()));
/// # let tracker = Tracker::shared(store.clone()).open();
/// # let ann = Contact::new("c1".parse()?).address(ContactAddress::new("ann@a.example"));
/// # tracker.plan(Broadcast::new("snow-day".parse()?, "emergency".parse()?), [ann]).await?;
/// let queued = Filter::all().event_type("queued");
/// let mut crm = Subscription::open(store.clone(), checkpoints.clone(), "crm", queued.clone())?;
/// let event = crm.next().await?;
/// assert_eq!(event.event.event_type.as_str(), "queued");
/// crm.acknowledge(event.position)?;          // after it is safe with you
/// # drop(crm);
/// # let again = Subscription::open(store, checkpoints, "crm", queued)?;
/// # assert_eq!(again.acknowledged(), event.position);
/// # Ok::<(), Box<dyn std::error::Error>>(()) })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Subscription {
    store: Arc<dyn EventStore>,
    checkpoints: Arc<dyn CheckpointStore>,
    name: Box<str>,
    filter: Filter,
    /// Everything up to here was read.
    read_to: Position,
    page: VecDeque<Envelope>,
    acknowledged: Position,
}

impl Subscription {
    /// Goes on with the subscription of this name; a new one begins at the beginning of the log.
    ///
    /// # Errors
    /// [`CheckpointError`] if its place can't be read.
    pub fn open(
        store: Arc<dyn EventStore>,
        checkpoints: Arc<dyn CheckpointStore>,
        name: &str,
        filter: Filter,
    ) -> Result<Self, CheckpointError> {
        let place = checkpoints.load(name)?.unwrap_or_default().position;
        let (read_to, acknowledged, page) = (place, place, VecDeque::new());
        Ok(Self { store, checkpoints, name: name.into(), filter, read_to, page, acknowledged })
    }

    /// The next event, as soon as there is one.
    ///
    /// # Errors
    /// [`SubscriptionError`]; ask again to go on at the same event.
    ///
    /// # Cancellation
    /// A dropped future loses no event.
    pub async fn next(&mut self) -> Result<Envelope, SubscriptionError> {
        loop {
            if let Some(event) = self.page.pop_front() {
                return Ok(event);
            }
            let page = self.store.read_all(&self.filter, self.read_to, PAGE).await?;
            self.page = page.events.into();
            self.read_to = page.scanned_to.max(self.read_to);
            if self.page.is_empty() && page.next.is_none() {
                self.store.changed(self.read_to).await?;
            }
        }
    }

    /// Keeps the place behind this position: everything up to it is safe with the caller, and does not come
    /// again. An earlier one than before changes nothing.
    ///
    /// # Errors
    /// [`CheckpointError`]: the place is as it was, and events may come again.
    pub fn acknowledge(&mut self, position: Position) -> Result<(), CheckpointError> {
        if position > self.acknowledged {
            self.checkpoints.save(&self.name, &Checkpoint::at(position))?;
            self.acknowledged = position;
        }
        Ok(())
    }

    /// What was acknowledged last.
    pub fn acknowledged(&self) -> Position {
        self.acknowledged
    }

    /// The events as a stream, which ends with the first error.
    pub fn into_stream(self) -> impl Stream<Item = Result<Envelope, SubscriptionError>> {
        unfold(Some(self), |subscription| async {
            let mut subscription = subscription?;
            let next = subscription.next().await;
            let rest = next.is_ok().then_some(subscription);
            Some((next, rest))
        })
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, at) = (&self.name, self.acknowledged);
        f.debug_struct("Subscription")
            .field("name", name)
            .field("acknowledged", &at)
            .finish_non_exhaustive()
    }
}

/// Why there is no next event now.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SubscriptionError {
    /// The log can't be read.
    #[error("the events of the subscription can't be read")]
    Read(#[from] ReadError),
}

/// Events read at once.
const PAGE: usize = 256;
