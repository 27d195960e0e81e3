//! What is read, in pages.

use super::position::{Position, Version};
use crate::event::{Envelope, EventType};
use crate::id::{Category, StreamId};

/// Which events a reader wants: all that match every part that is given.
///
/// ```
/// use mailtrail_core::store::Filter;
/// use mailtrail_core::id::Category;
/// let planned = Filter::all().category(Category::DELIVERY).event_type("queued");
/// # let _ = planned;
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Filter {
    /// Of one of these categories; any if empty.
    pub categories: Vec<Category>,
    /// Of one of these types; any if empty.
    pub event_types: Vec<EventType>,
}

impl Filter {
    /// Every event.
    pub fn all() -> Self {
        Self::default()
    }

    /// Of this category too.
    pub fn category(mut self, category: Category) -> Self {
        self.categories.push(category);
        self
    }

    /// Of this type too.
    pub fn event_type(mut self, event_type: impl Into<EventType>) -> Self {
        self.event_types.push(event_type.into());
        self
    }

    /// Whether an event matches.
    pub fn matches(&self, stream: StreamId, event_type: &EventType) -> bool {
        (self.categories.is_empty() || self.categories.contains(&stream.category()))
            && (self.event_types.is_empty() || self.event_types.contains(event_type))
    }
}

/// A page of the store, in order of position.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Page {
    /// The events that match: at most as many as asked for, perhaps fewer although there are more.
    pub events: Vec<Envelope>,
    /// Read on after this position; `None` once the head, as it was, is reached.
    pub next: Option<Position>,
    /// The last position of the store when the page was read.
    pub head: Position,
    /// Everything up to here was looked at, also what the filter skipped: a good checkpoint.
    pub scanned_to: Position,
}

impl Page {
    /// A page. There is more to read if it was scanned to before the head.
    pub fn new(events: Vec<Envelope>, scanned_to: Position, head: Position) -> Self {
        Self { events, next: (scanned_to < head).then_some(scanned_to), head, scanned_to }
    }
}

/// A page of one stream, in order of version.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StreamPage {
    /// The events: at most as many as asked for, perhaps fewer although there are more.
    pub events: Vec<Envelope>,
    /// Read on from this version; `None` once the end, as it was, is reached.
    pub next: Option<Version>,
    /// The version of the stream's last event; `None` if the stream has none.
    pub last: Option<Version>,
}

impl StreamPage {
    /// A page of a stream whose last event has this version, read from a version on.
    pub fn new(events: Vec<Envelope>, from: Version, last: Option<Version>) -> Self {
        let read_to = events.last().map(|envelope| envelope.version);
        let next = match (read_to, last) {
            (Some(read), Some(last)) if read < last => Some(read.next()),
            (None, Some(last)) if from <= last => Some(from),
            _ => None,
        };
        Self { events, next, last }
    }
}
