//! What every store promises, one test a promise.
//!
//! ```
//! // in a store's tests:
//! mailtrail_testkit::conformance!(memory, || mailtrail_memory::MemoryStore::new());
//! # fn main() {}
//! ```
//!
//! A store on disk says how a folder is opened, and is held to its durability too: processes are killed, system
//! calls are watched, files are damaged.
//!
//! ```no_run
//! mod tests {
//!     // In an integration test: child processes are this test binary, started again.
//!     mailtrail_testkit::conformance!(
//!         my_store,
//!         || mailtrail_memory::MemoryStore::new(),
//!         open = |_folder: &std::path::Path| Ok(mailtrail_memory::MemoryStore::new())
//!     );
//! }
//! # fn main() {}
//! ```
//!
//! A test that fails names the promise by its own name, says which rule of the contract that is, and prints what was
//! done to the store and what it answered.

mod append;
mod concurrency;
mod durability;
pub(crate) mod events;
mod idempotency;
mod model;
mod read;
mod script;

pub use append::{
    a_batch_is_stored_whole_or_not_at_all, a_conflict_names_every_stream,
    every_expectation_is_checked, too_large_a_batch_is_refused, versions_count_without_gaps,
    what_is_not_supported_is_refused,
};
pub use concurrency::{
    every_history_is_linearizable, readers_see_one_growing_log, writers_lose_nothing,
};
pub use durability::what_is_acknowledged_survives;
pub use idempotency::{
    a_known_batch_is_already_stored, a_partly_known_batch_is_refused, a_repeated_id_is_refused,
    a_reused_id_is_refused, skip_known_stores_the_rest, the_first_stored_form_stands,
};
pub use model::{it_answers_as_the_reference_store, it_answers_so_after_reopening};
pub use read::{
    a_filter_skips_and_the_checkpoint_moves_on, changed_resolves_when_there_is_more,
    pages_give_every_event_once, recorded_at_never_decreases, the_chain_verifies,
};
pub use script::Scripted;

use std::fmt;
use std::sync::Arc;

use mailtrail_core::EventStore;

/// A promise that a store broke.
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

/// A promise, and how it is checked.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Case {
    /// The promise.
    pub name: &'static str,
    /// The rule of the contract that it stands in (design, section 5).
    pub rule: &'static str,
    /// Checks it on a fresh, empty store.
    pub check: fn(&Arc<dyn EventStore>) -> Result<(), Failure>,
}

impl Case {
    /// Checks the promise on a fresh, empty store.
    ///
    /// # Errors
    /// [`Broken`] says all that one needs to know about it.
    pub fn run(&self, store: Arc<dyn EventStore>) -> Result<(), Box<Broken>> {
        let scripted = Arc::new(Scripted::new(store));
        let store: Arc<dyn EventStore> = Arc::clone(&scripted) as Arc<dyn EventStore>;
        (self.check)(&store).map_err(|failure| {
            let (case, what, script) = (*self, failure.what, scripted.script());
            Box::new(Broken { case, what, script })
        })
    }
}

/// A broken promise: which, how, and the script that shows it.
#[derive(Debug)]
#[non_exhaustive]
pub struct Broken {
    /// The promise.
    pub case: Case,
    /// What was expected, and what came.
    pub what: String,
    /// What was done, and what the store answered.
    pub script: String,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { case, what, script } = self;
        writeln!(f, "broken promise: {}", case.name)?;
        writeln!(f, "rule: {}", case.rule)?;
        writeln!(f, "expected: {what}")?;
        write!(f, "script:\n{script}")
    }
}

