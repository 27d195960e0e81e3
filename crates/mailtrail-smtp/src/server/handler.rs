use async_trait::async_trait;
use bytes::Bytes;

use super::envelope::{Envelope, Recipient};
use super::reply::Reply;

/// Who takes the mail.
///
/// # For implementors
/// Sessions call it concurrently. A future is awaited to its end even if the client has gone, except
/// when [`stop_grace`](super::Limits::stop_grace) runs out. A panic closes the connection without a
/// reply: the client comes again. A reply 421 closes the connection after it.
#[async_trait]
pub trait Handler: Send + Sync + 'static {
    /// Whether this recipient is taken; `envelope` holds those before it.
    async fn recipient(&self, envelope: &Envelope, recipient: &Recipient) -> Reply;

    /// What becomes of the message, which has its dots undone and ends in CR LF unless empty. What
    /// is answered positively must be kept by then: the client forgets it.
    async fn message(&self, envelope: Envelope, message: Bytes) -> Answer;
}

/// The answer to a message.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Answer {
    /// The same for all recipients.
    All(Reply),
    /// One for each recipient, in order; missing ones count as [`Reply::TRY_LATER`]. SMTP has one
    /// reply only: the worst of them, so that nothing counts as taken that wasn't.
    Each(Vec<Reply>),
    /// None: the connection just ends, and the client knows nothing.
    HangUp,
}

impl Answer {
    /// The replies to send in LMTP; `None` to hang up.
    pub(super) fn each(self, recipients: usize) -> Option<Vec<Reply>> {
        let mut replies = match self {
            Self::All(reply) => vec![reply; recipients],
            Self::Each(replies) => replies,
            Self::HangUp => return None,
        };
        replies.resize(recipients, Reply::TRY_LATER);
        Some(replies)
    }

    /// The reply to send in SMTP; `None` to hang up.
    pub(super) fn one(self, recipients: usize) -> Option<Reply> {
        let replies = self.each(recipients)?;
        replies.into_iter().max_by_key(|reply| reply.code() / 100)
    }
}
