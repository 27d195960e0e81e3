//! What the id of an event is derived from.

use super::{BroadcastId, DeliveryId, Endpoint, EventId, Namespace};
use crate::suppression::Scope;

/// What an [`EventId`] is derived from: the fact itself, never what a reader made of it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Identity {
    /// An element of a provider's request.
    Webhook {
        /// The endpoint that received it.
        endpoint: Endpoint,
        /// The provider's stable event id, else the element in canonical JSON without the fields
        /// that change from attempt to attempt.
        element: Box<str>,
        /// The provider's own name of the event.
        event: Box<str>,
        /// The recipient, or "".
        recipient: Box<str>,
    },
    /// A mail that came back.
    Mail {
        /// The report's own Message-ID, or "".
        message_id: Box<str>,
        /// The report's Date as written, or "".
        date: Box<str>,
        /// SHA-256 of its body with LF line ends and without trailing blank lines.
        body: [u8; 32],
        /// As written, without brackets, case-folded, or "".
        recipient: Box<str>,
        /// Counts equal recipients of one report.
        index: u32,
    },
    /// A line of a mail server's log.
    Log {
        /// The line without its syslog prefix.
        line: Box<str>,
        /// The host that wrote it.
        host: Box<str>,
        /// Its time as written.
        time: Box<str>,
    },
    /// The creation of a broadcast.
    Created(BroadcastId),
    /// The end of a broadcast.
    Closed(BroadcastId),
    /// The planning of a delivery.
    Plan(DeliveryId),
    /// The claim of an address by a delivery.
    Claim(DeliveryId),
    /// The suppression of a delivery by the sender.
    Suppressed(DeliveryId),
    /// A newer reading of an event.
    Reread {
        /// The event that is read again.
        event: EventId,
        /// The digest of the rules that read it.
        rules_digest: Box<str>,
    },
    /// An event read later from what was kept unread.
    Unread {
        /// The `Custom` that kept it.
        event: EventId,
        /// Which of the events found in it.
        index: u32,
    },
    /// The verdict on a hit.
    Verdict(EventId),
    /// An automatic block.
    Block {
        /// What caused it.
        cause: EventId,
        /// What it covers.
        scope: Scope,
    },
    /// Something that Mailtrail itself observed: its id is chosen when it is observed.
    Observed(EventId),
}

impl Identity {
    /// The id of the event, which is the same whenever the same fact is brought.
    pub fn event_id(&self, namespace: &Namespace) -> EventId {
        let derive = |tuple: &[&[u8]]| EventId(namespace.derive(tuple));
        match self {
            Self::Webhook { endpoint, element, event, recipient } => derive(&[
                b"webhook",
                endpoint.as_str().as_bytes(),
                element.as_bytes(),
                event.as_bytes(),
                recipient.as_bytes(),
            ]),
            Self::Mail { message_id, date, body, recipient, index } => derive(&[
                b"mail",
                message_id.as_bytes(),
                date.as_bytes(),
                body,
                recipient.as_bytes(),
                &index.to_be_bytes(),
            ]),
            Self::Log { line, host, time } => {
                derive(&[b"log", line.as_bytes(), host.as_bytes(), time.as_bytes()])
            }
            Self::Created(broadcast) => derive(&[b"created", broadcast.as_str().as_bytes()]),
            Self::Closed(broadcast) => derive(&[b"closed", broadcast.as_str().as_bytes()]),
            Self::Plan(delivery) => derive(&[b"plan", delivery.as_bytes()]),
            Self::Claim(delivery) => derive(&[b"claim", delivery.as_bytes()]),
            Self::Suppressed(delivery) => derive(&[b"suppressed", delivery.as_bytes()]),
            Self::Reread { event, rules_digest } => {
                derive(&[b"reread", event.as_bytes(), rules_digest.as_bytes()])
            }
            Self::Unread { event, index } => {
                derive(&[b"unread", event.as_bytes(), &index.to_be_bytes()])
            }
            Self::Verdict(hit) => derive(&[b"verdict", hit.as_bytes()]),
            Self::Block { cause, scope } => derive(&[
                b"block",
                cause.as_bytes(),
                scope.tag().as_bytes(),
                scope.kind_text().as_bytes(),
            ]),
            Self::Observed(id) => *id,
        }
    }
}
