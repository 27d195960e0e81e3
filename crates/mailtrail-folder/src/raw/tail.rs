//! The segment that is written to.

use std::fs::File;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::sync::Arc;

use bytes::Bytes;
use mailtrail_core::event::RawHash;

use super::head::{Age, Beginning, HEAD_BYTES, Head, Salt};
use super::places::{Key, Places, key};
use super::segment;
use super::shelf::{Known, Segment, Shelf, Walk};

/// When a segment is full.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    pub(super) bytes: u64,
    pub(super) bodies: usize,
    /// Nanoseconds: bodies of one age are erased together, and with them the file.
    pub(super) age: i64,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { bytes: 128 << 20, bodies: 1 << 17, age: 7 * 24 * 3_600_000_000_000 }
    }
}

/// Writes groups of bodies, each with one write and one sync.
#[derive(Debug)]
pub(super) struct Tail {
    shelf: Arc<Shelf>,
    bounds: Bounds,
    active: Option<Active>,
}

/// The segment that is written to. Its file is locked: nobody else writes behind what is there.
#[derive(Debug)]
pub(super) struct Active {
    file: File,
    number: u64,
    salt: Salt,
    begun: i64,
    end: u64,
    /// How long the file is: behind the end it is filled with zeros, so that a sync has nothing to do but to write the
    /// group.
    room: u64,
    bodies: usize,
    /// What is written and not synced yet.
    group: Vec<u8>,
    places: Vec<(Key, u64)>,
}

impl Tail {
    pub(super) fn new(shelf: Arc<Shelf>, bounds: Bounds) -> Self {
        Self { shelf, bounds, active: None }
    }

    /// Writes bodies, and returns when they are durable. If it fails, some may be.
    pub(super) fn append(&mut self, bodies: &[(RawHash, Bytes)], now: i64) -> io::Result<()> {
        let appended = self.append_to(bodies, now);
        if appended.is_err() {
            // Nobody knows what the file holds: the next group goes elsewhere.
            self.active.take().iter().for_each(|active| active.fail(&self.shelf));
        }
        appended
    }

    fn append_to(&mut self, bodies: &[(RawHash, Bytes)], now: i64) -> io::Result<()> {
        for (hash, body) in bodies {
            if self.active.as_ref().is_some_and(|active| active.is_full(&self.bounds, body, now)) {
                self.seal()?;
            }
            if self.active.is_none() {
                self.active = Some(self.place(now)?);
            }
            if let Some(active) = &mut self.active {
                active.add(*hash, body, now)?;
            }
        }
        self.active.as_mut().map_or(Ok(()), |active| active.sync(&self.shelf))
    }

    fn seal(&mut self) -> io::Result<()> {
        if let Some(active) = &mut self.active {
            active.seal(&self.shelf)?;
        }
        self.active = None;
        Ok(())
    }

    /// The newest segment that nobody writes to and that has room, else a new one.
    fn place(&self, now: i64) -> io::Result<Active> {
        let open = |(number, segment): (&u64, &Segment)| match segment.places {
            Known::Walked(Walk { failed: false, .. }) => Some(*number),
            Known::Walked(_) | Known::Sealed(_) => None,
        };
        let numbers: Vec<u64> = self.shelf.read().iter().rev().filter_map(open).collect();
        for number in numbers {
            let Some(mut adopted) = Active::adopt(&self.shelf, number)? else { continue };
            if !adopted.is_full(&self.bounds, &Bytes::new(), now) {
                return Ok(adopted);
            }
            adopted.seal(&self.shelf)?;
        }
        let salt = (u128::from(random()) << 64) | u128::from(random());
        Active::create(&self.shelf, Beginning { salt: salt.to_be_bytes(), begun: now })
    }
}

impl Drop for Tail {
    fn drop(&mut self) {
        // The room that was not needed. Whoever fails to give it back has it on disk still, and no more.
        self.active.iter().for_each(|active| active.file.set_len(active.end).unwrap_or_default());
    }
}

