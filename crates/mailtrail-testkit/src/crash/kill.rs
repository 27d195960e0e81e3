//! kill −9, again and again.

use std::path::Path;

use mailtrail_core::EventStore;
use mailtrail_core::store::OpenError;

use super::child::{Parent, Said};
use super::found::Found;
use super::soaks;

/// What a killed process had acknowledged, and what any reader in it had seen, is there: once, and in an unbroken
/// chain.
///
/// # Panics
/// If it is not.
#[expect(clippy::panic, clippy::expect_used, reason = "a test")]
pub fn what_is_acknowledged_or_observed_survives_kill_9<S: EventStore>(
    parent: &Parent,
    open: impl Fn(&Path) -> Result<S, OpenError>,
) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("store");
    let mut last: Option<u64> = None;
    let rounds = if soaks() { 200 } else { 30 };
    for round in 0..rounds {
        let from = last.map_or(0, |last| last + 1);
        let mut process = parent.records(&path, from, u64::MAX / 2, &[]);
        // Each round is killed after another number of lines, some right at the start.
        for _ in 0..=(round * 7) % 23 {
            last = process.next_word().map(Said::number).max(last);
        }
        process.kill();
        while let Some(said) = process.next_word() {
            last = last.max(Some(said.number()));
        }
    }
    let last = last.expect("something was recorded");
    assert!(last > rounds * 5, "there was something to lose: {last}");
    let store = open(&path).unwrap_or_else(|error| panic!("the folder does not open: {error}"));
    let found = Found::of(&store);
    (0..=last).for_each(|number| found.assert_once(number, "a kill −9"));
}

#[cfg(test)]
mod tests {
    use std::panic::catch_unwind;

    use super::*;
    use crate::broken::{LogFault, LogStore};
    use crate::crash::a_day_of_mixed_load_survives_kill_9;

    fn sound(folder: &Path) -> Result<LogStore, OpenError> {
        LogStore::open(folder, None)
    }

    fn forgets(folder: &Path) -> Result<LogStore, OpenError> {
        LogStore::open(folder, Some(LogFault::AcknowledgedBeforeWritten))
    }

    /// Do nothing unless a test below starts them in processes of their own.
    mod children {
        #[test]
        fn sound() {
            crate::crash::child(super::sound);
        }

        #[test]
        fn forgets() {
            crate::crash::child(super::forgets);
        }
    }

    fn parent(child: &str) -> Parent {
        Parent::of(&format!("{}::children::{child}", module_path!()))
    }

    fn said(test: impl Fn() + std::panic::UnwindSafe) -> String {
        let panic = catch_unwind(test).unwrap_err();
        panic.downcast_ref::<String>().cloned().unwrap_or_default()
    }

    #[test]
    fn a_store_that_writes_before_it_acknowledges_survives() {
        what_is_acknowledged_or_observed_survives_kill_9(&parent("sound"), sound);
        a_day_of_mixed_load_survives_kill_9(&parent("sound"), sound);
    }

    #[test]
    fn an_acknowledgement_before_the_write_is_lost() {
        let lost = "which was acknowledged or observed before a kill −9, is there 0 times";
        let loop_said =
            said(|| what_is_acknowledged_or_observed_survives_kill_9(&parent("forgets"), forgets));
        assert!(loop_said.contains(lost), "{loop_said}");
        let day_said = said(|| a_day_of_mixed_load_survives_kill_9(&parent("forgets"), forgets));
        assert!(day_said.contains(lost), "{day_said}");
    }
}
