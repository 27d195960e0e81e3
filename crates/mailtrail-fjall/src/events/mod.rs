//! The events themselves: records one behind the other, in segments.

mod cursor;
mod open;
mod places;
mod segment;
mod tail;

use std::sync::{Arc, PoisonError, RwLock};

use mailtrail_core::Position;
use mailtrail_core::event::Envelope;
use mailtrail_core::store::{ReadError, record};

pub(crate) use cursor::Cursor;
pub(crate) use open::{Recovered, recover};
pub(crate) use segment::{Segment, replace_file};
pub(crate) use tail::Tail;

use bytes::Bytes;

/// The segments, in order; the last one is written to. Clones are the same.
#[derive(Debug, Clone)]
pub(crate) struct Log(Arc<RwLock<Vec<Arc<Segment>>>>);

impl Log {
    pub(crate) fn new(segments: Vec<Arc<Segment>>) -> Self {
        Self(Arc::new(RwLock::new(segments)))
    }

    /// The segment of a position, and the last position that it has, unless it is the last segment.
    pub(crate) fn segment(&self, position: u64) -> Option<(Arc<Segment>, Option<u64>)> {
        let segments = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let after = segments.partition_point(|segment| segment.first() <= position);
        let segment = Arc::clone(segments.get(after.checked_sub(1)?)?);
        let last = segments.get(after).map(|next| next.first().saturating_sub(1));
        Some((segment, last))
    }

    pub(crate) fn push(&self, segment: Arc<Segment>) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).push(segment);
    }

    /// Puts a segment in the place of the one with the same first position.
    pub(crate) fn replace(&self, segment: &Arc<Segment>) {
        let mut segments = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for old in segments.iter_mut().filter(|old| old.first() == segment.first()) {
            *old = Arc::clone(segment);
        }
    }

    /// The event at a position that must be there.
    pub(crate) fn at(&self, position: Position) -> Result<Envelope, ReadError> {
        let mut cursor = Cursor::new(self.clone(), position, FEW)?;
        // A copy: what is kept of one event must not keep what was read around it.
        decode(&Bytes::copy_from_slice(&cursor.next_record()?), position)
    }
}

/// Reads a record, which must be the one of this position.
#[inline]
pub(crate) fn decode(bytes: &Bytes, position: Position) -> Result<Envelope, ReadError> {
    match record::decode(bytes) {
        Ok(envelope) if envelope.position == position => Ok(envelope),
        Ok(_) | Err(_) => Err(corrupt(position)),
    }
}

pub(crate) fn corrupt(position: Position) -> ReadError {
    ReadError::Corrupt { position: Some(position) }
}

/// How much is read at once where one record is wanted: [`STRIDE`](crate::layout::STRIDE) records of the usual size.
pub(crate) const FEW: usize = 8 << 10;
/// How much is read at once where all are.
pub(crate) const MANY: usize = 256 << 10;
