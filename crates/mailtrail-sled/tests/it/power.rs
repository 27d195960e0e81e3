//! Power cuts while states are kept. (Those of the events are among the promises.)

use mailtrail_sled::SledStates;
use mailtrail_testkit::crash::{self, Limits, Parent};

/// Does nothing unless the test below starts it in a process of its own.
#[test]
fn child_with_states() {
    crash::child_of_states(|folder| SledStates::open(folder));
}

#[test]
fn a_state_is_one_that_was_kept_after_a_power_cut() {
    let test = concat!(module_path!(), "::a_state_is_one_that_was_kept_after_a_power_cut");
    let parent = Parent::of(concat!(module_path!(), "::child_with_states"));
    crash::what_is_acknowledged_or_observed_survives_a_power_cut(&parent, test, &Limits::none());
}
