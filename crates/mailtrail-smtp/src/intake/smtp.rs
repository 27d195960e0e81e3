//! The SMTP listener for bounce mails, for who has no mail server in front.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use super::listener::refusal;
use super::record::Intake;
use crate::server::{Answer, Envelope, Handler, Limits, Recipient, Reply};

/// Takes reports for deliveries, and nothing else. Give it to a [`Server`](crate::server::Server), with
/// its [`limits`](Self::limits).
///
/// Reports come from `<>` (RFC 3464 §2, RFC 3834 §3.3); who scrapes return paths to write to them does
/// not. What has another sender is refused, unless [any sender](Self::any_sender) is taken: then answers of
/// people are, too.
///
/// It speaks no TLS. Give it an address that only your own network reaches, or that the MX record of the
/// return paths' domain names if their mail may come in the clear.
#[derive(Debug, Clone)]
pub struct SmtpIntake {
    intake: Arc<Intake>,
    any_sender: bool,
}

impl SmtpIntake {
    /// That records by this intake.
    pub fn new(intake: Arc<Intake>) -> Self {
        Self { intake, any_sender: false }
    }

    /// That takes mail of people, too.
    pub fn any_sender(mut self) -> Self {
        self.any_sender = true;
        self
    }

    /// What one client may cost where anybody may be one: 10 connections a peer, 20 refused recipients and
    /// 20 idle commands a session, ten minutes a session, 32 bytes of a message a second.
    pub fn limits() -> Limits {
        Limits {
            connections_per_peer: 10,
            refused_recipients: 20,
            junk_commands: 20,
            session_timeout: Duration::from_secs(10 * 60),
            least_data_rate: 32,
            ..Limits::default()
        }
    }
}

#[async_trait]
impl Handler for SmtpIntake {
    async fn recipient(&self, envelope: &Envelope, recipient: &Recipient) -> Reply {
        if !self.any_sender && !envelope.mail_from.is_empty() {
            self.intake.counters().refused_sender();
            return refusal("550 5.7.1 only reports are taken here: MAIL FROM:<>");
        }
        self.intake.at_rcpt(recipient)
    }

    async fn message(&self, envelope: Envelope, message: Bytes) -> Answer {
        self.intake.take(&envelope, &message).await
    }
}
