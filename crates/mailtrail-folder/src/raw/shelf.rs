//! All segments of a folder, and which body is where.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use mailtrail_core::event::RawHash;

use super::head::{HEAD_BYTES, Head, Salt};
use super::places::{Key, Places, key};
use super::segment::{self, beginning, walk};
use super::writer::now;

/// Which body is where. Nothing is held open.
#[derive(Debug)]
pub(super) struct Shelf {
    folder: PathBuf,
    segments: RwLock<BTreeMap<u64, Segment>>,
    /// Whether there may be bodies in files of their own.
    own: AtomicBool,
    /// Whether there is a segment that can't be read at all.
    lost: AtomicBool,
    /// The numbers of all segments, and when a name in the folder had changed last.
    listed: Mutex<Option<(SystemTime, Vec<u64>)>>,
}

/// A segment, as far as it is known.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) salt: Salt,
    pub(super) begun: i64,
    pub(super) places: Known,
}

/// Where its bodies are.
#[derive(Debug)]
pub(super) enum Known {
    /// It is still written to.
    Walked(Walk),
    Sealed(Places),
}

/// What is in a segment up to an offset.
#[derive(Debug)]
pub(super) struct Walk {
    pub(super) to: u64,
    pub(super) places: HashMap<Key, u64>,
    /// What a power cut left of bodies that nobody was told of.
    pub(super) torn: Vec<(u64, u64)>,
    /// A write to it failed: what lies behind may be in memory, and on no disk.
    pub(super) failed: bool,
}

/// Where a body is.
#[derive(Debug, Default)]
pub(super) struct Copies {
    /// The newest first.
    pub(super) places: Vec<Place>,
    /// Whether there was one of which the head is damaged.
    pub(super) damaged: bool,
}

/// A place of a body.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) segment: u64,
    pub(super) salt: Salt,
    pub(super) at: u64,
    pub(super) head: Head,
}

