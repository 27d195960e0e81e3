//! Who is told, and of what.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use mailtrail_core::event::EventType;
use mailtrail_core::projection::{CheckpointError, checked_name};
use mailtrail_webhook::outbound::{STATUS_CHANGED, Schedule};

use super::poster::Poster;

/// Who is told of what, and how messages get there.
///
/// ```
/// use mailtrail::outbound::{JsonLines, Subscriber, Wanted};
/// let to_memory = JsonLines::writer(Vec::new());
/// let crm = Subscriber::new("crm", to_memory)?
///     .wanted(["status_changed", "complained"].into_iter().collect::<Wanted>());
/// assert_eq!(crm.name(), "crm");
/// assert!(Subscriber::new("../crm", JsonLines::writer(Vec::new())).is_err());
/// # Ok::<(), mailtrail::core::projection::CheckpointError>(())
/// ```
#[derive(Clone)]
pub struct Subscriber {
    pub(super) name: Box<str>,
    pub(super) wanted: Wanted,
    pub(super) poster: Arc<dyn Poster>,
    pub(super) schedule: Schedule,
    pub(super) at_once: usize,
    pub(super) from_now: bool,
}

impl Subscriber {
    /// A subscriber of this name, who wants to know the changes of statuses from the beginning of the log on. The name
    /// is part of the ids of its messages: it stays for ever.
    ///
    /// # Errors
    /// [`CheckpointError::Name`].
    pub fn new(name: &str, poster: impl Poster + 'static) -> Result<Self, CheckpointError> {
        Ok(Self {
            name: checked_name(name)?.into(),
            wanted: [STATUS_CHANGED].into_iter().collect(),
            poster: Arc::new(poster),
            schedule: Schedule::standard(),
            at_once: AT_ONCE,
            from_now: false,
        })
    }

    /// What it wants.
    pub fn wanted(self, wanted: Wanted) -> Self {
        Self { wanted, ..self }
    }

    /// When messages are tried again, in place of the [standard](Schedule::standard).
    pub fn schedule(self, schedule: Schedule) -> Self {
        Self { schedule, ..self }
    }

    /// How many messages, of different deliveries, may be under way at once: 8 unless set, at least 1.
    pub fn at_once(self, at_once: usize) -> Self {
        Self { at_once: at_once.max(1), ..self }
    }

    /// Leaves out what was stored before it was started for the first time.
    pub fn from_now(self) -> Self {
        Self { from_now: true, ..self }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Debug for Subscriber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscriber")
            .field("name", &self.name)
            .field("wanted", &self.wanted)
            .field("poster", &self.poster)
            .finish_non_exhaustive()
    }
}

/// What a subscriber wants to know.
///
/// It is collected from names: `status_changed`, types of events, or `*` for all events. What identifies a person is
/// left out of events, unless it is [asked for](Self::with_private); a change of status has nothing of the kind but
/// the contact's id.
///
/// ```
/// use mailtrail::outbound::Wanted;
/// let wanted: Wanted = ["bounced", "opened"].into_iter().collect();
/// assert!(wanted.has_event(&"bounced".into()) && !wanted.has_event(&"sent".into()));
/// assert!(!wanted.has_status_changes());
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    status_changes: bool,
    every_event: bool,
    events: BTreeSet<EventType>,
    private: bool,
}

impl Wanted {
    /// With what identifies a person in events.
    pub fn with_private(self) -> Self {
        Self { private: true, ..self }
    }

    /// Whether it has the changes of statuses.
    pub fn has_status_changes(&self) -> bool {
        self.status_changes
    }

    /// Whether it has the events of this type.
    pub fn has_event(&self, event_type: &EventType) -> bool {
        self.every_event || self.events.contains(event_type)
    }

    /// Whether it has what identifies a person.
    pub fn has_private(&self) -> bool {
        self.private
    }

    /// Whether it has nothing at all.
    pub fn is_empty(&self) -> bool {
        !self.status_changes && !self.every_event && self.events.is_empty()
    }
}

impl<'a> FromIterator<&'a str> for Wanted {
    fn from_iter<I: IntoIterator<Item = &'a str>>(names: I) -> Self {
        let mut wanted = Self::default();
        for name in names {
            match name {
                STATUS_CHANGED => wanted.status_changes = true,
                "*" => wanted.every_event = true,
                event => {
                    wanted.events.insert(event.into());
                }
            }
        }
        wanted
    }
}

const AT_ONCE: usize = 8;
