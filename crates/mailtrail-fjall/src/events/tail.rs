//! The end of the log, where it is written.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use mailtrail_core::Namespace;
use mailtrail_core::event::Envelope;
use mailtrail_core::store::{Head, record};

use super::places::{Known, Places};
use super::segment::{Segment, replace_file};
use super::{Log, Recovered};
use crate::layout::{self, Header, PREFIX};

/// Writes groups, each with one write and one sync.
#[derive(Debug)]
pub(crate) struct Tail {
    folder: PathBuf,
    log: Log,
    segment: Arc<Segment>,
    head: Head,
    /// Where the next record will be.
    end: u64,
    /// How long the segment's file is: up to there it is written, by zeros at first, so that a sync has nothing to do
    /// but to write the group.
    room: u64,
    /// The next segment's file, while it is made.
    next: Option<JoinHandle<io::Result<File>>>,
    /// The group as it is written; kept for its room.
    group: Vec<u8>,
}

impl Tail {
    pub(crate) fn new(folder: &Path, recovered: &Recovered) -> io::Result<Self> {
        let Recovered { log, segment, head, end, .. } = recovered;
        let room = segment.file.metadata()?.len();
        Ok(Self {
            folder: folder.into(),
            log: log.clone(),
            segment: Arc::clone(segment),
            head: *head,
            end: *end,
            room,
            next: None,
            group: Vec::new(),
        })
    }

    /// Writes a group, and returns when it is durable.
    pub(crate) fn append(&mut self, group: &[Envelope]) -> io::Result<()> {
        let Some(last) = group.last() else { return Ok(()) };
        let offsets = self.encode(group);
        let length = u64::try_from(self.group.len()).unwrap_or(u64::MAX);
        if self.end.saturating_add(length) > self.room && self.end > layout::HEADER {
            self.roll()?;
        }
        self.segment.file.write_all_at(&self.group, self.end)?;
        self.segment.file.sync_data()?;
        for (envelope, offset) in group.iter().zip(offsets) {
            let offset = self.end.saturating_add(u64::try_from(offset).unwrap_or(u64::MAX));
            self.segment.note(envelope.position.get(), offset);
        }
        self.end = self.end.saturating_add(length);
        self.room = self.room.max(self.end);
        self.head = Head::new(last.position, last.hash);
        self.prepare();
        Ok(())
    }

    pub(crate) fn known(&self) -> (PathBuf, Known) {
        let (first, head, end) = (self.segment.first(), self.head, self.end);
        (self.segment.known_path(), Known { first, head, end, places: self.segment.places() })
    }

    /// Erases the private parts of the records at these positions, which are sorted: each segment that has any is
    /// written anew.
    pub(crate) fn erase(&mut self, positions: &[u64]) -> io::Result<()> {
        let mut rest = positions;
        while let Some(first) = rest.first() {
            let (segment, last) = self.log.segment(*first).ok_or_else(damaged)?;
            let of_segment = rest.partition_point(|at| last.is_none_or(|last| *at <= last));
            let (positions, others) = rest.split_at(of_segment);
            self.rewrite(&segment, last, positions)?;
            rest = others;
        }
        Ok(())
    }

