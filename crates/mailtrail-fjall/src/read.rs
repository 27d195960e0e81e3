//! Reading: every record is checked. No read waits for the writer.

use bytes::Bytes;
use mailtrail_core::event::Envelope;
use mailtrail_core::store::{Filter, Page, ReadError, StreamPage};
use mailtrail_core::{EventId, Position, StreamId, Version};

use crate::events::{Cursor, FEW, Log, MANY, corrupt, decode};
use crate::index::Index;

/// The events and where they are. Clones are the same.
#[derive(Debug, Clone)]
pub(crate) struct Reads {
    pub(crate) log: Log,
    pub(crate) index: Index,
}

impl Reads {
    pub(crate) fn position(&self, id: EventId) -> Result<Option<Position>, ReadError> {
        self.index.position(id)
    }

    pub(crate) fn by_id(&self, id: EventId) -> Result<Option<Envelope>, ReadError> {
        let Some(position) = self.index.position(id)? else { return Ok(None) };
        let envelope = self.log.at(position)?;
        if envelope.event.event_id == id { Ok(Some(envelope)) } else { Err(corrupt(position)) }
    }

    pub(crate) fn last_version(&self, stream: StreamId) -> Result<Option<Version>, ReadError> {
        Ok(self.index.count(stream)?.checked_sub(1).map(Version::new))
    }

    /// A page of a stream, up to the head that readers may see.
    pub(crate) fn stream(
        &self,
        stream: StreamId,
        from: Version,
        limit: usize,
        head: Position,
    ) -> Result<StreamPage, ReadError> {
        let limit = limit.clamp(1, MOST);
        let positions = self.index.stream(stream, from, limit.saturating_add(1))?;
        let visible = positions.partition_point(|position| *position <= head.get());
        let wanted = positions.get(..visible.min(limit)).unwrap_or_default();
        let mut events: Vec<Envelope> = Vec::with_capacity(wanted.len());
        let mut reader = Reader::new(self, wanted.first());
        let mut bytes = 0_usize;
        for position in wanted {
            let envelope = reader.at(Position::new(*position))?;
            let expected = events.last().map_or(from, |before| before.version.next());
            if envelope.stream != stream || envelope.version != expected {
                return Err(corrupt(envelope.position));
            }
            bytes = bytes.saturating_add(envelope.event.payload_bytes());
            events.push(envelope);
            if bytes >= PAGE_BYTES {
                break;
            }
        }
        let last = match events.last() {
            Some(read) if events.len() == visible => Some(read.version),
            None if from == Version::FIRST && positions.is_empty() => None,
            _ => self.last_visible(stream, head)?,
        };
        Ok(StreamPage::new(events, from, last))
    }

    /// A page of the log, up to the head that readers may see.
    pub(crate) fn all(
        &self,
        filter: &Filter,
        after: Position,
        limit: usize,
        head: Position,
    ) -> Result<Page, ReadError> {
        if after >= head {
            return Ok(Page::new(Vec::new(), after.min(head), head));
        }
        let is_all = filter.categories.is_empty() && filter.event_types.is_empty();
        if is_all {
            return self.scan(filter, after, limit, head);
        }
        let limit = limit.clamp(1, MOST);
        let mut positions = self.index.matching(filter, after, limit)?;
        let is_full = positions.len() == limit;
        positions.truncate(positions.partition_point(|position| *position <= head.get()));
        let last = positions.last().filter(|_| is_full);
        let until = last.map_or(head, |last| Position::new(*last).min(head));
        let span = until.get().saturating_sub(after.get());
        let found = u64::try_from(positions.len()).unwrap_or(u64::MAX);
        // Where most match, reading on is faster than looking for each.
        if found.saturating_mul(SPARSE) > span {
            return self.scan(filter, after, limit, head);
        }
        self.pick(filter, &positions, until, head)
    }

    /// Reads on, and leaves out what doesn't match.
    fn scan(
        &self,
        filter: &Filter,
        after: Position,
        limit: usize,
        head: Position,
    ) -> Result<Page, ReadError> {
        let is_all = filter.categories.is_empty() && filter.event_types.is_empty();
        let ahead = usize::try_from(head.get().saturating_sub(after.get())).unwrap_or(usize::MAX);
        let room = if is_all { limit.min(ahead).min(MOST) } else { 0 };
        let (mut events, mut scanned_to, mut bytes) = (Vec::with_capacity(room), after, 0_usize);
        let few = limit.saturating_mul(USUAL).clamp(FEW, MANY);
        let mut cursor = Cursor::new(self.log.clone(), after.next(), few)?;
        while events.len() < limit.max(1) && bytes < PAGE_BYTES && scanned_to < head {
            let position = cursor.position();
            let record = cursor.next_record()?;
            let record = if is_all { record } else { Bytes::copy_from_slice(&record) };
            let envelope = decode(&record, position)?;
            scanned_to = position;
            if is_all || filter.matches(envelope.stream, &envelope.event.event_type) {
                bytes = bytes.saturating_add(envelope.event.payload_bytes());
                events.push(envelope);
            }
        }
        Ok(Page::new(events, scanned_to, head))
    }

    /// Reads what the index says. All that matches up to `until` is there.
    fn pick(
        &self,
        filter: &Filter,
        positions: &[u64],
        until: Position,
        head: Position,
    ) -> Result<Page, ReadError> {
        let mut events = Vec::with_capacity(positions.len());
        let mut reader = Reader::new(self, positions.first());
        let mut bytes = 0_usize;
        for position in positions {
            let envelope = reader.at(Position::new(*position))?;
            if !filter.matches(envelope.stream, &envelope.event.event_type) {
                return Err(corrupt(envelope.position));
            }
            bytes = bytes.saturating_add(envelope.event.payload_bytes());
            events.push(envelope);
            if bytes >= PAGE_BYTES {
                return Ok(Page::new(events, Position::new(*position), head));
            }
        }
        Ok(Page::new(events, until, head))
    }

    /// The last version that is not behind the head.
    fn last_visible(&self, stream: StreamId, head: Position) -> Result<Option<Version>, ReadError> {
        let mut count = self.index.count(stream)?;
        // What is not visible yet is one group at most.
        while let Some(version) = count.checked_sub(1) {
            let positions = self.index.stream(stream, Version::new(version), 1)?;
            let position = positions.first().ok_or(ReadError::Corrupt { position: None })?;
            if *position <= head.get() {
                return Ok(Some(Version::new(version)));
            }
            count = version;
        }
        Ok(None)
    }
}

/// Reads single records, in order of position.
struct Reader<'a> {
    reads: &'a Reads,
    cursor: Option<Cursor>,
}

impl<'a> Reader<'a> {
    fn new(reads: &'a Reads, first: Option<&u64>) -> Self {
        let cursor =
            first.and_then(|first| Cursor::new(reads.log.clone(), Position::new(*first), FEW).ok());
        Self { reads, cursor }
    }

    fn at(&mut self, position: Position) -> Result<Envelope, ReadError> {
        let Some(cursor) = &mut self.cursor else { return self.reads.log.at(position) };
        cursor.seek(position)?;
        // A copy: what is kept of one event must not keep what was read around it.
        decode(&Bytes::copy_from_slice(&cursor.next_record()?), position)
    }
}

/// A page ends when it holds so many bytes of payload.
const PAGE_BYTES: usize = 8 << 20;
/// The most events of a page that the index is asked for.
const MOST: usize = 10_000;
/// An event in so many or more: then reading on is no faster than looking for each.
const SPARSE: u64 = 8;
/// The usual size of a record.
const USUAL: usize = 600;
