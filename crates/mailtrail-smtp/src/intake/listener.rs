//! What the listeners answer.

use bytes::Bytes;

use super::record::Intake;
use crate::return_path::ReturnPathError;
use crate::server::{Answer, Envelope, Recipient, Reply};

impl Intake {
    /// Whether a recipient is taken: a delivery, and nobody else.
    pub(super) fn at_rcpt(&self, recipient: &Recipient) -> Reply {
        let Err(error) = self.names_a_delivery(&recipient.address) else { return Reply::OK };
        self.counters().refused(error);
        match error {
            ReturnPathError::NotOurs => Reply::NO_SUCH_USER,
            ReturnPathError::Token(_) => refusal("550 5.7.1 the return path is not valid"),
        }
    }

    /// Records a message for each recipient. A positive answer says that its facts are durable.
    pub(super) async fn take(&self, envelope: &Envelope, message: &Bytes) -> Answer {
        let mut replies = Vec::with_capacity(envelope.recipients.len());
        for recipient in &envelope.recipients {
            let recorded = self.record(message.clone(), Some(&recipient.address)).await;
            replies.push(match recorded {
                Ok(_) => Reply::OK,
                // It will be no mail the next time either.
                Err(error) if error.is_of_the_mail() => refusal("554 5.6.0 this is not a mail"),
                Err(_) => Reply::TRY_LATER,
            });
        }
        Answer::Each(replies)
    }
}

pub(super) fn refusal(text: &str) -> Reply {
    text.parse().unwrap_or(Reply::NO_SUCH_USER)
}
