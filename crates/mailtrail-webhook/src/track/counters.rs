//! What came of hits.

use std::sync::atomic::{AtomicU64, Ordering};

/// What came of requests for pixels, links and unsubscribing since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct HitCounts {
    /// Hits that are durable.
    pub recorded: u64,
    /// Hits that wait for the store.
    pub waiting: u64,
    /// Over the limit of hits that are kept.
    pub dropped: u64,
    /// Without a valid token, or of a link that leads nowhere.
    pub no_token: u64,
    /// Hits that are lost: the store failed, or too many waited for it.
    pub failed: u64,
    /// Requests by HEAD, which show nobody anything.
    pub head: u64,
    /// Requests that said they were made before anybody looks.
    pub prefetch: u64,
    /// Who unsubscribed: the events are durable.
    pub unsubscribed: u64,
    /// Who could not, as the store failed, and was told to try again.
    pub unsubscribe_failed: u64,
}

#[derive(Debug, Default)]
pub(super) struct HitCounters {
    pub(super) recorded: Counter,
    pub(super) dropped: Counter,
    pub(super) no_token: Counter,
    pub(super) failed: Counter,
    pub(super) head: Counter,
    pub(super) prefetch: Counter,
    pub(super) unsubscribed: Counter,
    pub(super) unsubscribe_failed: Counter,
}

impl HitCounters {
    pub(super) fn read(&self, waiting: usize) -> HitCounts {
        HitCounts {
            recorded: self.recorded.read(),
            waiting: u64::try_from(waiting).unwrap_or(u64::MAX),
            dropped: self.dropped.read(),
            no_token: self.no_token.read(),
            failed: self.failed.read(),
            head: self.head.read(),
            prefetch: self.prefetch.read(),
            unsubscribed: self.unsubscribed.read(),
            unsubscribe_failed: self.unsubscribe_failed.read(),
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct Counter(AtomicU64);

impl Counter {
    pub(super) fn one_more(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn read(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
