//! The folders and files of a Maildir.

use std::ffi::{OsStr, OsString};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

/// Which of the two folders a mail lies in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    New,
    Cur,
}

/// Where a mail goes when it has been looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shelf {
    /// Its facts are durable: into `cur/`, as seen.
    Taken,
    /// A subfolder, for people to look at.
    Aside(&'static str),
}

/// What a file turned out to be.
#[derive(Debug)]
pub(super) enum Content {
    Mail(Vec<u8>),
    TooLarge,
    /// Somebody else took it, or it is no file.
    Gone,
}

#[derive(Debug)]
pub(super) struct Folder(pub(super) PathBuf);

impl Folder {
    pub(super) fn part(&self, part: Part) -> PathBuf {
        self.0.join(match part {
            Part::New => "new",
            Part::Cur => "cur",
        })
    }

    /// The first names of a part, sorted. Names with a dot in front are nobody's mails; of `cur/` those that
    /// nobody has seen.
    pub(super) fn names(&self, part: Part) -> io::Result<Vec<OsString>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(self.part(part))? {
            let name = entry?.file_name();
            let is_mail = !name.as_bytes().starts_with(b".");
            if is_mail && (part == Part::New || !is_done(&name)) {
                names.push(name);
            }
            if names.len() >= MOST_NAMES {
                break;
            }
        }
        names.sort();
        Ok(names)
    }

    /// Reads a mail of at most so many bytes. Neither a link nor a pipe is followed into.
    pub(super) fn read(&self, part: Part, name: &OsStr, most: usize) -> io::Result<Content> {
        let flags = i32::try_from((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits()).unwrap_or_default();
        let path = self.part(part).join(name);
        let file = match OpenOptions::new().read(true).custom_flags(flags).open(path) {
            Ok(file) if file.metadata()?.is_file() => file,
            Ok(_) => return Ok(Content::Gone),
            Err(error) if is_gone(&error) => return Ok(Content::Gone),
            Err(error) => return Err(error),
        };
        let limit = u64::try_from(most).unwrap_or(u64::MAX);
        let mut bytes = Vec::new();
        file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
        Ok(if bytes.len() > most { Content::TooLarge } else { Content::Mail(bytes) })
    }

    /// Moves a mail in one step; another one of the same name stays. That somebody else has moved it
    /// meanwhile is no error.
    pub(super) fn shelve(&self, part: Part, name: &OsStr, shelf: Shelf) -> io::Result<()> {
        let from = self.part(part).join(name);
        let to = match shelf {
            Shelf::Taken => self.part(Part::Cur),
            Shelf::Aside(subfolder) => self.subfolder(subfolder)?.join("new"),
        };
        for copy in 0..MOST_COPIES {
            match move_to_free(&from, &to.join(shelved_name(name, shelf, copy))) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) if is_gone(&error) => return Ok(()),
                moved => return moved,
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }

    /// A subfolder as Maildir++ has them, which mail clients show; it is made if it isn't there.
    fn subfolder(&self, name: &str) -> io::Result<PathBuf> {
        let folder = self.0.join(format!(".{name}"));
        let mut private = DirBuilder::new();
        private.recursive(true).mode(0o700);
        for part in ["tmp", "cur", "new"] {
            private.create(folder.join(part))?;
        }
        let mark = folder.join("maildirfolder");
        if !mark.exists() {
            File::create(mark)?;
        }
        Ok(folder)
    }
}

/// Renames without replacing.
#[cfg(target_os = "linux")]
fn move_to_free(from: &Path, to: &Path) -> io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    use rustix::io::Errno;
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // The file system doesn't know how.
        Err(Errno::INVAL | Errno::NOSYS) => rename_if_free(from, to),
        moved => Ok(moved?),
    }
}

#[cfg(not(target_os = "linux"))]
fn move_to_free(from: &Path, to: &Path) -> io::Result<()> {
    rename_if_free(from, to)
}

fn rename_if_free(from: &Path, to: &Path) -> io::Result<()> {
    if to.exists() {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    fs::rename(from, to)
}

/// The name on a shelf: in `cur/` it says that the mail was seen, and keeps what else was said of it.
fn shelved_name(name: &OsStr, shelf: Shelf, copy: u32) -> OsString {
    let (unique, flags) = flags(name);
    let mut shelved = unique.to_vec();
    if copy > 0 {
        shelved.extend_from_slice(format!("_{copy}").as_bytes());
    }
    if shelf == Shelf::Taken {
        let mut flags: Vec<u8> = flags.iter().copied().chain([b'S']).collect();
        // Flags stand in the order of their letters, each once.
        flags.sort_unstable();
        flags.dedup();
        shelved.extend_from_slice(b":2,");
        shelved.extend(flags);
    }
    OsString::from_vec(shelved)
}

/// Whether a mail in `cur/` was seen or thrown away.
fn is_done(name: &OsStr) -> bool {
    flags(name).1.iter().any(|flag| b"ST".contains(flag))
}

/// A name, and the flags that follow it.
fn flags(name: &OsStr) -> (&[u8], &[u8]) {
    let name = name.as_bytes();
    let end = name.iter().position(|byte| *byte == b':').unwrap_or(name.len());
    let (unique, info) = name.split_at_checked(end).unwrap_or((name, &[]));
    (unique, info.strip_prefix(b":2,").unwrap_or_default())
}

/// Somebody took it away, or it is a link, which no delivering agent makes.
fn is_gone(error: &io::Error) -> bool {
    let is_link = error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error());
    error.kind() == io::ErrorKind::NotFound || is_link
}

/// Names that are looked at in one go; the others come after them.
pub(super) const MOST_NAMES: usize = 10_000;
const MOST_COPIES: u32 = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_keep_their_flags_and_say_that_a_mail_was_seen() {
        let shelved = |name: &str, shelf, copy| {
            shelved_name(OsStr::new(name), shelf, copy).into_string().unwrap()
        };
        assert_eq!(shelved("1.M2P3.host", Shelf::Taken, 0), "1.M2P3.host:2,S");
        assert_eq!(shelved("1.M2P3.host:2,FT", Shelf::Taken, 0), "1.M2P3.host:2,FST");
        assert_eq!(shelved("1.host:2,S", Shelf::Taken, 2), "1.host_2:2,S");
        assert_eq!(shelved("1.host:2,F", Shelf::Aside("Refused"), 0), "1.host");
        assert!(is_done(OsStr::new("1:2,RS")) && !is_done(OsStr::new("S.T:2,F")));
    }
}
