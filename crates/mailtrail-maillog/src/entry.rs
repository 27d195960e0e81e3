//! What a line says, whichever server wrote it.

use std::borrow::Cow;

use mailtrail_core::diagnosis::EnhancedCode;

use crate::hop::Hop;

/// What a line says of one message.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Entry<'a> {
    /// What the server calls the message; none if it refused it before it had a name.
    pub(crate) queue_id: Option<&'a str>,
    /// It has just come in: whatever had this queue id before is another message.
    pub(crate) begins: bool,
    /// The envelope sender without brackets, empty for a report.
    pub(crate) sender: Option<&'a str>,
    /// The Message-ID.
    pub(crate) message_id: Option<&'a str>,
    /// What became of it.
    pub(crate) step: Option<Step<'a>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step<'a> {
    /// Of one recipient.
    Outcome(Outcome<'a>),
    /// Given up for all recipients that still wait.
    Expired,
    /// The server is done with it.
    Removed,
}

/// What became of a message for one recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Outcome<'a> {
    /// Whom it was sent to, before aliases, as far as the line says.
    pub(crate) recipient: &'a str,
    pub(crate) fate: Fate,
    /// What was said, as the line quotes it.
    pub(crate) text: Cow<'a, str>,
    /// The enhanced code that the line states beside the text.
    pub(crate) code: Option<EnhancedCode>,
    /// Who said it.
    pub(crate) hop: Option<Hop<'a>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// By the server or local service at the hop: perhaps the recipient's own.
    Taken,
    /// By a mailbox of this host.
    Stored,
    /// By someone who gives no confirmation: an alias, a filter, a smarthost.
    HandedOver,
    /// Thrown away, as someone had configured.
    Discarded,
    Deferred,
    Bounced,
}

impl<'a> Entry<'a> {
    /// An entry about a message.
    pub(crate) fn of(queue_id: &'a str) -> Self {
        Self { queue_id: Some(queue_id), ..Self::default() }
    }

    /// With its sender.
    pub(crate) fn sender(mut self, sender: Option<&'a str>) -> Self {
        self.sender = sender;
        self
    }

    /// With what became of it.
    pub(crate) fn step(mut self, step: Step<'a>) -> Self {
        self.step = Some(step);
        self
    }
}
