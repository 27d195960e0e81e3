//! The LMTP listener for bounce mails: a mail is acknowledged when its facts are durable.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use super::record::{Intake, IntakeError};
use crate::return_path::ReturnPathError;
use crate::server::{Answer, Envelope, Handler, Recipient, Reply};

/// Takes mail for return paths, and for nobody else. Give it to a [`Server`](crate::server::Server).
#[derive(Debug, Clone)]
pub struct LmtpIntake(Arc<Intake>);

impl LmtpIntake {
    /// That records by this intake.
    pub fn new(intake: Arc<Intake>) -> Self {
        Self(intake)
    }

    async fn answer(&self, recipient: &Recipient, message: Bytes) -> Reply {
        match self.0.record(message, Some(&recipient.address)).await {
            Ok(_) => Reply::OK,
            // It will be no mail the next time either.
            Err(IntakeError::Read(_)) => refusal("554 5.6.0 this is not a mail"),
            Err(_) => Reply::TRY_LATER,
        }
    }
}

#[async_trait]
impl Handler for LmtpIntake {
    async fn recipient(&self, _: &Envelope, recipient: &Recipient) -> Reply {
        match self.0.return_path().read(self.0.keys(), &recipient.address) {
            Ok(_) => Reply::OK,
            Err(ReturnPathError::NotOurs) => Reply::NO_SUCH_USER,
            Err(ReturnPathError::Token(_)) => refusal("550 5.7.1 the return path is not valid"),
        }
    }

    async fn message(&self, envelope: Envelope, message: Bytes) -> Answer {
        let mut replies = Vec::with_capacity(envelope.recipients.len());
        for recipient in &envelope.recipients {
            replies.push(self.answer(recipient, message.clone()).await);
        }
        Answer::Each(replies)
    }
}

fn refusal(text: &str) -> Reply {
    text.parse().unwrap_or(Reply::NO_SUCH_USER)
}
