//! Hits on their way into the store, while whoever made them has the answer already.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use mailtrail_core::event::EncodeError;
use mailtrail_core::store::{AppendError, EventStoreExt};
use mailtrail_core::{DeliveryId, EventStore, Feedback};

use super::counters::HitCounters;
use super::limit::HitLimiter;

/// A hit that is to be stored: run it to its end, apart from answering. Dropped before that, the hit is lost, and
/// counted so.
#[must_use = "the hit is stored by running this"]
pub struct Pending(Pin<Box<dyn Future<Output = ()> + Send>>);

impl Future for Pending {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        self.0.as_mut().poll(context)
    }
}

impl fmt::Debug for Pending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pending").finish_non_exhaustive()
    }
}

/// Why a hit was lost.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LostHit {
    /// The store did not take it.
    #[error("the store did not take a hit")]
    NotStored(#[from] AppendError),
    /// It could not be written.
    #[error("a hit could not be written")]
    NotWritten(#[from] EncodeError),
    /// So many wait for the store that no more are kept in memory.
    #[error("{waiting} hits wait for the store, and no more are kept")]
    TooManyWaiting {
        /// How many.
        waiting: usize,
    },
    /// It was dropped before the store had answered.
    #[error("a hit was dropped before the store had answered")]
    Interrupted,
}

/// What is shared with hits on their way.
#[derive(Debug, Default)]
pub(super) struct Shared {
    pub(super) counters: HitCounters,
    pub(super) limiter: Mutex<HitLimiter>,
    waiting: AtomicUsize,
    last_loss: Mutex<Option<Arc<LostHit>>>,
}

/// Whose hit it is, for the limiter.
pub(super) struct Whose {
    pub(super) delivery: DeliveryId,
    pub(super) link: Option<Box<str>>,
    pub(super) user_agent: Option<Box<str>>,
    /// Whether it is only to be said that hits are dropped.
    pub(super) is_dropped: bool,
}

impl Whose {
    /// The next one may be kept in its place.
    fn is_lost(&self, limiter: &Mutex<HitLimiter>) {
        let mut limiter = limiter.lock().unwrap_or_else(PoisonError::into_inner);
        if self.is_dropped {
            limiter.say_again(self.delivery);
        } else {
            limiter.forget(self.delivery, self.link.as_deref(), self.user_agent.as_deref());
        }
    }
}

impl Shared {
    pub(super) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    pub(super) fn last_loss(&self) -> Option<Arc<LostHit>> {
        self.last_loss.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sets out to store facts of one hit; `None` if too many wait already.
    pub(super) fn store(
        self: &Arc<Self>,
        store: &Arc<dyn EventStore>,
        facts: Vec<Feedback>,
        whose: Whose,
        most: usize,
    ) -> Option<Pending> {
        let waiting = self.waiting.fetch_add(1, Ordering::Relaxed);
        let mut place = Place { shared: Arc::clone(self), whose, loss: Some(LostHit::Interrupted) };
        if waiting >= most {
            place.loss = Some(LostHit::TooManyWaiting { waiting });
            return None;
        }
        let store = Arc::clone(store);
        Some(Pending(Box::pin(async move {
            let mut place = place;
            place.loss = record(&*store, facts).await.err();
        })))
    }
}

async fn record(store: &dyn EventStore, facts: Vec<Feedback>) -> Result<(), LostHit> {
    let namespace = store.namespace();
    let facts = facts.into_iter().map(|feedback| feedback.into_event(&namespace));
    store.record(facts.collect::<Result<_, _>>()?).await?;
    Ok(())
}

/// A place among those that wait. When it is given up, the hit is stored or lost.
struct Place {
    shared: Arc<Shared>,
    whose: Whose,
    loss: Option<LostHit>,
}

impl Drop for Place {
    fn drop(&mut self) {
        let shared = &self.shared;
        match self.loss.take() {
            None => shared.counters.recorded.one_more(),
            Some(loss) => {
                shared.counters.failed.one_more();
                self.whose.is_lost(&shared.limiter);
                let mut last = shared.last_loss.lock().unwrap_or_else(PoisonError::into_inner);
                *last = Some(Arc::new(loss));
            }
        }
        shared.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}