impl Active {
    /// A new segment, whose name is durable.
    pub(super) fn create(shelf: &Shelf, beginning: Beginning) -> io::Result<Self> {
        let last = shelf.read().keys().next_back().copied().unwrap_or_default();
        // By its time: the name of one that was removed never comes again, others may still know it.
        let begun = u64::try_from(beginning.begun).unwrap_or_default();
        let mut number = begun.max(last.saturating_add(1));
        let options = File::options().read(true).write(true).clone();
        let file = loop {
            let path = segment::path(shelf.folder(), number);
            match options.clone().create_new(true).open(path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    number = number.saturating_add(1);
                }
                opened => break opened?,
            }
        };
        file.lock()?;
        file.write_all_at(&beginning.encode(), 0)?;
        file.sync_all()?;
        crate::sync(shelf.folder())?;
        let Beginning { salt, begun } = beginning;
        shelf.write().insert(number, Segment::new(salt, begun));
        Ok(Self::of(file, number, &beginning, (HEAD_BYTES, 0)))
    }

    /// A segment that nobody writes to, from where it ends.
    fn adopt(shelf: &Shelf, number: u64) -> io::Result<Option<Self>> {
        let Some(file) = shelf.change(number)? else { return Ok(None) };
        // Somebody may have sealed or removed it meanwhile.
        if file.try_lock().is_err() || file.metadata()?.nlink() == 0 {
            return Ok(None);
        }
        let mut segments = shelf.write();
        let Some(segment) = segments.get_mut(&number) else { return Ok(None) };
        if let Some(places) = Places::open(&file, &segment.salt)? {
            segment.places = Known::Sealed(places);
            return Ok(None);
        }
        segment.walk(&file, true)?;
        let beginning = Beginning { salt: segment.salt, begun: segment.begun };
        let Known::Walked(Walk { to, places, torn, .. }) = &mut segment.places else {
            return Ok(None);
        };
        for (begin, end) in torn.drain(..) {
            segment::zero(&file, begin, end.saturating_sub(begin))?;
        }
        file.set_len(*to)?;
        Ok(Some(Self::of(file, number, &beginning, (*to, places.len()))))
    }

    fn of(file: File, number: u64, of: &Beginning, (end, bodies): (u64, usize)) -> Self {
        let (salt, begun) = (of.salt, of.begun);
        let (group, places) = (Vec::new(), Vec::new());
        Self { file, number, salt, begun, end, room: end, bodies, group, places }
    }

    fn is_full(&self, bounds: &Bounds, body: &Bytes, now: i64) -> bool {
        let length = u64::try_from(body.len()).unwrap_or(u64::MAX);
        self.written().saturating_add(length) > bounds.bytes
            || self.bodies >= bounds.bodies
            || now.saturating_sub(self.begun) > bounds.age
    }

    /// Where the next body will be.
    fn written(&self) -> u64 {
        self.end.saturating_add(u64::try_from(self.group.len()).unwrap_or(u64::MAX))
    }

    pub(super) fn add(&mut self, hash: RawHash, body: &Bytes, now: i64) -> io::Result<()> {
        if self.group.len() > GROUP {
            self.write()?;
        }
        let at = self.written();
        let length = u32::try_from(body.len()).map_err(io::Error::other)?;
        let first = self.places.first().map_or(at, |(_, first)| *first);
        let group = u32::try_from(at.saturating_sub(first)).unwrap_or(u32::MAX);
        // The clock may have gone back: what is in a segment is never older than that.
        let head = Head { hash, length, group, age: Age::Put(now.max(self.begun)) };
        self.group.extend_from_slice(&head.encode(&self.salt, at));
        self.group.extend_from_slice(body);
        let end = at.saturating_add(Head::room(length)).saturating_sub(self.end);
        self.group.resize(usize::try_from(end).map_err(io::Error::other)?, 0);
        self.places.push((key(hash), at));
        self.bodies = self.bodies.saturating_add(1);
        Ok(())
    }

    fn write(&mut self) -> io::Result<()> {
        let end = self.written();
        if end > self.room {
            let more = self.room.clamp(LEAST_ROOM, MOST_ROOM);
            // On a disk that is nearly full the group may still fit.
            let made = segment::zero(&self.file, end, more).is_ok();
            self.room = if made { end.saturating_add(more) } else { end };
        }
        self.file.write_all_at(&self.group, self.end)?;
        self.end = end;
        self.group.clear();
        Ok(())
    }

    /// Makes durable what was added, and lets it be read.
    fn sync(&mut self, shelf: &Shelf) -> io::Result<()> {
        self.write()?;
        self.file.sync_data()?;
        if let Some(segment) = shelf.write().get_mut(&self.number)
            && let Known::Walked(walk) = &mut segment.places
        {
            walk.to = self.end;
            walk.places.extend(self.places.drain(..));
        }
        self.places.clear();
        Ok(())
    }

    /// A write has failed: what lies behind the last group is not to be relied on.
    fn fail(&self, shelf: &Shelf) {
        if let Some(segment) = shelf.write().get_mut(&self.number)
            && let Known::Walked(walk) = &mut segment.places
        {
            walk.failed = true;
        }
    }

    /// Writes behind the bodies where they are. Nothing is added to it any more.
    pub(super) fn seal(&mut self, shelf: &Shelf) -> io::Result<()> {
        self.sync(shelf)?;
        let places = match shelf.read().get(&self.number).map(|segment| &segment.places) {
            Some(Known::Walked(walk)) => walk.places.iter().map(|(key, at)| (*key, *at)).collect(),
            _ => return Ok(()),
        };
        let (bytes, sealed) = Places::seal(places, &self.salt, self.end);
        self.file.write_all_at(&bytes, self.end)?;
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        self.file.set_len(self.end.saturating_add(length))?;
        self.file.sync_all()?;
        if let Some(segment) = shelf.write().get_mut(&self.number) {
            segment.places = Known::Sealed(sealed);
        }
        Ok(())
    }
}

fn random() -> u64 {
    RandomState::new().hash_one(0)
}

/// How much is written at once at most, but for the last body of it.
const GROUP: usize = 4 << 20;
/// By how much a file grows.
const LEAST_ROOM: u64 = 64 << 10;
const MOST_ROOM: u64 = 4 << 20;
