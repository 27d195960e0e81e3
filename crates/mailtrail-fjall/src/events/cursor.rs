//! Reads records one after the other.

use std::sync::Arc;

use bytes::Bytes;
use mailtrail_core::Position;
use mailtrail_core::store::ReadError;

use super::segment::{Segment, prefix_of};
use super::{Log, corrupt};
use crate::layout::{PREFIX, STRIDE};

/// A place in the log. What lies behind the head must not be read.
#[derive(Debug)]
pub(crate) struct Cursor {
    log: Log,
    segment: Arc<Segment>,
    /// The last position of the segment, unless it is the last one.
    last: Option<u64>,
    next: u64,
    /// What was read ahead, from the next record on.
    ahead: Bytes,
    /// Where that lies.
    offset: u64,
    /// How much is read at once.
    chunk: usize,
}

impl Cursor {
    /// Before this position, which must be there.
    pub(crate) fn new(log: Log, position: Position, chunk: usize) -> Result<Self, ReadError> {
        let found = log.segment(position.get());
        let (segment, last) = found.ok_or_else(|| corrupt(position))?;
        let next = position.get();
        let mut cursor = Self { log, segment, last, next, ahead: Bytes::new(), offset: 0, chunk };
        cursor.locate(next)?;
        Ok(cursor)
    }

    /// Before another position, which must be there.
    pub(crate) fn seek(&mut self, position: Position) -> Result<(), ReadError> {
        let wanted = position.get();
        let steps = wanted.checked_sub(self.next);
        let near = steps.is_some_and(|steps| steps <= STRIDE)
            && self.last.is_none_or(|last| wanted <= last);
        if !near {
            let found = self.log.segment(wanted);
            (self.segment, self.last) = found.ok_or_else(|| corrupt(position))?;
            return self.locate(wanted);
        }
        while self.next < wanted {
            self.skip()?;
        }
        Ok(())
    }

    /// The position of the next record.
    pub(crate) fn position(&self) -> Position {
        Position::new(self.next)
    }

    /// The next record.
    pub(crate) fn next_record(&mut self) -> Result<Bytes, ReadError> {
        if self.last.is_some_and(|last| self.next > last) {
            self.next_segment()?;
        }
        let length = self.length()?;
        self.fill(length)?;
        let mut record = self.ahead.split_to(length);
        self.offset = self.offset.saturating_add(u64::try_from(length).unwrap_or(u64::MAX));
        self.next = self.next.saturating_add(1);
        Ok(record.split_off(PREFIX))
    }

    /// Where the next record lies.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// Where the next record lies, and how many of its group follow it; `None` where none begins.
    pub(super) fn peek(&mut self) -> Option<(u64, u32)> {
        self.fill(PREFIX).ok()?;
        let (_, follow) = prefix_of(&self.ahead)?;
        Some((self.offset, follow))
    }

    pub(super) fn from_offset(log: Log, segment: Arc<Segment>, next: u64, offset: u64) -> Self {
        Self { log, segment, last: None, next, ahead: Bytes::new(), offset, chunk: super::MANY }
    }

    fn skip(&mut self) -> Result<(), ReadError> {
        let length = self.length()?;
        if length <= self.ahead.len() {
            drop(self.ahead.split_to(length));
        } else {
            self.ahead = Bytes::new();
        }
        self.offset = self.offset.saturating_add(u64::try_from(length).unwrap_or(u64::MAX));
        self.next = self.next.saturating_add(1);
        Ok(())
    }

    fn locate(&mut self, wanted: u64) -> Result<(), ReadError> {
        let corrupt = || corrupt(Position::new(wanted));
        let (next, offset) = self.segment.before(wanted, self.last).ok_or_else(corrupt)?;
        (self.next, self.offset, self.ahead) = (next, offset, Bytes::new());
        while self.next < wanted {
            self.skip()?;
        }
        Ok(())
    }

    fn next_segment(&mut self) -> Result<(), ReadError> {
        let found = self.log.segment(self.next);
        let (segment, last) = found.ok_or_else(|| corrupt(self.position()))?;
        if segment.first() != self.next {
            return Err(corrupt(self.position()));
        }
        (self.segment, self.last) = (segment, last);
        self.locate(self.next)
    }

    /// The length of the next record with its prefix.
    fn length(&mut self) -> Result<usize, ReadError> {
        self.fill(PREFIX)?;
        let length = prefix_of(&self.ahead).and_then(|(length, _)| usize::try_from(length).ok());
        length.ok_or_else(|| corrupt(self.position()))
    }

    /// Reads on until so many bytes are there.
    fn fill(&mut self, wanted: usize) -> Result<(), ReadError> {
        if self.ahead.len() >= wanted {
            return Ok(());
        }
        let read = self.segment.read(self.offset, wanted.max(self.chunk));
        self.ahead = read.map_err(|error| ReadError::Unavailable { cause: error.into() })?;
        if self.ahead.len() < wanted { Err(corrupt(self.position())) } else { Ok(()) }
    }
}
