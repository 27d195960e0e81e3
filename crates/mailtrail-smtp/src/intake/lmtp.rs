//! The LMTP listener for bounce mails: a mail is acknowledged when its facts are durable.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use super::record::Intake;
use crate::server::{Answer, Envelope, Handler, Recipient, Reply};

/// Takes mail for deliveries, and for nobody else. Give it to a [`Server`](crate::server::Server).
///
/// It takes any sender: the mail server in front has decided whose mail it takes, and people who answer
/// are not `<>`.
#[derive(Debug, Clone)]
pub struct LmtpIntake(Arc<Intake>);

impl LmtpIntake {
    /// That records by this intake.
    pub fn new(intake: Arc<Intake>) -> Self {
        Self(intake)
    }
}

#[async_trait]
impl Handler for LmtpIntake {
    async fn recipient(&self, _: &Envelope, recipient: &Recipient) -> Reply {
        self.0.at_rcpt(recipient)
    }

    async fn message(&self, envelope: Envelope, message: Bytes) -> Answer {
        self.0.take(&envelope, &message).await
    }
}
