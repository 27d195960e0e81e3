//! A disk that fills while something else than events is written.

use mailtrail_testkit::crash::Parent;
use mailtrail_testkit::folder::what_a_full_disk_holds;

use super::Fjall;

#[test]
fn a_disk_that_fills_while_the_index_is_written_loses_nothing_that_was_acknowledged() {
    let test = concat!(
        module_path!(),
        "::a_disk_that_fills_while_the_index_is_written_loses_nothing_that_was_acknowledged"
    );
    let parent = Parent::of("it::power::child_of_the_other_test");
    // The first segment and the next take three mebibytes; what is left is for the index.
    for size in ["3300k", "3500k"] {
        let acknowledged = what_a_full_disk_holds::<Fjall>(&parent, test, size);
        assert!(acknowledged.is_none_or(|last| last < 4_000), "the first segment had room yet");
    }
}
