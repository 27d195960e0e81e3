//! The head of the log once more, in a file of its own.
//!
//! Where an engine finds its end spoilt it cuts its log there and goes on, as after a crash. What was
//! acknowledged would be gone without a word; the witness knows how far the log went.
//!
//! It is written after the group is on disk and before it is acknowledged, so it is never ahead of
//! the database. It is synced when the store is opened, not with each group: a crash of the process
//! takes nothing from it, and after a power loss it may be behind by what the kernel still held. Two
//! slots are written in turn, so that a torn write leaves the one before.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use mailtrail_core::Namespace;
use mailtrail_core::Position;
use mailtrail_core::event::ChainHash;
use mailtrail_core::store::{BoxError, Head, OpenError};

/// The file, open for as long as the store.
///
/// ```
/// use mailtrail_core::Namespace;
/// use mailtrail_core::store::Head;
/// use mailtrail_folder::Witness;
/// let folder = tempfile::tempdir()?;
/// let namespace = Namespace::from_bytes([9; 16]);
/// Witness::open(folder.path(), namespace, Head::default())?;
/// assert_eq!(Witness::read(folder.path())?, Some((namespace, Head::default())));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Witness {
    file: File,
    next: u64,
}

impl Witness {
    /// Its name in the folder.
    pub const FILE: &'static str = "head";

    /// What the file says, if it is there and says anything.
    ///
    /// # Errors
    /// That of the operating system.
    pub fn read(folder: &Path) -> io::Result<Option<(Namespace, Head)>> {
        let bytes = match std::fs::read(folder.join(Self::FILE)) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let slots = bytes.chunks(SLOT).filter_map(decode);
        Ok(slots.max_by_key(|(_, head)| head.position))
    }

    /// Takes the file for writing; what it says from now on starts here, durably.
    ///
    /// # Errors
    /// That of the operating system.
    pub fn open(folder: &Path, namespace: Namespace, head: Head) -> io::Result<Self> {
        let options = File::options().write(true).create(true).truncate(false).clone();
        let mut witness = Self { file: options.open(folder.join(Self::FILE))?, next: 0 };
        witness.write(namespace, head)?;
        witness.write(namespace, head)?;
        witness.file.sync_all()?;
        Ok(witness)
    }

    /// Says that the log goes to here. A crash of the process takes nothing from it; a power loss may.
    ///
    /// # Errors
    /// That of the operating system.
    pub fn write(&mut self, namespace: Namespace, head: Head) -> io::Result<()> {
        self.file.write_all_at(&encode(namespace, head), self.next)?;
        self.next ^= SECOND;
        Ok(())
    }

    /// Whether a log that ends at `head` is all that the witness saw; `hash_at` reads the log.
    ///
    /// # Errors
    /// [`OpenError::Cut`] if it ends too early, [`OpenError::Corrupt`] if it holds another record there.
    pub fn check(
        witnessed: Head,
        head: Head,
        hash_at: impl FnOnce(Position) -> Result<ChainHash, BoxError>,
    ) -> Result<(), OpenError> {
        if witnessed.position > head.position {
            return Err(OpenError::Cut { witnessed: witnessed.position, found: head.position });
        }
        if witnessed.position > Position::START {
            let hash = hash_at(witnessed.position).map_err(|cause| OpenError::Corrupt { cause })?;
            if hash != witnessed.hash {
                let at = witnessed.position;
                let cause = format!("the record at position {at} is not the one that was stored");
                return Err(OpenError::Corrupt { cause: cause.into() });
            }
        }
        Ok(())
    }
}

fn encode(namespace: Namespace, head: Head) -> [u8; SLOT] {
    let mut slot = [0; SLOT];
    let (said, crc) = slot.split_at_mut(CRC_AT);
    let fields = FORMAT.to_be_bytes().into_iter().chain(*namespace.as_bytes());
    let fields = fields.chain(head.position.get().to_be_bytes()).chain(*head.hash.as_bytes());
    said.iter_mut().zip(fields).for_each(|(byte, value)| *byte = value);
    crc.copy_from_slice(&crc32c::crc32c(said).to_be_bytes());
    slot
}

fn decode(slot: &[u8]) -> Option<(Namespace, Head)> {
    let (said, crc) = slot.split_last_chunk::<4>()?;
    let (format, said_of) = said.split_first_chunk::<4>()?;
    let (namespace, rest) = said_of.split_first_chunk::<16>()?;
    let (position, hash) = rest.split_first_chunk::<8>()?;
    let hash = ChainHash::from_bytes(hash.try_into().ok()?);
    let known = u32::from_be_bytes(*format) == FORMAT;
    let whole = crc32c::crc32c(said) == u32::from_be_bytes(*crc);
    let head = Head::new(Position::new(u64::from_be_bytes(*position)), hash);
    (known && whole).then_some((Namespace::from_bytes(*namespace), head))
}

const FORMAT: u32 = 1;
const SLOT: usize = 64;
const CRC_AT: usize = 60;
const SECOND: u64 = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn head(position: u8) -> Head {
        Head::new(Position::new(position.into()), ChainHash::from_bytes([position; 32]))
    }

    #[test]
    fn the_later_slot_counts_and_a_spoilt_one_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let namespace = Namespace::from_bytes([9; 16]);
        assert_eq!(Witness::read(folder.path()).unwrap(), None);
        let mut witness = Witness::open(folder.path(), namespace, head(1)).unwrap();
        witness.write(namespace, head(2)).unwrap();
        witness.write(namespace, head(3)).unwrap();
        assert_eq!(Witness::read(folder.path()).unwrap(), Some((namespace, head(3))));
        let path = folder.path().join(Witness::FILE);
        let written = std::fs::read(&path).unwrap();
        assert_eq!(written.len(), 128);
        for at in 64..128 {
            let mut spoilt = written.clone();
            spoilt[at] ^= 1;
            std::fs::write(&path, spoilt).unwrap();
            assert_eq!(Witness::read(folder.path()).unwrap(), Some((namespace, head(2))), "{at}");
        }
    }

    #[test]
    fn a_log_must_hold_what_was_witnessed() {
        let hash = |position: Position| Ok(head(u8::try_from(position.get())?).hash);
        assert!(Witness::check(head(5), head(5), hash).is_ok());
        assert!(Witness::check(head(5), head(7), hash).is_ok());
        assert!(Witness::check(Head::default(), Head::default(), hash).is_ok());
        assert!(matches!(Witness::check(head(5), head(4), hash), Err(OpenError::Cut { .. })));
        assert!(Witness::check(head(5), head(7), |_| Ok(head(6).hash)).is_err());
        assert!(Witness::check(head(5), head(7), |_| Err("unreadable".into())).is_err());
    }
}
