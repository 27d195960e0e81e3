//! Which delivery a message is of, as far as its lines say.

use mailtrail_core::correlation::{Correlation, CorrelationKey};
use mailtrail_core::id::Endpoint;
use mailtrail_core::token::{Keys, Purpose, SeenIn, Verified};

use crate::messages::Message;

/// Names deliveries by tokens and ids.
#[derive(Debug)]
pub(crate) struct Naming<'a> {
    pub(crate) keys: &'a Keys,
    pub(crate) require_token: bool,
}

/// Why an outcome names no delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unnamed {
    /// It is of a report, or of a message that nothing of ours can name.
    NotOurs,
    /// It has no signed return path, and must have one.
    Refused,
    /// The lines that would say so were not read.
    Unmatched,
}

impl Naming<'_> {
    /// The delivery that an outcome speaks of. `whole`: no other line says more of the message.
    pub(crate) fn correlation(
        &self,
        message: &Message,
        recipient: Option<&str>,
        whole: bool,
    ) -> Result<Correlation, Unnamed> {
        let sender = message.sender.as_deref();
        if sender.is_some_and(is_of_server) {
            return Err(Unnamed::NotOurs);
        }
        let token = self.token(message);
        if self.require_token && !matches!(token, Some((_, SeenIn::ReturnPath))) {
            return Err(sender.map_or(Unnamed::Unmatched, |_| Unnamed::Refused));
        }
        if let Some((Verified { delivery, key_id, .. }, seen_in)) = token {
            return Ok(Correlation::Token { delivery, key_id, seen_in });
        }
        match (&message.id, recipient) {
            (Some(id), Some(to)) => {
                Ok(Correlation::Key(CorrelationKey::new(Endpoint::message_id(), id, to)))
            }
            (Some(_) | None, _) if whole => Err(Unnamed::NotOurs),
            (Some(_) | None, _) => Err(Unnamed::Unmatched),
        }
    }

    pub(crate) fn token(&self, message: &Message) -> Option<(Verified, SeenIn)> {
        let quoted =
            || Some((self.find(Purpose::MessageId, message.id.as_deref()?)?, SeenIn::Quoted));
        self.return_path(message.sender.as_deref()).or_else(quoted)
    }

    /// The token of an envelope sender, also one that was rewritten on the way (SRS).
    pub(crate) fn return_path(&self, sender: Option<&str>) -> Option<(Verified, SeenIn)> {
        Some((self.find(Purpose::ReturnPath, sender?)?, SeenIn::ReturnPath))
    }

    fn find(&self, purpose: Purpose, text: &str) -> Option<Verified> {
        self.keys.find(purpose, text)
    }
}

/// Reports have no sender (RFC 5321 §4.5.5); Postfix's notices to the postmaster have one of its own.
fn is_of_server(sender: &str) -> bool {
    sender.is_empty() || sender.starts_with("double-bounce@")
}
