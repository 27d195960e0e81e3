//! Stores that break one promise each: what the conformance suite must find.
//!
//! A suite that lets one of these pass would let a store pass that loses data. Use them to test a suite
//! of your own.
//!
//! ```
//! use std::sync::Arc;
//! use mailtrail_testkit::broken::{BrokenStore, Fault};
//! use mailtrail_testkit::conformance::versions_count_without_gaps;
//! let store: Arc<dyn mailtrail_testkit::EventStore> = Arc::new(BrokenStore::new(Fault::GapInVersions));
//! assert!(versions_count_without_gaps(&store).is_err());
//! ```

mod log;
mod store;

pub use log::{LogFault, LogStore};
pub use store::BrokenStore;

/// What a [`BrokenStore`] does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Fault {
    /// An event becomes visible below a position that readers have passed already.
    LateCommit,
    /// Of two appends at once, one is acknowledged and lost.
    LostConcurrentAppend,
    /// Expectations are checked before the append takes its turn.
    StaleExpectation,
    /// An append is acknowledged before it is durable.
    AcknowledgedBeforeSync,
    /// Ids are forgotten after a while.
    ForgetsIds,
    /// An error on a later page looks like the end of the log.
    ErrorAsEnd,
    /// The log is read in the order in which things occurred.
    OrderByTime,
    /// Versions leave gaps.
    GapInVersions,
    /// Readers see a batch that is not whole yet.
    PartOfBatchVisible,
    /// A stream is read as it was a while ago.
    StaleStreamRead,
    /// A conflict says of a stream what was never true.
    LyingConflict,
    /// `changed` doesn't hear of an append that comes while it begins to wait.
    MissedWakeUp,
    /// It can do everything, answers `Ok`, and does nothing.
    DoesNothing,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::LateCommit,
        Self::LostConcurrentAppend,
        Self::StaleExpectation,
        Self::AcknowledgedBeforeSync,
        Self::ForgetsIds,
        Self::ErrorAsEnd,
        Self::OrderByTime,
        Self::GapInVersions,
        Self::PartOfBatchVisible,
        Self::StaleStreamRead,
        Self::LyingConflict,
        Self::MissedWakeUp,
        Self::DoesNothing,
    ];
}