impl Shelf {
    /// Of this folder. Nothing is read before it is needed.
    pub(super) fn new(folder: PathBuf) -> Self {
        Self {
            folder,
            segments: RwLock::default(),
            own: AtomicBool::new(false),
            lost: AtomicBool::new(false),
            listed: Mutex::default(),
        }
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Whether nothing was ever put here.
    pub(super) fn is_empty(&self) -> bool {
        self.read().is_empty() && !self.has_own()
    }

    /// Whether there may be bodies in files of their own.
    pub(super) fn has_own(&self) -> bool {
        self.own.load(Ordering::Relaxed)
    }

    /// Whether there is a segment that can't be read at all.
    pub(super) fn has_lost(&self) -> bool {
        self.lost.load(Ordering::Relaxed)
    }

    pub(super) fn set_has_own(&self) {
        self.own.store(true, Ordering::Relaxed);
    }

    /// Looks what others have written or removed.
    pub(super) fn refresh(&self) -> io::Result<()> {
        let numbers = self.listed()?;
        let mut segments = self.write();
        segments.retain(|number, _| numbers.contains(number));
        for number in numbers {
            let known = segments.remove(&number);
            if let Some(segment) = self.looked_at(number, known)? {
                segments.insert(number, segment);
            }
        }
        Ok(())
    }

    /// The live copies of a body.
    pub(super) fn find(&self, hash: RawHash) -> io::Result<Copies> {
        let (key, mut copies) = (key(hash), Copies::default());
        for (number, segment) in self.read().iter().rev() {
            if !segment.may_hold(&key) {
                continue;
            }
            let Some(file) = self.open(*number)? else { continue };
            let (segment_of, salt) = (*number, segment.salt);
            for at in segment.find(&file, &key)? {
                match segment::head(&file, &salt, at)? {
                    Some(head) if head.hash != hash || !head.is_live() => {}
                    Some(head) => copies.places.push(Place { segment: segment_of, salt, at, head }),
                    None => copies.damaged = true,
                }
            }
        }
        Ok(copies)
    }

    /// The hashes of all live bodies in segments.
    pub(super) fn hashes(&self) -> io::Result<Vec<RawHash>> {
        let mut hashes = Vec::new();
        let mut each = |_, head: &Head| hashes.extend(head.is_live().then_some(head.hash));
        for (number, segment) in self.read().iter() {
            let Some(file) = self.open(*number)? else { continue };
            walk(&file, &segment.salt, (HEAD_BYTES, segment.end()), true, &mut each)?;
        }
        Ok(hashes)
    }

    /// What is at a place now; `None` if its segment is gone.
    pub(super) fn body(&self, place: &Place) -> io::Result<Option<Bytes>> {
        let file = self.open(place.segment)?;
        file.map(|file| segment::body(&file, place.at, place.head.length)).transpose()
    }

    /// A segment's file; `None` if it is gone.
    pub(super) fn open(&self, number: u64) -> io::Result<Option<File>> {
        there(File::open(segment::path(&self.folder, number)))
    }

    /// A segment's file, to write to it; `None` if it is gone.
    pub(super) fn change(&self, number: u64) -> io::Result<Option<File>> {
        let options = File::options().read(true).write(true).clone();
        there(options.open(segment::path(&self.folder, number)))
    }

    pub(super) fn read(&self) -> RwLockReadGuard<'_, BTreeMap<u64, Segment>> {
        self.segments.read().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    pub(super) fn write(&self) -> RwLockWriteGuard<'_, BTreeMap<u64, Segment>> {
        self.segments.write().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// The numbers of all segments. Names are read only where some have changed: there may be very many bodies in files
    /// of their own.
    fn listed(&self) -> io::Result<Vec<u64>> {
        let (changed, now) = (fs::metadata(&self.folder)?.modified()?, now());
        let mut listed = self.listed.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some((at, numbers)) = &*listed
            && *at == changed
        {
            return Ok(numbers.clone());
        }
        let numbers = self.numbers()?;
        // What changes in the same tick of the file system's clock leaves the same time.
        let settled = now.duration_since(changed).is_ok_and(|since| since > TICK);
        *listed = settled.then(|| (changed, numbers.clone()));
        Ok(numbers)
    }

    /// The numbers of all segments.
    fn numbers(&self) -> io::Result<Vec<u64>> {
        let mut numbers = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let name = entry?.file_name();
            let name = name.to_string_lossy();
            match segment::number(&name) {
                Some(number) => numbers.push(number),
                None if name.parse::<RawHash>().is_ok() => self.set_has_own(),
                None => {}
            }
        }
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// What there is to know of a segment by now; `None` if there is nothing yet.
    fn looked_at(&self, number: u64, known: Option<Segment>) -> io::Result<Option<Segment>> {
        if let Some(Segment { places: Known::Sealed(_), .. }) = known {
            return Ok(known);
        }
        let Some(file) = self.open(number)? else { return Ok(None) };
        let mut segment = match (known, beginning(&file)?) {
            (Some(segment), Some(begun)) if segment.salt == begun.salt => segment,
            (_, Some(begun)) => Segment::new(begun.salt, begun.begun),
            (_, None) => {
                self.lost.fetch_or(is_written(&file)?, Ordering::Relaxed);
                return Ok(None);
            }
        };
        match Places::open(&file, &segment.salt)? {
            Some(places) => segment.places = Known::Sealed(places),
            // Whoever writes to it holds its lock.
            None => segment.walk(&file, file.try_lock().is_ok())?,
        }
        Ok(Some(segment))
    }
}

/// Whether there are bodies: they are written only after the beginning is durable.
fn is_written(file: &File) -> io::Result<bool> {
    let mut bytes = [0; 256];
    let length = file.read_at(&mut bytes, 0)?;
    Ok(bytes.iter().take(length).any(|byte| *byte != 0))
}

fn there(opened: io::Result<File>) -> io::Result<Option<File>> {
    match opened {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

impl Segment {
    pub(super) fn new(salt: Salt, begun: i64) -> Self {
        let walk = Walk { to: HEAD_BYTES, places: HashMap::new(), torn: Vec::new(), failed: false };
        Self { salt, begun, places: Known::Walked(walk) }
    }

    /// Where its bodies end, as far as is known.
    pub(super) fn end(&self) -> u64 {
        match &self.places {
            Known::Walked(walk) => walk.to,
            Known::Sealed(places) => places.end,
        }
    }

    /// Adds what was written since. `alone` says that nobody writes now: else what looks like a gap is a group that
    /// is being written.
    pub(super) fn walk(&mut self, file: &File, alone: bool) -> io::Result<()> {
        let (salt, length) = (self.salt, file.metadata()?.len());
        let Known::Walked(Walk { to, places, torn, failed: false }) = &mut self.places else {
            return Ok(());
        };
        let mut each = |at, head: &Head| {
            places.insert(key(head.hash), at);
        };
        let walked = walk(file, &salt, (*to, length), alone, &mut each)?;
        *to = walked.end;
        torn.extend(walked.torn);
        Ok(())
    }

    fn may_hold(&self, key: &Key) -> bool {
        match &self.places {
            Known::Walked(walk) => walk.places.contains_key(key),
            Known::Sealed(places) => places.may_hold(key),
        }
    }

    fn find(&self, file: &File, key: &Key) -> io::Result<Vec<u64>> {
        match &self.places {
            Known::Walked(walk) => Ok(walk.places.get(key).copied().into_iter().collect()),
            Known::Sealed(places) => match places.find(file, &self.salt, key)? {
                Some(found) => Ok(found),
                None => self.search(file, key, places.end),
            },
        }
    }

    /// Where bodies of a key are, by their heads.
    fn search(&self, file: &File, wanted: &Key, end: u64) -> io::Result<Vec<u64>> {
        let (mut found, from) = (Vec::new(), HEAD_BYTES);
        let mut each = |at, head: &Head| {
            if key(head.hash) == *wanted {
                found.push(at);
            }
        };
        walk(file, &self.salt, (from, end), true, &mut each)?;
        Ok(found)
    }
}

/// More than the clock of any file system is behind.
const TICK: Duration = Duration::from_secs(2);
