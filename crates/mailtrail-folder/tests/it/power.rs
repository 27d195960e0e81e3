//! Power cuts while bodies are put into small segments, put again, removed and expired. One that leaves all that was written is
//! a kill −9 at that moment.

use std::path::Path;

use mailtrail_core::store::OpenError;
use mailtrail_folder::FolderRaw;
use mailtrail_testkit::crash::{self, Limits, Parent};

fn open(folder: &Path) -> Result<FolderRaw, OpenError> {
    FolderRaw::with_segments(folder, 20_000).map_err(OpenError::Io)
}

/// Does nothing unless the test below starts it in a process of its own.
#[test]
fn child_with_bodies() {
    crash::child_of_bodies(open);
}

#[test]
fn what_was_put_is_there_and_what_was_erased_is_nowhere_after_a_power_cut() {
    let test = concat!(
        module_path!(),
        "::what_was_put_is_there_and_what_was_erased_is_nowhere_after_a_power_cut"
    );
    let parent = Parent::of(concat!(module_path!(), "::child_with_bodies"));
    crash::what_is_acknowledged_or_observed_survives_a_power_cut(&parent, test, &Limits::none());
}
