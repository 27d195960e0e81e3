//! Finds the end of the log, and rewrites segments.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use mailtrail_core::store::{Head, OpenError, ReadError, record};
use mailtrail_core::{Namespace, Position};

use super::places::Places;
use super::tail::{NEXT, first, push_record};
use super::{Cursor, Log, MANY, Segment, decode};
use crate::layout;

/// The log as it was found.
#[derive(Debug)]
pub(crate) struct Recovered {
    pub(crate) log: Log,
    pub(crate) segment: Arc<Segment>,
    pub(crate) head: Head,
    pub(crate) end: u64,
    pub(crate) last_recorded_at: Option<DateTime<Utc>>,
}

/// Opens the log in a folder, and finds its end: all that a crash left whole. A new one gets this namespace.
pub(crate) fn recover(
    folder: &Path,
    namespace: impl FnOnce() -> io::Result<Namespace>,
) -> Result<Recovered, OpenError> {
    fs::create_dir_all(folder).map_err(OpenError::Io)?;
    let mut segments = Vec::new();
    for number in numbers(folder).map_err(OpenError::Io)? {
        segments.push(Arc::new(Segment::open(folder, number)?));
    }
    if segments.is_empty() {
        let namespace = namespace().map_err(OpenError::Io)?;
        segments.push(Arc::new(first(folder, namespace).map_err(OpenError::Io)?));
    }
    let corrupt = |cause: &'static str| OpenError::Corrupt { cause: cause.into() };
    if segments.first().is_some_and(|segment| segment.first() != 1) {
        return Err(corrupt("the first segment is missing"));
    }
    let last = segments.last().map(Arc::clone).ok_or_else(|| corrupt("there is no segment"))?;
    if segments.iter().any(|segment| segment.namespace() != last.namespace()) {
        return Err(corrupt("the files of two stores are mixed"));
    }
    find_end(Log::new(segments), last)
}

/// The first positions of the segments; what a crash left half made is removed.
fn numbers(folder: &Path) -> io::Result<Vec<u64>> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        let Some(name) = name.to_str() else { continue };
        if name == NEXT || Path::new(name).extension().is_some_and(|end| end == "new") {
            fs::remove_file(folder.join(name))?;
        }
        numbers.extend(layout::segment_first(name));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

fn find_end(log: Log, segment: Arc<Segment>) -> Result<Recovered, OpenError> {
    let before = segment.header().before;
    let (mut head, mut end, mut places) = (before, layout::HEADER, Places::default());
    if let Some(known) = segment.known().filter(|known| known.head.position > before.position) {
        (head, end, places) = (known.head, known.end, known.places);
    }
    let next = head.position.next().get();
    let mut cursor = Cursor::from_offset(log.clone(), Arc::clone(&segment), next, end);
    while let Some(group) = whole_group(&mut cursor, head) {
        for (position, offset) in group.offsets {
            places.note(position.saturating_sub(segment.first()), offset);
        }
        (head, end) = (group.head, group.end);
    }
    segment.set_places(places);
    let last_recorded_at = last_recorded_at(&log, head).map_err(|error| match error {
        ReadError::Unavailable { cause } => OpenError::Io(io::Error::other(cause)),
        error => OpenError::Corrupt { cause: error.into() },
    })?;
    Ok(Recovered { log, segment, head, end, last_recorded_at })
}

fn last_recorded_at(log: &Log, head: Head) -> Result<Option<DateTime<Utc>>, ReadError> {
    if head.position == Position::START {
        return Ok(None);
    }
    let last = log.at(head.position)?;
    if last.hash == head.hash {
        Ok(Some(last.recorded_at))
    } else {
        Err(super::corrupt(head.position))
    }
}

struct Group {
    offsets: Vec<(u64, u64)>,
    head: Head,
    end: u64,
}

/// The group that follows, if all of it is there. Its first record must continue the chain: behind the end there may be
/// whole records of a group that a crash took back.
fn whole_group(cursor: &mut Cursor, before: Head) -> Option<Group> {
    let (mut offsets, mut expected) = (Vec::new(), None);
    loop {
        let (offset, follow) = cursor.peek()?;
        let position = cursor.position();
        let envelope = decode(&cursor.next_record().ok()?, position).ok()?;
        let in_order = match expected {
            None => record::chain_hash(before.hash, &envelope) == envelope.hash,
            Some(expected) => expected == follow,
        };
        in_order.then_some(())?;
        offsets.push((position.get(), offset));
        let Some(rest) = follow.checked_sub(1) else {
            let head = Head::new(position, envelope.hash);
            return Some(Group { offsets, head, end: cursor.offset() });
        };
        expected = Some(rest);
    }
}

/// How long a segment is that was written anew, and where its records are.
pub(super) struct Rewritten {
    pub(super) end: u64,
    pub(super) places: Places,
}

/// Writes a segment into another file, without the private parts at these positions. A mebibyte and a record are in memory.
pub(super) fn rewrite(
    log: &Log,
    segment: &Segment,
    last: u64,
    positions: &[u64],
    file: &File,
) -> io::Result<Rewritten> {
    let mut bytes = segment.header().encode();
    bytes.resize(usize::try_from(layout::HEADER).unwrap_or_default(), 0);
    let (mut written, mut places) = (0_u64, Places::default());
    let damaged = |error: ReadError| io::Error::new(io::ErrorKind::InvalidData, error);
    let first = segment.first();
    let mut cursor = Cursor::new(log.clone(), Position::new(first), MANY).map_err(damaged)?;
    while cursor.position().get() <= last {
        let position = cursor.position();
        let (_, follow) = cursor.peek().ok_or_else(|| damaged(super::corrupt(position)))?;
        let record = cursor.next_record().map_err(damaged)?;
        let mut envelope = decode(&record, position).map_err(damaged)?;
        if positions.binary_search(&position.get()).is_ok() {
            (envelope.event.private, envelope.salt) = (None, None);
        }
        let offset = push_record(&mut bytes, &envelope, follow);
        let offset = written.saturating_add(u64::try_from(offset).unwrap_or(u64::MAX));
        places.note(position.get().saturating_sub(first), offset);
        if bytes.len() >= AT_ONCE {
            written = write(file, &mut bytes, written)?;
        }
    }
    let end = write(file, &mut bytes, written)?;
    Ok(Rewritten { end, places })
}

/// Writes what there is, and says where it ends.
fn write(file: &File, bytes: &mut Vec<u8>, at: u64) -> io::Result<u64> {
    file.write_all_at(bytes, at)?;
    let end = at.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
    bytes.clear();
    Ok(end)
}

const AT_ONCE: usize = 1 << 20;
