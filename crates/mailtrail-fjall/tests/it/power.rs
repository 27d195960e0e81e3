//! Power cuts while the index is written after every few events, and merged; and while states are kept. (Those of the events
//! alone are one of the promises.) One that leaves all that was written is a kill −9 at that moment.

use std::path::Path;

use mailtrail_core::store::OpenError;
use mailtrail_fjall::{FjallStates, FjallStore};
use mailtrail_testkit::crash::{self, Limits, Parent};

fn open(folder: &Path) -> Result<FjallStore, OpenError> {
    let store = FjallStore::options().index_every(50).open(folder)?;
    store.compact().map_err(|error| OpenError::Corrupt { cause: error.into() })?;
    Ok(store)
}

/// Does nothing unless the test below starts it in a process of its own.
#[test]
fn child_of_the_other_test() {
    crash::child(open);
}

#[test]
fn what_is_acknowledged_survives_a_power_cut_while_the_index_is_written() {
    let test = concat!(
        module_path!(),
        "::what_is_acknowledged_survives_a_power_cut_while_the_index_is_written"
    );
    let parent = Parent::of(concat!(module_path!(), "::child_of_the_other_test"));
    crash::what_is_acknowledged_or_observed_survives_a_power_cut(&parent, test, &Limits::none());
}

/// Does nothing unless the test below starts it in a process of its own.
#[test]
fn child_with_states() {
    crash::child_of_states(|folder| FjallStates::open(folder));
}

#[test]
fn a_state_is_one_that_was_kept_after_a_power_cut() {
    let test = concat!(module_path!(), "::a_state_is_one_that_was_kept_after_a_power_cut");
    let parent = Parent::of(concat!(module_path!(), "::child_with_states"));
    crash::what_is_acknowledged_or_observed_survives_a_power_cut(&parent, test, &Limits::none());
}
