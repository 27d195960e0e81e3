//! Whose the folder is, and that nobody else has it open.

use std::fs::{self, File, TryLockError};
use std::io;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

use mailtrail_core::store::OpenError;

use crate::Witness;

/// A folder that is ours. Held as long as the store is open; the operating system lets go of it when the process ends.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Makes the folder if need be, checks that it is one of this engine's, and takes it.
    ///
    /// `own` are the names of which at least one is in every folder of this engine that was ever opened; beside them
    /// there may be what belongs to a store: `raw/`, `keys.toml`.
    ///
    /// # Errors
    /// [`OpenError::Foreign`] if there is something else, [`OpenError::InUse`] with the owner's process id,
    /// [`OpenError::Io`].
    pub fn take(path: &Path, engine: &'static str, own: &[&str]) -> Result<Self, OpenError> {
        // Once it has been opened to the end, its own name is durable.
        if !path.join(Witness::FILE).exists() {
            make_durably(path).map_err(OpenError::Io)?;
        }
        refuse_foreign(path, engine, own)?;
        let options = File::options().read(true).write(true).create(true).truncate(false).clone();
        let mut file = options.open(path.join(LOCK)).map_err(OpenError::Io)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(OpenError::InUse { owner: owner(&mut file) });
            }
            Err(TryLockError::Error(cause)) => return Err(OpenError::Io(cause)),
        }
        file.set_len(0).map_err(OpenError::Io)?;
        file.seek(SeekFrom::Start(0)).map_err(OpenError::Io)?;
        write!(file, "{}", std::process::id()).map_err(OpenError::Io)?;
        Ok(Self { _file: file })
    }
}

/// Makes the folder, if it isn't there, and its own name durable: a power cut would take away the folder with everything in
/// it. Also where somebody else has made it, perhaps a process of ours that was killed.
pub(crate) fn make_durably(path: &Path) -> io::Result<()> {
    let made: Vec<_> = path.ancestors().take_while(|folder| !folder.exists()).collect();
    fs::create_dir_all(path)?;
    for folder in path.ancestors() {
        let Some(parent) = folder.parent() else { break };
        let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
        match crate::sync(parent) {
            Err(error) if made.contains(&folder) => return Err(error),
            // Above what is ours there may be folders that we can't read.
            _ => {}
        }
    }
    Ok(())
}

fn refuse_foreign(path: &Path, engine: &'static str, own: &[&str]) -> Result<(), OpenError> {
    if !path.is_dir() {
        let found = "a file, where a folder should be".into();
        return Err(OpenError::Foreign { expected: engine, found });
    }
    let names: Vec<_> = fs::read_dir(path)
        .map_err(OpenError::Io)?
        .map(|entry| entry.map(|entry| entry.file_name()))
        .collect::<Result<_, _>>()
        .map_err(OpenError::Io)?;
    let has = |wanted: &[&str]| names.iter().any(|name| wanted.iter().any(|one| name == one));
    // What any of the engines leaves even where its files are lost: that is damage, which opening says.
    let left = has(&[LOCK, Witness::FILE]) && !has(ENGINES);
    if names.is_empty() || has(own) || left {
        return Ok(());
    }
    let found = format!("a folder with {} other files and no database", names.len()).into();
    Err(OpenError::Foreign { expected: engine, found })
}

fn owner(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

const LOCK: &str = "mailtrail.lock";
/// The folders in which the engines keep their events.
const ENGINES: &[&str] = &["log", "log.new", "log.old", "events"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_one_engines() {
        let folder = tempfile::tempdir().unwrap();
        let take = |engine, own: &[&str]| Lock::take(folder.path(), engine, own);
        drop(take("sled", &["log"]).unwrap());
        drop(take("fjall", &["events"]).unwrap());
        fs::create_dir(folder.path().join("log")).unwrap();
        drop(take("sled", &["log"]).unwrap());
        let refused = take("fjall", &["events"]);
        assert!(matches!(refused, Err(OpenError::Foreign { expected: "fjall", .. })));
    }
}