/// Makes one `#[test]` of each promise, for the stores that a factory makes; and, where `open` says how a folder is
/// opened, for what is on disk. `limits` states what the store's engine does with damaged files that the contract
/// doesn't allow: see [`Limits`](crate::crash::Limits).
#[macro_export]
macro_rules! conformance {
    ($name:ident, $factory:expr $(,)?) => {
        mod $name {
            #[expect(unused_imports, reason = "the factory may use what stands around it")]
            use super::*;

            $crate::conformance!(@promises $factory);
        }
    };
    ($name:ident, $factory:expr, open = $open:expr $(,)?) => {
        $crate::conformance!($name, $factory, open = $open, limits = $crate::crash::Limits::none());
    };
    ($name:ident, $factory:expr, open = $open:expr, limits = $limits:expr $(,)?) => {
        mod $name {
            #[expect(unused_imports, reason = "the factory may use what stands around it")]
            use super::*;

            $crate::conformance!(@promises $factory);
            $crate::conformance!(@durable $open, $limits);
        }
    };
    (@promises $factory:expr) => {
        fn holds(case: &$crate::conformance::Case) {
            let factory = $factory;
            if let Err(broken) = case.run(std::sync::Arc::new(factory())) {
                panic!("{broken}");
            }
        }

        $crate::each_promise!(tests);

        #[test]
        fn it_answers_as_the_reference_store() {
            $crate::conformance::it_answers_as_the_reference_store($factory);
        }
    };
    (@durable $open:expr, $limits:expr) => {
        /// Does nothing unless one of the tests below starts it in a process of its own.
        #[test]
        fn child_of_the_other_tests() {
            $crate::crash::child($open);
        }

        pub(super) fn parent() -> $crate::crash::Parent {
            $crate::crash::Parent::of(concat!(module_path!(), "::child_of_the_other_tests"))
        }

        #[test]
        fn it_answers_so_after_reopening() {
            $crate::conformance::it_answers_so_after_reopening($open);
        }

        #[test]
        fn what_is_acknowledged_or_observed_survives_kill_9() {
            $crate::crash::what_is_acknowledged_or_observed_survives_kill_9(&parent(), $open);
        }

        #[test]
        fn a_day_of_mixed_load_survives_kill_9_soak() {
            $crate::crash::a_day_of_mixed_load_survives_kill_9(&parent(), $open);
        }

        #[test]
        fn what_is_acknowledged_or_observed_was_synced() {
            $crate::crash::what_is_acknowledged_or_observed_was_synced(
                &parent(),
                concat!(module_path!(), "::what_is_acknowledged_or_observed_was_synced"),
                &$limits,
            );
        }

        #[test]
        fn what_is_acknowledged_or_observed_survives_a_power_cut() {
            $crate::crash::what_is_acknowledged_or_observed_survives_a_power_cut(
                &parent(),
                concat!(module_path!(), "::what_is_acknowledged_or_observed_survives_a_power_cut"),
                &$limits,
            );
        }

        #[test]
        fn a_flipped_byte_is_the_same_answer_or_damage() {
            $crate::crash::a_flipped_byte_is_the_same_answer_or_damage(&parent(), $open, &$limits);
        }

        #[test]
        fn a_cut_or_missing_file_is_the_same_answer_or_damage() {
            $crate::crash::a_cut_or_missing_file_is_the_same_answer_or_damage(
                &parent(), $open, &$limits,
            );
        }
    };
}

/// Every promise, once, with its rule: the tests and [`CASES`] are made of this.
#[doc(hidden)]
#[macro_export]
macro_rules! each_promise {
    (@tests $($case:ident $rule:literal)*) => {
        $(
            #[test]
            fn $case() {
                holds(&$crate::conformance::Case::of(
                    stringify!($case), $rule, $crate::conformance::$case,
                ));
            }
        )*
    };
    (@cases $($case:ident $rule:literal)*) => {
        &[$(Case::of(stringify!($case), $rule, $case)),*]
    };
    ($what:ident) => {
        $crate::each_promise! { @$what
            a_batch_is_stored_whole_or_not_at_all
                "append: all or nothing over all streams of the batch"
            a_conflict_names_every_stream
                "append: Conflict names every stream that differs, with what is there"
            every_expectation_is_checked
                "append: Any, NoStream, Exists and Exact, of streams written and required"
            too_large_a_batch_is_refused
                "capabilities: what is over a limit is TooLarge with that limit; record halves it"
            versions_count_without_gaps "versions count from 0 without gaps"
            what_is_not_supported_is_refused
                "capabilities: what is unsupported returns Unsupported, never something weaker"
            readers_see_one_growing_log
                "positions are monotone in visibility; no reader sees a part of a batch"
            writers_lose_nothing "append: an expectation is checked where the batch takes effect"
            every_history_is_linearizable
                "each stream is linearizable; reads of the log are prefixes that grow"
            a_known_batch_is_already_stored
                "idempotency: all ids known → AlreadyStored with the old positions, before versions"
            a_partly_known_batch_is_refused
                "idempotency: some known, some new → PartialDuplicate, naming all; nothing written"
            a_repeated_id_is_refused "idempotency: an id stands once in a batch"
            a_reused_id_is_refused
                "idempotency: known elsewhere or with another type → IdReused, naming all"
            skip_known_stores_the_rest
                "idempotency: skip_known stores what is new and says which was which"
            the_first_stored_form_stands
                "idempotency: the first stored form stands, whatever a later reading says"
            a_filter_skips_and_the_checkpoint_moves_on
                "read_all: scanned_to lets a checkpoint move past what the filter skipped"
            changed_resolves_when_there_is_more "changed(past) resolves when there is something after past"
            pages_give_every_event_once
                "reads are pages: bounded, in order, an error is never the end"
            recorded_at_never_decreases "recorded_at is the store's clock, and never decreases"
            the_chain_verifies "hash chain: each record's hash is over the one before and itself"
        }
    };
}

/// Every promise that takes a fresh store.
pub const CASES: &[Case] = each_promise!(cases);

impl Case {
    #[doc(hidden)]
    pub const fn of(
        name: &'static str,
        rule: &'static str,
        check: fn(&Arc<dyn EventStore>) -> Result<(), Failure>,
    ) -> Self {
        Self { name, rule, check }
    }
}

/// Says what was expected where it did not come.
pub(crate) fn expect(holds: bool, what: impl FnOnce() -> String) -> Result<(), Failure> {
    if holds { Ok(()) } else { Err(Failure::new(what())) }
}
