//! The messages that are followed: by queue id, and no more than a bound.

use std::collections::{BTreeMap, HashMap};

use mailtrail_core::diagnosis::EnhancedCode;

use crate::entry::{Entry, Fate, Outcome};

/// What is known of a message so far.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Message {
    /// The envelope sender.
    pub(crate) sender: Option<Box<str>>,
    /// The Message-ID.
    pub(crate) id: Option<Box<str>>,
    /// Recipients that are tried again, and why.
    pub(crate) waiting: BTreeMap<Box<str>, Waiting>,
}

/// Why a recipient is tried again: the reason in the end, if the message expires.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Waiting {
    pub(crate) text: Box<str>,
    pub(crate) code: Option<EnhancedCode>,
    pub(crate) host: Option<Box<str>>,
}

impl Message {
    /// Keeps what a line says of the message as a whole.
    pub(crate) fn note(&mut self, entry: &Entry<'_>) {
        let differs = |known: &Option<Box<str>>, told: Option<&str>| matches!((known, told), (Some(known), Some(told)) if **known != *told);
        // The server has given the queue id to another message.
        if entry.begins
            || differs(&self.sender, entry.sender)
            || differs(&self.id, entry.message_id)
        {
            *self = Self::default();
        }
        if let Some(sender) = entry.sender {
            self.sender = Some(sender.into());
        }
        if let Some(message_id) = entry.message_id {
            self.id = Some(message_id.into());
        }
    }

    /// Keeps what it says of a recipient.
    pub(crate) fn heard(&mut self, outcome: &Outcome<'_>) {
        if outcome.fate == Fate::Deferred {
            let host = outcome.hop.and_then(|hop| hop.server()).map(Into::into);
            let waiting = Waiting { text: (&*outcome.text).into(), code: outcome.code, host };
            self.waiting.insert(outcome.recipient.into(), waiting);
        } else {
            self.waiting.remove(outcome.recipient);
        }
    }

    fn bytes(&self) -> usize {
        let length = |text: &Option<Box<str>>| text.as_ref().map_or(0, |text| text.len());
        let waiting = self.waiting.iter().map(|(recipient, waiting)| {
            [recipient.len(), waiting.text.len(), length(&waiting.host), ENTRY_BYTES]
        });
        let all = waiting.flatten().chain([length(&self.sender), length(&self.id), ENTRY_BYTES]);
        all.fold(0, usize::saturating_add)
    }
}

/// Messages by queue id; beyond a bound the one is forgotten that was not spoken of for the longest.
#[derive(Debug)]
pub(crate) struct Messages {
    by_id: HashMap<Box<str>, Followed>,
    by_age: BTreeMap<u64, Box<str>>,
    clock: u64,
    bytes: usize,
    most: usize,
    forgotten: u64,
}

#[derive(Debug)]
struct Followed {
    message: Message,
    age: u64,
    bytes: usize,
}

impl Messages {
    pub(crate) fn new(most: usize) -> Self {
        Self {
            by_id: HashMap::new(),
            by_age: BTreeMap::new(),
            clock: 0,
            bytes: 0,
            most,
            forgotten: 0,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.by_id.len()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many were forgotten before their server was done with them.
    pub(crate) fn forgotten(&self) -> u64 {
        self.forgotten
    }

    /// Ends following one.
    pub(crate) fn remove(&mut self, id: &str) -> Option<Message> {
        let followed = self.by_id.remove(id)?;
        self.by_age.remove(&followed.age);
        self.bytes = self.bytes.saturating_sub(followed.bytes);
        Some(followed.message)
    }

    /// Puts one in its place, as the last that was spoken of.
    pub(crate) fn put(&mut self, id: &str, message: Message) {
        self.remove(id);
        let bytes = message.bytes().saturating_add(id.len().saturating_mul(2));
        let age = self.clock;
        self.clock = age.saturating_add(1);
        self.bytes = self.bytes.saturating_add(bytes);
        self.by_age.insert(age, id.into());
        self.by_id.insert(id.into(), Followed { message, age, bytes });
        while self.by_id.len() > self.most || self.bytes > MOST_BYTES {
            let Some((_, oldest)) = self.by_age.pop_first() else { return };
            self.remove(&oldest);
            self.forgotten = self.forgotten.saturating_add(1);
        }
    }
}

/// Messages that are followed at once, unless [told otherwise](crate::Reader::most_messages).
pub const MOST_MESSAGES: usize = 100_000;

/// Bytes of text that all followed messages hold at most.
pub const MOST_BYTES: usize = 64 << 20;

/// What an entry takes besides its texts, roughly.
const ENTRY_BYTES: usize = 128;
