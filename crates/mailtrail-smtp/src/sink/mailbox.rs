//! What the sink has seen, and what it says next.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::Notify;

use super::script::{Script, Step, fits};
use super::{ReceivedMessage, RecipientAttempt};
use crate::server::{Answer, Envelope, Handler, Recipient, Reply};

#[derive(Debug)]
pub(super) struct Mailboxes {
    scripts: Vec<(String, Script)>,
    seen: Mutex<Seen>,
    arrived: Notify,
}

#[derive(Debug, Default)]
struct Seen {
    /// Attempts so far, by address in lower case.
    counts: HashMap<String, usize>,
    attempts: Vec<RecipientAttempt>,
    messages: Vec<ReceivedMessage>,
}

impl Mailboxes {
    pub(super) fn new(scripts: Vec<(String, Script)>) -> Self {
        Self { scripts, seen: Mutex::default(), arrived: Notify::new() }
    }

    pub(super) fn messages(&self) -> Vec<ReceivedMessage> {
        self.seen().messages.clone()
    }

    pub(super) fn attempts(&self) -> Vec<RecipientAttempt> {
        self.seen().attempts.clone()
    }

    /// Waits for the message with this number, counted from 0.
    pub(super) async fn message(&self, number: usize) -> ReceivedMessage {
        loop {
            let arrived = self.arrived.notified();
            if let Some(message) = self.seen().messages.get(number) {
                return message.clone();
            }
            arrived.await;
        }
    }

    /// What the script says for an attempt, counted from 0.
    fn step(&self, address: &str, attempt: usize) -> &Step {
        let script = self.scripts.iter().find(|(pattern, _)| fits(pattern, address));
        script.map_or(&Step::Accept, |(_, script)| script.step(attempt))
    }

    /// The step of the latest attempt: the one whose message has come.
    fn current(&self, address: &str) -> &Step {
        let attempts = self.seen().counts.get(&address.to_lowercase()).copied();
        self.step(address, attempts.unwrap_or_default().saturating_sub(1))
    }

    /// What the recipients' steps make of their message: a hang-up first, then the worst reply.
    fn outcome(&self, recipients: &[Recipient]) -> Option<Reply> {
        let mut worst = Reply::OK;
        for recipient in recipients {
            match self.current(&recipient.address) {
                Step::HangUp => return None,
                Step::Message(reply) if reply.code() > worst.code() => worst = reply.clone(),
                Step::Accept | Step::Recipient(_) | Step::Message(_) => {}
            }
        }
        Some(worst)
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Handler for Mailboxes {
    async fn recipient(&self, _: &Envelope, recipient: &Recipient) -> Reply {
        let address = recipient.address.clone();
        let mut seen = self.seen();
        let count = seen.counts.entry(address.to_lowercase()).or_default();
        let attempt = *count;
        *count = attempt.saturating_add(1);
        let reply = match self.step(&address, attempt) {
            Step::Recipient(reply) => reply.clone(),
            Step::Accept | Step::Message(_) | Step::HangUp => Reply::OK,
        };
        seen.attempts.push(RecipientAttempt { address, reply: reply.clone() });
        reply
    }

    async fn message(&self, envelope: Envelope, bytes: Bytes) -> Answer {
        let reply = self.outcome(&envelope.recipients);
        let received = ReceivedMessage { envelope, bytes, reply: reply.clone() };
        self.seen().messages.push(received);
        self.arrived.notify_waiters();
        reply.map_or(Answer::HangUp, Answer::All)
    }
}
