//! A file replaced in one step.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

/// Makes a file that is not there yet, for its owner only.
pub(super) fn create(path: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    if written.is_err() {
        // Half a file would be taken for a damaged one, which is never replaced.
        fs::remove_file(path).ok();
    }
    written?;
    // Its name is as durable as what it holds: a token may be on its way before the next crash.
    File::open(folder(path))?.sync_all()
}

/// Keeps others from changing files of a folder in this way, as long as it lives.
pub(super) fn lock(path: &Path) -> io::Result<File> {
    let folder = File::open(folder(path))?;
    folder.lock()?;
    Ok(folder)
}

/// Puts a new file in the place of an old one, with its owner. A crash leaves one of the two, whole;
/// perhaps also a file beside it (`.new`), for its owner only, which the next change takes away.
pub(super) fn replace(path: &Path, text: &str) -> io::Result<()> {
    // A link stays a link.
    let path = fs::canonicalize(path)?;
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let new = path.with_file_name(name);
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => create(&new, text)?,
    }
    let done = as_readable_as(&new, &path).and_then(|()| fs::rename(&new, &path));
    if done.is_err() {
        fs::remove_file(&new).ok();
    }
    done?;
    File::open(folder(&path))?.sync_all()
}

/// Who could read the old file can read the new one: `keys add` may be run by another user than `serve`.
fn as_readable_as(new: &Path, old: &Path) -> io::Result<()> {
    let (file, old) = (File::open(new)?, fs::metadata(old)?);
    let own = file.metadata()?;
    if (own.uid(), own.gid()) != (old.uid(), old.gid()) {
        fchown(&file, Some(old.uid()), Some(old.gid()))?;
    }
    // Never for everybody.
    file.set_permissions(fs::Permissions::from_mode(old.mode() & 0o770))?;
    file.sync_all()
}

fn folder(path: &Path) -> PathBuf {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    folder.unwrap_or_else(|| Path::new(".")).to_owned()
}
