//! What the index knows in memory: of the events since it was last written.

use std::collections::HashMap;

use mailtrail_core::event::{Envelope, EventType};
use mailtrail_core::fold::ById;
use mailtrail_core::id::Category;
use mailtrail_core::store::{Filter, Head};
use mailtrail_core::{EventId, StreamId};
use smallvec::SmallVec;

/// Positions by id, stream and type.
#[derive(Debug, Default)]
pub(crate) struct Recent {
    pub(super) ids: HashMap<EventId, u64, ById>,
    pub(super) streams: HashMap<StreamId, Run, ById>,
    pub(super) kinds: HashMap<(Category, EventType), Vec<u64>>,
    /// The last event.
    pub(super) head: Head,
}

/// Events of one stream that follow each other.
#[derive(Debug, Default)]
pub(super) struct Run {
    /// The version of the first.
    pub(super) first: u64,
    pub(super) positions: SmallVec<[u64; 2]>,
}

impl Run {
    /// The version behind the last.
    pub(super) fn end(&self) -> u64 {
        self.first.saturating_add(u64::try_from(self.positions.len()).unwrap_or(u64::MAX))
    }

    /// The positions from a version on; of none before the first.
    pub(super) fn from(&self, version: u64) -> &[u64] {
        let skipped = usize::try_from(version.saturating_sub(self.first)).unwrap_or(usize::MAX);
        self.positions.get(skipped..).unwrap_or_default()
    }
}

impl Recent {
    /// An empty one with as much room as this one has taken.
    pub(super) fn next(&self) -> Self {
        let (ids, streams) = (self.ids.len(), self.streams.len());
        Self {
            ids: HashMap::with_capacity_and_hasher(ids, ById::default()),
            streams: HashMap::with_capacity_and_hasher(streams, ById::default()),
            ..Self::default()
        }
    }

    pub(super) fn len(&self) -> usize {
        self.ids.len()
    }

    pub(super) fn add(&mut self, envelope: &Envelope) {
        let position = envelope.position.get();
        self.ids.insert(envelope.event.event_id, position);
        let run = self.streams.entry(envelope.stream).or_default();
        if run.positions.is_empty() {
            run.first = envelope.version.get();
        }
        run.positions.push(position);
        let kind = (envelope.stream.category(), envelope.event.event_type.clone());
        self.kinds.entry(kind).or_default().push(position);
        self.head = Head::new(envelope.position, envelope.hash);
    }

    /// Adds at most so many positions of matching events behind one, of each kind, and says how many kinds there are.
    pub(super) fn matching(&self, filter: &Filter, after: u64, limit: usize, to: &mut Vec<u64>) {
        for ((category, event_type), positions) in &self.kinds {
            let category = filter.categories.is_empty() || filter.categories.contains(category);
            let named = filter.event_types.is_empty() || filter.event_types.contains(event_type);
            if category && named {
                let from = positions.partition_point(|position| *position <= after);
                to.extend(positions.iter().skip(from).take(limit));
            }
        }
    }
}
