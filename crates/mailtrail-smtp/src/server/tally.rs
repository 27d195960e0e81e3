use std::sync::atomic::{AtomicU64, Ordering};

/// What became of a server's connections since it began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Connections {
    /// Those that were served.
    pub served: u64,
    /// Those that were sent away, as there were too many in all.
    pub too_many: u64,
    /// Those that were sent away, as their peer had too many.
    pub too_many_of_peer: u64,
    /// Of those served: ended, as the client was too slow.
    pub too_slow: u64,
    /// Of those served: ended, as the client sent what no client of goodwill sends.
    pub cut_off: u64,
}

/// The same, while it is counted.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) served: AtomicU64,
    pub(super) too_many: AtomicU64,
    pub(super) too_many_of_peer: AtomicU64,
    pub(super) too_slow: AtomicU64,
    pub(super) cut_off: AtomicU64,
}

impl Tally {
    pub(super) fn read(&self) -> Connections {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Connections {
            served: read(&self.served),
            too_many: read(&self.too_many),
            too_many_of_peer: read(&self.too_many_of_peer),
            too_slow: read(&self.too_slow),
            cut_off: read(&self.cut_off),
        }
    }
}

pub(super) fn one(count: &AtomicU64) {
    count.fetch_add(1, Ordering::Relaxed);
}
