//! The folder: whose it is, and that nobody else has it open.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use mailtrail_core::store::OpenError;

use crate::witness;

/// Held as long as the store is open; the operating system lets go of it when the process ends.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

/// Makes the folder if need be, checks that it is one of ours, and takes it.
pub(crate) fn take(path: &Path) -> Result<Lock, OpenError> {
    if !path.exists() {
        fs::create_dir_all(path).map_err(OpenError::Io)?;
    }
    refuse_foreign(path)?;
    let options = File::options().read(true).write(true).create(true).truncate(false).clone();
    let mut file = options.open(path.join(LOCK)).map_err(OpenError::Io)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(OpenError::InUse { owner: owner(&mut file) }),
        Err(TryLockError::Error(cause)) => return Err(OpenError::Io(cause)),
    }
    file.set_len(0).map_err(OpenError::Io)?;
    file.seek(SeekFrom::Start(0)).map_err(OpenError::Io)?;
    write!(file, "{}", std::process::id()).map_err(OpenError::Io)?;
    Ok(Lock { _file: file })
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
    sync(path)
}

/// Puts the rewritten log in the place of the old one. Both must be closed.
pub(crate) fn put_rewritten(path: &Path) -> io::Result<()> {
    fs::rename(path.join(LOG), path.join(OLD_LOG))?;
    sync(path)?;
    settle(path)
}

/// Makes the names of the folder's files durable.
pub(crate) fn sync(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

fn refuse_foreign(path: &Path) -> Result<(), OpenError> {
    if !path.is_dir() {
        let found = "a file, where a folder should be".into();
        return Err(OpenError::Foreign { expected: "sled", found });
    }
    let names: Vec<_> = fs::read_dir(path)
        .map_err(OpenError::Io)?
        .map(|entry| entry.map(|entry| entry.file_name()))
        .collect::<Result<_, _>>()
        .map_err(OpenError::Io)?;
    // Beside the store there may be what belongs to it: raw/, keys.toml. One of these must be.
    let known = [LOG, NEW_LOG, OLD_LOG, LOCK, witness::FILE];
    let ours = names.iter().any(|name| known.iter().any(|known| name == known));
    if names.is_empty() || ours {
        return Ok(());
    }
    let found = format!("a folder with {} other files and no database", names.len()).into();
    Err(OpenError::Foreign { expected: "sled", found })
}

fn owner(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

/// Where sled's own files are.
pub(crate) const LOG: &str = "log";
/// A log that is being written anew, without what is to be erased.
pub(crate) const NEW_LOG: &str = "log.new";
const OLD_LOG: &str = "log.old";
const LOCK: &str = "mailtrail.lock";

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
