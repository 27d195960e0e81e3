//! What the server answered, as an event.

use mailtrail_core::diagnosis::Diagnosis;
use mailtrail_core::event::{
    Bounced, ConfirmedBy, Deferred, Delivered, Event, Private, Sent, SentStage,
};
use mailtrail_core::reason::Reason;

use super::super::connection::{Reply, Transmitted};
use super::super::error::SendError;
use super::super::outcome::Outcome;
use super::super::relay::TalksTo;
use super::Sender;
use super::attempt::{Attempt, put_back};
use crate::message::To;

impl Sender {
    /// Records it, and says what the caller is to know.
    pub(super) async fn conclude(
        &self,
        to: &To,
        attempt: Attempt,
        transmitted: Transmitted,
    ) -> Result<Outcome, SendError> {
        let (outcome, event, text) = match transmitted {
            Transmitted::Unanswered => return Ok(Outcome::InDoubt),
            Transmitted::Taken(reply) => self.taken(attempt, reply),
            Transmitted::Refused(reply) if self.is_about_us(&reply) => {
                let error = SendError::LoginRequired(format!("it answered {}", reply.code).into());
                let diagnosis = self.diagnosis(&reply);
                return self.put_back(to, attempt, diagnosis, reply.text, error).await;
            }
            Transmitted::Refused(reply) => {
                let diagnosis = self.diagnosis(&reply);
                self.refused(attempt, diagnosis, reply.code.is_transient(), reply.text)
            }
            Transmitted::NeedsUtf8 => {
                let diagnosis = Diagnosis::because(Reason::EncodingUnsupported);
                let text = "the server does not offer SMTPUTF8 (RFC 6531)";
                self.refused(attempt, diagnosis, false, text.into())
            }
            Transmitted::Broken(cause) => {
                let diagnosis = Diagnosis::because(Reason::ConnectionFailed);
                self.refused(attempt, diagnosis, true, cause.to_string())
            }
            Transmitted::ShutOut(error) => {
                let diagnosis = Diagnosis::because(Reason::ConnectionFailed);
                return self.put_back(to, attempt, diagnosis, error.to_string(), error).await;
            }
        };
        self.record_with(to, event, text).await?;
        Ok(outcome)
    }

    /// The attempt is over but does not count, and the delivery is due again at once: it waits for us to
    /// mend what is wrong.
    async fn put_back(
        &self,
        to: &To,
        attempt: Attempt,
        diagnosis: Diagnosis,
        text: String,
        error: SendError,
    ) -> Result<Outcome, SendError> {
        let mut deferred = Deferred::default();
        (deferred.diagnosis, deferred.attempt) = (put_back(diagnosis), Some(attempt.number));
        deferred.next_attempt = Some(self.clock.now());
        self.record_with(to, deferred.into(), text).await?;
        Err(error)
    }

    async fn record_with(&self, to: &To, event: Event, text: String) -> Result<(), SendError> {
        let mut private = Private::default();
        private.text = Some(text.into());
        self.record(to, self.observed()?, event, private).await
    }

    /// Whether a relay means us. From a recipient's own server the same codes are its policy: it has
    /// no login for us.
    fn is_about_us(&self, reply: &Reply) -> bool {
        self.relay.talks_to == TalksTo::Relay && LOGIN_FIRST.contains(&reply.code.get())
    }

    fn diagnosis(&self, reply: &Reply) -> Diagnosis {
        let mut diagnosis = Diagnosis::default();
        diagnosis.reply_code = Some(reply.code);
        diagnosis.enhanced_code = reply.enhanced;
        diagnosis.remote_host = Some(self.relay.host.as_str().into());
        self.classifier.fill(&mut diagnosis, &reply.text);
        diagnosis
    }

    fn taken(&self, attempt: Attempt, reply: Reply) -> (Outcome, Event, String) {
        let host = Some(self.relay.host.as_str().into());
        match self.relay.talks_to {
            TalksTo::Mx => {
                let mut delivered = Delivered::default();
                (delivered.confirmed_by, delivered.attempt) =
                    (ConfirmedBy::Mx, Some(attempt.number));
                (delivered.host, delivered.reply_code) = (host, Some(reply.code));
                delivered.enhanced_code = reply.enhanced;
                (Outcome::Delivered, delivered.into(), reply.text)
            }
            TalksTo::Relay => {
                let mut sent = Sent::default();
                (sent.stage, sent.attempt) = (SentStage::Accepted, Some(attempt.number));
                (sent.host, sent.reply_code) = (host, Some(reply.code));
                sent.enhanced_code = reply.enhanced;
                sent.queue_id = queue_id(&reply.text).map(Into::into);
                (Outcome::Sent, sent.into(), reply.text)
            }
        }
    }

    fn refused(
        &self,
        attempt: Attempt,
        mut diagnosis: Diagnosis,
        transient: bool,
        text: String,
    ) -> (Outcome, Event, String) {
        let next = self.schedule.next(attempt.scheduled, self.clock.now()).filter(|_| transient);
        if let Some(next) = next {
            let mut deferred = Deferred::default();
            (deferred.diagnosis, deferred.attempt) = (diagnosis, Some(attempt.number));
            deferred.next_attempt = Some(next);
            return (Outcome::Deferred(next), deferred.into(), text);
        }
        if transient {
            diagnosis.reason = Reason::Expired;
            diagnosis.rule = Some("schedule".into());
        }
        let mut bounced = Bounced::default();
        (bounced.diagnosis, bounced.attempt) = (diagnosis, Some(attempt.number));
        (Outcome::Bounced, bounced.into(), text)
    }
}

/// Postfix and others name the message in their reply: `queued as 4F1…`.
fn queue_id(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once("queued as ")?;
    rest.split_whitespace().next()
}

/// A login or encryption is missing, or too weak (RFC 4954 §6, RFC 3207 §4).
const LOGIN_FIRST: [u16; 4] = [530, 534, 535, 538];
