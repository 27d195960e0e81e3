//! One file of records.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};

use bytes::Bytes;
use mailtrail_core::store::OpenError;
use mailtrail_core::{Namespace, Position};

use super::places::{Known, Places};
use crate::layout::{self, Header, PREFIX};

/// A segment. Reads need no lock but for the places.
#[derive(Debug)]
pub(crate) struct Segment {
    header: Header,
    path: PathBuf,
    pub(super) file: File,
    /// `None` until somebody asks.
    places: RwLock<Option<Places>>,
}

impl Segment {
    pub(super) fn new(header: Header, path: PathBuf, file: File, places: Option<Places>) -> Self {
        Self { header, path, file, places: RwLock::new(places) }
    }

    /// Opens the segment that begins with this position.
    pub(super) fn open(folder: &Path, first: u64) -> Result<Self, OpenError> {
        let path = folder.join(layout::segment_name(first));
        let file = File::options().read(true).write(true).open(&path).map_err(OpenError::Io)?;
        let mut bytes = [0; 128];
        let read = read_up_to(&file, &mut bytes, 0).map_err(OpenError::Io)?;
        let header = Header::decode(bytes.get(..read).unwrap_or_default())?;
        if header.before.position.next() != Position::new(first) {
            let cause = "a segment has not the name that it was given".into();
            return Err(OpenError::Corrupt { cause });
        }
        Ok(Self::new(header, path, file, None))
    }

    pub(crate) fn first(&self) -> u64 {
        self.header.before.position.next().get()
    }

    pub(crate) fn header(&self) -> Header {
        self.header
    }

    pub(crate) fn namespace(&self) -> Namespace {
        self.header.namespace
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// At most so many bytes from an offset on; fewer only at the end of the file.
    pub(super) fn read(&self, offset: u64, length: usize) -> io::Result<Bytes> {
        let mut bytes = vec![0; length];
        let read = read_up_to(&self.file, &mut bytes, offset)?;
        bytes.truncate(read);
        Ok(bytes.into())
    }

    /// A record at or before a position, and its offset: the nearest that is known. `last` is the last position of a
    /// segment that is full.
    pub(super) fn before(&self, position: u64, last: Option<u64>) -> Option<(u64, u64)> {
        let number = position.checked_sub(self.first())?;
        let known = self.places.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(places) = &*known {
            return self.numbered(places.before(number));
        }
        drop(known);
        let mut known = self.places.write().unwrap_or_else(PoisonError::into_inner);
        let places = known.get_or_insert_with(|| self.find_places(last));
        self.numbered(places.before(number))
    }

    fn numbered(&self, found: Option<(u64, u64)>) -> Option<(u64, u64)> {
        found.map(|(number, offset)| (number.saturating_add(self.first()), offset))
    }

    pub(super) fn note(&self, position: u64, offset: u64) {
        let mut known = self.places.write().unwrap_or_else(PoisonError::into_inner);
        let number = position.saturating_sub(self.first());
        known.get_or_insert_default().note(number, offset);
    }

    pub(super) fn set_places(&self, places: Places) {
        *self.places.write().unwrap_or_else(PoisonError::into_inner) = Some(places);
    }

    pub(super) fn places(&self) -> Places {
        self.places.read().unwrap_or_else(PoisonError::into_inner).clone().unwrap_or_default()
    }

    /// What the file beside it says, if it says anything of this segment.
    pub(super) fn known(&self) -> Option<Known> {
        let known = Known::decode(&fs::read(self.known_path()).ok()?)?;
        (known.first == self.first() && self.ends_so(&known)).then_some(known)
    }

    /// Whether the last record is where that says: a segment that was written anew for an erasure has the same records
    /// elsewhere, and from one that is erased on, none is where it was.
    fn ends_so(&self, known: &Known) -> bool {
        let (last, before) = (known.head.position, self.header.before.position);
        if last <= before {
            return known.head == self.header.before;
        }
        let found = known.places.before(last.get().saturating_sub(self.first()));
        let Some((mut number, mut offset)) = self.numbered(found) else { return false };
        loop {
            let prefix = self.read(offset, PREFIX).unwrap_or_default();
            let Some((length, _)) = prefix_of(&prefix) else { return false };
            let Ok(whole) = usize::try_from(length) else { return false };
            if number == last.get() {
                let record = self.read(offset, whole).unwrap_or_default();
                let is_last = record.get(PREFIX..).is_some_and(|record| {
                    super::decode(&Bytes::copy_from_slice(record), last)
                        .is_ok_and(|envelope| envelope.hash == known.head.hash)
                });
                return is_last && offset.checked_add(length) == Some(known.end);
            }
            (number, offset) = (number.saturating_add(1), offset.saturating_add(length));
        }
    }

    /// Where it is kept what is known of it.
    pub(super) fn known_path(&self) -> PathBuf {
        self.path.with_extension("places")
    }

    /// From the file beside it, or else from one record to the next.
    fn find_places(&self, last: Option<u64>) -> Places {
        if let (Some(known), Some(last)) = (self.known(), last)
            && known.head.position.get() == last
        {
            return known.places;
        }
        let mut places = Places::default();
        let (mut offset, mut number) = (layout::HEADER, 0_u64);
        let records =
            last.map_or(u64::MAX, |last| last.saturating_sub(self.header.before.position.get()));
        while number < records {
            places.note(number, offset);
            let Ok(prefix) = self.read(offset, PREFIX) else { break };
            let Some((length, _)) = prefix_of(&prefix) else { break };
            number = number.saturating_add(1);
            offset = offset.saturating_add(length);
        }
        places
    }
}

/// How long a record is with its prefix, and how many of its group follow; `None` where none begins.
pub(super) fn prefix_of(bytes: &[u8]) -> Option<(u64, u32)> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let (follow, _) = rest.split_first_chunk::<4>()?;
    let length = u64::from(u32::from_be_bytes(*length));
    let whole = length.checked_add(u64::try_from(PREFIX).ok()?)?;
    (length > 0 && length <= LONGEST).then_some((whole, u32::from_be_bytes(*follow)))
}

fn read_up_to(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut read = 0;
    while let Some(rest) = bytes.get_mut(read..).filter(|rest| !rest.is_empty()) {
        let at = offset.saturating_add(u64::try_from(read).unwrap_or(u64::MAX));
        match file.read_at(rest, at) {
            Ok(0) => break,
            Ok(more) => read = read.saturating_add(more),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(read)
}

/// Puts these bytes in the place of a file, in one step; durably if wanted.
pub(crate) fn replace_file(path: &Path, bytes: &[u8], durably: bool) -> io::Result<()> {
    let new = path.with_extension("new");
    let file = File::create(&new)?;
    file.write_all_at(bytes, 0)?;
    if durably {
        file.sync_all()?;
    }
    fs::rename(&new, path)?;
    match path.parent() {
        Some(folder) if durably => mailtrail_folder::sync(folder),
        _ => Ok(()),
    }
}

/// No record is longer: a batch has at most 64 MiB of payload.
const LONGEST: u64 = 512 << 20;