    fn rewrite(
        &mut self,
        segment: &Arc<Segment>,
        last: Option<u64>,
        positions: &[u64],
    ) -> io::Result<()> {
        let is_last = last.is_none();
        let last = last.unwrap_or_else(|| self.head.position.get());
        let path = segment.path();
        let new = path.with_extension("new");
        let file = File::options().read(true).write(true).create(true).truncate(true).open(&new)?;
        let rewritten = super::open::rewrite(&self.log, segment, last, positions, &file)?;
        let room = if is_last { self.room.max(rewritten.end) } else { rewritten.end };
        zeros(&file, rewritten.end, room)?;
        file.sync_all()?;
        match fs::remove_file(segment.known_path()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        // What is known of the old segment is gone before the new one is there: its records lie elsewhere.
        mailtrail_folder::sync(&self.folder)?;
        fs::rename(&new, path)?;
        mailtrail_folder::sync(&self.folder)?;
        let places = Some(rewritten.places);
        let segment = Arc::new(Segment::new(segment.header(), path.into(), file, places));
        self.log.replace(&segment);
        if is_last {
            (self.segment, self.end, self.room) = (segment, rewritten.end, room);
        }
        Ok(())
    }

    /// The group's bytes, and where in them each record begins.
    fn encode(&mut self, group: &[Envelope]) -> Vec<usize> {
        self.group.clear();
        let mut follow = u32::try_from(group.len()).unwrap_or(u32::MAX);
        let mut offsets = Vec::with_capacity(group.len());
        for envelope in group {
            follow = follow.saturating_sub(1);
            offsets.push(push_record(&mut self.group, envelope, follow));
        }
        offsets
    }

    /// Goes on in a new segment.
    fn roll(&mut self) -> io::Result<()> {
        let (path, known) = self.known();
        replace_file(&path, &known.encode(), false)?;
        let file = match self.next.take().map(JoinHandle::join) {
            Some(Ok(made)) => made?,
            Some(Err(_)) | None => make(&self.folder, self.size())?,
        };
        let room = file.metadata()?.len();
        let header = Header { namespace: self.segment.namespace(), before: self.head };
        self.segment = Arc::new(begin(&self.folder, file, header)?);
        (self.end, self.room) = (layout::HEADER, room);
        self.log.push(Arc::clone(&self.segment));
        Ok(())
    }

    /// Begins to make the next segment's file when this one is half full.
    fn prepare(&mut self) {
        if self.next.is_none() && self.end > self.room / 2 {
            let (folder, size) = (self.folder.clone(), self.size());
            let thread = thread::Builder::new().name("mailtrail-segment".into());
            // Without a thread it is made when it is needed.
            self.next = thread.spawn(move || make(&folder, size)).ok();
        }
    }

    fn size(&self) -> u64 {
        self.room.saturating_mul(2).clamp(SMALLEST, LARGEST)
    }
}

impl Drop for Tail {
    fn drop(&mut self) {
        if let Some(thread) = self.next.take() {
            thread.join().ok();
            fs::remove_file(self.folder.join(NEXT)).ok();
        }
    }
}

/// The first segment of a new log.
pub(super) fn first(folder: &Path, namespace: Namespace) -> io::Result<Segment> {
    let header = Header { namespace, before: Head::default() };
    begin(folder, make(folder, SMALLEST)?, header)
}

/// Appends a record with its prefix, and says where it begins.
pub(super) fn push_record(out: &mut Vec<u8>, envelope: &Envelope, follow: u32) -> usize {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&follow.to_be_bytes());
    record::encode_into(envelope, out);
    let length = out.len().saturating_sub(start).saturating_sub(PREFIX);
    if let Some(place) = out.get_mut(start..).and_then(|out| out.first_chunk_mut::<4>()) {
        *place = u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes();
    }
    start
}

/// Makes a file a segment: its header is durable before its name.
fn begin(folder: &Path, file: File, header: Header) -> io::Result<Segment> {
    file.write_all_at(&header.encode(), 0)?;
    file.sync_data()?;
    let first = header.before.position.next().get();
    let path = folder.join(layout::segment_name(first));
    fs::rename(folder.join(NEXT), &path)?;
    mailtrail_folder::sync(folder)?;
    Ok(Segment::new(header, path, file, Some(Places::default())))
}

/// A file of zeros.
fn make(folder: &Path, size: u64) -> io::Result<File> {
    let options = File::options().read(true).write(true).create(true).truncate(true).clone();
    let file = options.open(folder.join(NEXT))?;
    zeros(&file, 0, size)?;
    file.sync_all()?;
    Ok(file)
}

/// In small steps, each synced: a large one holds up that of a group.
fn zeros(file: &File, mut from: u64, to: u64) -> io::Result<()> {
    let step = vec![0; 1 << 18];
    while from < to {
        let length = usize::try_from(to.saturating_sub(from)).unwrap_or(usize::MAX);
        let step = step.get(..length.min(step.len())).unwrap_or_default();
        file.write_all_at(step, from)?;
        file.sync_data()?;
        from = from.saturating_add(u64::try_from(step.len()).unwrap_or(u64::MAX));
    }
    Ok(())
}

fn damaged() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "a position is in no segment")
}

/// A segment's file before it is one.
pub(super) const NEXT: &str = "next";
const SMALLEST: u64 = 1 << 20;
const LARGEST: u64 = 256 << 20;
