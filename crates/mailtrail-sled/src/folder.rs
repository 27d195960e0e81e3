//! The folder: whose it is, and that nobody else has it open.

use std::fs;
use std::io;
use std::path::Path;

use mailtrail_core::store::OpenError;
use mailtrail_folder::{Lock, sync};

/// Makes the folder if need be, checks that it is one of ours, and takes it.
pub(crate) fn take(path: &Path) -> Result<Lock, OpenError> {
    Lock::take(path, "sled", &OURS)
}

/// Whether it holds a log of ours, whatever a crash left of it.
pub(crate) fn is_ours(path: &Path) -> bool {
    OURS.iter().any(|name| path.join(name).is_dir())
}

/// Ends what a crash left half done of putting a rewritten log in the place of the old one. The rewritten
/// one is whole as soon as the old one has been moved away.
pub(crate) fn settle(path: &Path) -> io::Result<()> {
    let [log, new, old] = [LOG, NEW_LOG, OLD_LOG].map(|name| path.join(name));
    if !log.exists() {
        let whole = if new.exists() { &new } else { &old };
        if whole.exists() {
            fs::rename(whole, &log)?;
        }
    }
    for left in [&new, &old] {
        if left.exists() {
            fs::remove_dir_all(left)?;
        }
    }
    if log.exists() {
        forget_half_made(&log)?;
    }
    sync(path)
}

/// Removes the snapshots that a crash left half written: sled would take the last of them for damage, and not open. What is in a
/// snapshot is in the log, too.
fn forget_half_made(log: &Path) -> io::Result<()> {
    for entry in fs::read_dir(log)? {
        let path = entry?.path();
        if path.extension().is_some_and(|end| end == "generating") {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

/// Puts the rewritten log in the place of the old one. Both must be closed.
pub(crate) fn put_rewritten(path: &Path) -> io::Result<()> {
    fs::rename(path.join(LOG), path.join(OLD_LOG))?;
    sync(path)?;
    settle(path)
}

/// Where sled's own files are.
pub(crate) const LOG: &str = "log";
/// A log that is being written anew, without what is to be erased.
pub(crate) const NEW_LOG: &str = "log.new";
const OLD_LOG: &str = "log.old";
const OURS: [&str; 3] = [LOG, NEW_LOG, OLD_LOG];

#[cfg(test)]
mod tests {
    use super::*;

    /// What a crash between any two steps of [`put_rewritten`] leaves, and what is made of it.
    #[test]
    fn a_crash_leaves_the_old_log_or_the_rewritten_one() {
        for (there, whole) in [
            (&["log"][..], "log"),
            (&["log", "log.new"], "log"),
            (&["log.new", "log.old"], "log.new"),
            (&["log", "log.old"], "log"),
            (&["log.old"], "log.old"),
        ] {
            let folder = tempfile::tempdir().unwrap();
            for name in there {
                fs::create_dir(folder.path().join(name)).unwrap();
                fs::write(folder.path().join(name).join("db"), name).unwrap();
            }
            settle(folder.path()).unwrap();
            let left: Vec<_> =
                fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
            assert_eq!(left, ["log"], "{there:?}");
            assert_eq!(fs::read_to_string(folder.path().join("log/db")).unwrap(), whole);
        }
    }
}
