//! Where the socket is, and who may use it.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

/// Listens in the folder. A socket that is there already is of an owner who has gone: the folder's
/// lock says so.
pub(crate) fn listen(folder: &Path) -> io::Result<UnixListener> {
    // Made in a folder that nobody else may enter, so that it is never open to others, then moved.
    let private = tempfile::Builder::new().prefix(".control").tempdir_in(folder)?;
    let made = private.path().join(NAME);
    let listener = UnixListener::bind(Short::of(private.path())?.path())?;
    fs::set_permissions(&made, Permissions::from_mode(0o600))?;
    fs::rename(&made, folder.join(NAME))?;
    Ok(listener)
}

pub(crate) fn connect(folder: &Path) -> io::Result<UnixStream> {
    UnixStream::connect(Short::of(folder)?.path())
}

pub(crate) fn remove(folder: &Path) {
    // Whoever comes next removes what could not be removed here.
    fs::remove_file(folder.join(NAME)).ok();
}

/// The path of a socket in a folder. It may have 108 bytes only; a longer one goes by a descriptor.
struct Short {
    _folder: File,
    path: PathBuf,
}

impl Short {
    fn of(folder: &Path) -> io::Result<Self> {
        let open = File::open(folder)?;
        let direct = folder.join(NAME);
        let path = if direct.as_os_str().len() < LONGEST {
            direct
        } else {
            PathBuf::from(format!("/proc/self/fd/{}", open.as_raw_fd())).join(NAME)
        };
        Ok(Self { _folder: open, path })
    }

    fn path(&self) -> &Path {
        &self.path
    }
}

const NAME: &str = "control.sock";
/// The least that any Unix gives.
const LONGEST: usize = 100;
