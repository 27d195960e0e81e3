//! What every store promises, one test a promise.
//!
//! ```
//! // in a store's tests:
//! mailtrail_testkit::conformance!(memory, || mailtrail_memory::MemoryStore::new());
//! # fn main() {}
//! ```

mod append;
mod concurrency;
mod durability;
mod events;
mod idempotency;
mod model;
mod read;

pub use append::{
    a_batch_is_stored_whole_or_not_at_all, a_conflict_names_every_stream,
    every_expectation_is_checked, too_large_a_batch_is_refused, versions_count_without_gaps,
    what_is_not_supported_is_refused,
};
pub use concurrency::{readers_see_one_growing_log, writers_lose_nothing};
pub use durability::what_is_acknowledged_survives;
pub use idempotency::{
    a_known_batch_is_already_stored, a_partly_known_batch_is_refused, a_repeated_id_is_refused,
    a_reused_id_is_refused, skip_known_stores_the_rest, the_first_stored_form_stands,
};
pub use model::it_answers_as_the_reference_store;
pub use read::{
    a_filter_skips_and_the_checkpoint_moves_on, changed_resolves_when_there_is_more,
    pages_give_every_event_once, recorded_at_never_decreases, the_chain_verifies,
};

use mailtrail_core::EventStore;

/// A promise that a store broke, with the least that shows it.
#[derive(Debug)]
#[non_exhaustive]
pub struct Failure {
    /// What was expected, and what came.
    pub what: String,
}

impl Failure {
    /// A broken promise.
    pub fn new(what: impl Into<String>) -> Self {
        Self { what: what.into() }
    }
}

impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Self {
        let mut what = format!("unexpected error: {error}");
        let mut cause = error.source();
        while let Some(error) = cause {
            what = format!("{what}: {error}");
            cause = error.source();
        }
        Self { what }
    }
}

/// A promise: a fresh, empty store is given.
pub type Case = fn(&std::sync::Arc<dyn EventStore>) -> Result<(), Failure>;

/// Makes one `#[test]` of each promise, for the stores that a factory makes.
#[macro_export]
macro_rules! conformance {
    ($name:ident, $factory:expr) => {
        mod $name {
            #[expect(unused_imports, reason = "the factory may use what stands around it")]
            use super::*;

            fn holds(case: $crate::conformance::Case) {
                let factory = $factory;
                let store: std::sync::Arc<dyn $crate::EventStore> = std::sync::Arc::new(factory());
                if let Err(failure) = case(&store) {
                    panic!("{}", failure.what);
                }
            }

            $crate::each_promise!(tests);

            #[test]
            fn it_answers_as_the_reference_store() {
                $crate::conformance::it_answers_as_the_reference_store($factory);
            }
        }
    };
}

/// Every promise, once: the tests and [`CASES`] are made of this.
#[doc(hidden)]
#[macro_export]
macro_rules! each_promise {
    (@tests $($case:ident)*) => {
        $(
            #[test]
            fn $case() {
                holds($crate::conformance::$case);
            }
        )*
    };
    (@cases $($case:ident)*) => {
        &[$((stringify!($case), $case)),*]
    };
    ($what:ident) => {
        $crate::each_promise! { @$what
            a_batch_is_stored_whole_or_not_at_all a_conflict_names_every_stream
            every_expectation_is_checked too_large_a_batch_is_refused versions_count_without_gaps
            what_is_not_supported_is_refused readers_see_one_growing_log writers_lose_nothing
            a_known_batch_is_already_stored a_partly_known_batch_is_refused a_repeated_id_is_refused
            a_reused_id_is_refused skip_known_stores_the_rest the_first_stored_form_stands
            a_filter_skips_and_the_checkpoint_moves_on changed_resolves_when_there_is_more
            pages_give_every_event_once recorded_at_never_decreases the_chain_verifies
        }
    };
}

/// Every promise that takes a fresh store, with its name.
pub const CASES: &[(&str, Case)] = each_promise!(cases);

/// Says what was expected where it did not come.
pub(crate) fn expect(holds: bool, what: impl FnOnce() -> String) -> Result<(), Failure> {
    if holds { Ok(()) } else { Err(Failure::new(what())) }
}
