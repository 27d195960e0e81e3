//! What the server answered, as an event.

use mailtrail_core::diagnosis::Diagnosis;
use mailtrail_core::event::{Bounced, Deferred, Event, Private};
use mailtrail_core::reason::Reason;

use super::super::connection::Transmitted;
use super::super::error::SendError;
use super::super::facts::{self, Reply};
use super::super::outcome::Outcome;
use super::super::relay::TalksTo;
use super::Sender;
use super::attempt::Attempt;
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
            Transmitted::Refused(reply) if reply.is_about_us(self.relay.talks_to) => {
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
        let deferred = facts::put_back(diagnosis, attempt.number, self.clock.now());
        self.record_with(to, deferred.into(), text).await?;
        Err(error)
    }

    async fn record_with(&self, to: &To, event: Event, text: String) -> Result<(), SendError> {
        let mut private = Private::default();
        private.text = Some(text.into());
        self.record(to, self.observed()?, event, private).await
    }

    fn diagnosis(&self, reply: &Reply) -> Diagnosis {
        reply.diagnosis(Some(&self.relay.host), &self.classifier)
    }

    fn taken(&self, attempt: Attempt, reply: Reply) -> (Outcome, Event, String) {
        let talks_to = self.relay.talks_to;
        let event = facts::taken(Some(&reply), talks_to, Some(&self.relay.host), attempt.number);
        let outcome = match talks_to {
            TalksTo::Mx => Outcome::Delivered,
            TalksTo::Relay => Outcome::Sent,
        };
        (outcome, event, reply.text)
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
