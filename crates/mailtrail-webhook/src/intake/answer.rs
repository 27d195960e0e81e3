//! What requests are answered with: an answer can destroy evidence.

use std::sync::Arc;

use super::counters::Counters;
use crate::provider::{Provider, Refused};

/// What a request is answered with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// Seconds after which the sender should try again.
    pub retry_after: Option<u16>,
    /// Whether to ask for HTTP Basic credentials.
    pub challenge: bool,
    /// The body, which is JSON; empty if there is none.
    pub body: Option<Box<str>>,
    /// What goes into `WebHook-Allowed-Origin`.
    pub allowed_origin: Option<Box<str>>,
}

impl Answer {
    pub(super) fn of(status: u16) -> Self {
        Self { status, ..Self::default() }
    }

    pub(super) fn later(status: u16, retry_after: u16) -> Self {
        Self { status, retry_after: Some(retry_after), ..Self::default() }
    }
}

/// An account, and what came to it.
pub(super) struct Account {
    pub(super) provider: Arc<dyn Provider>,
    pub(super) counters: Arc<Counters>,
}

impl Account {
    pub(super) fn new(provider: Arc<dyn Provider>) -> Self {
        Self { provider, counters: Arc::default() }
    }

    /// The same account as it is now configured, counted on.
    pub(super) fn with(&self, provider: Arc<dyn Provider>) -> Self {
        Self { provider, counters: Arc::clone(&self.counters) }
    }

    pub(super) fn refuse(&self, refused: Refused) -> Answer {
        self.counters.refused(refused);
        let answers = self.provider.answers();
        if refused.is_ours() {
            return Answer::later(answers.later, answers.retry_after);
        }
        let challenge = refused == Refused::MissingCredentials;
        let status = match refused {
            Refused::TooLarge if !answers.never.contains(&TOO_LARGE) => TOO_LARGE,
            Refused::MissingCredentials if answers.challenges => UNAUTHORIZED,
            _ => answers.unverified,
        };
        let retry_after = (status == answers.later).then_some(answers.retry_after);
        Answer { status, retry_after, challenge, ..Answer::default() }
    }

    pub(super) fn fail(&self) -> Answer {
        self.counters.failed();
        let answers = self.provider.answers();
        Answer::later(answers.later, answers.retry_after)
    }
}

/// Unauthorized (RFC 9110 §15.5.2).
const UNAUTHORIZED: u16 = 401;
/// Content too large (RFC 9110 §15.5.14).
pub(super) const TOO_LARGE: u16 = 413;
