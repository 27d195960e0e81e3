//! What was answered, as an event.

use mailtrail_core::diagnosis::Diagnosis;
use mailtrail_core::event::{Bounced, Deferred, Event, NewEvent, Private, Transcript};
use mailtrail_core::reason::Reason;

use super::super::error::SendError;
use super::super::facts::{self, Reply};
use super::super::outcome::Outcome;
use super::super::relay::TalksTo;
use super::super::route::Failure;
use super::super::session::{Conversation, Transmitted};
use super::trail::{Attempt, Trail};
use super::{Line, Sender, Unrecorded};

/// What it came to, the event that says so, and the words of others.
type Concluded = (Outcome, Event, String);

impl Sender {
    /// What it came to, and what is to be recorded of that. What is our own fault is recorded at once.
    pub(super) async fn conclude(
        &self,
        trail: &Trail,
        attempt: Attempt,
        said: Conversation,
    ) -> Result<(Outcome, Option<Unrecorded>), SendError> {
        let Conversation { transmitted, host, talks_to, transcript, texts } = said;
        let host = host.as_deref();
        let mut ours = None;
        let (outcome, event, text) = match transmitted {
            Transmitted::Unanswered => return Ok((Outcome::InDoubt, None)),
            Transmitted::Taken(reply) => taken(attempt, host, talks_to, reply),
            Transmitted::Refused(reply) if reply.is_about_us(talks_to) => {
                ours = Some(SendError::LoginRequired(format!("it answered {}", reply.code).into()));
                let diagnosis = reply.diagnosis(host, &self.classifier);
                self.put_back(attempt, diagnosis, reply.text)
            }
            Transmitted::Refused(reply) => {
                let diagnosis = reply.diagnosis(host, &self.classifier);
                self.refused(trail, attempt, diagnosis, reply.code.is_transient(), reply.text)
            }
            Transmitted::NeedsUtf8 => {
                let diagnosis = Diagnosis::because(Reason::EncodingUnsupported);
                let text = "the server does not offer SMTPUTF8 (RFC 6531)";
                self.refused(trail, attempt, diagnosis, false, text.into())
            }
            Transmitted::Broken(cause) => {
                let diagnosis = Diagnosis::because(Reason::ConnectionFailed);
                self.refused(trail, attempt, diagnosis, true, cause.to_string())
            }
        };
        let event = self.outcome_event(event, text, transcript, texts)?;
        let unrecorded = Unrecorded { delivery: trail.row.delivery, event };
        if let Some(error) = ours {
            self.record(&unrecorded).await?;
            return Err(error);
        }
        Ok((outcome, Some(unrecorded)))
    }

    /// There is no connection any more, and no new one, by our own fault: the attempt does not count, and
    /// the delivery is due again at once. It waits for us to mend what is wrong.
    pub(super) async fn shut_out(
        &self,
        trail: &Trail,
        attempt: Attempt,
        error: SendError,
    ) -> SendError {
        let diagnosis = Diagnosis::because(Reason::ConnectionFailed);
        let (_, event, text) = self.put_back(attempt, diagnosis, error.to_string());
        let recorded = match self.outcome_event(event, text, Transcript::default(), Vec::new()) {
            Ok(event) => self.record(&Unrecorded { delivery: trail.row.delivery, event }).await,
            Err(error) => Err(error),
        };
        recorded.err().unwrap_or(error)
    }

    /// The attempt that ends before anyone hears of the message: its beginning and its end at once.
    pub(super) async fn unreached(
        &self,
        trail: &Trail,
        failure: &Failure,
        line: &mut Line,
    ) -> Result<Outcome, SendError> {
        let attempt = trail.next_attempt();
        let host = failure.diagnosis.remote_host.as_deref();
        let attempted = facts::unconnected(attempt.number, host);
        let attempted = self.event(self.observed()?, attempted.into(), &Private::default())?;
        let (outcome, ended) = self.failed(trail, attempt, failure)?;
        if self.take(trail, vec![attempted, ended], line).await? {
            Ok(outcome)
        } else {
            Ok(Outcome::Taken)
        }
    }

    /// The end of an attempt by the failure of its next hop.
    pub(super) fn failed(
        &self,
        trail: &Trail,
        attempt: Attempt,
        failure: &Failure,
    ) -> Result<(Outcome, NewEvent), SendError> {
        let (diagnosis, text) = (failure.diagnosis(&self.classifier), failure.text.clone());
        let (outcome, event, text) = self.refused(trail, attempt, diagnosis, failure.passing, text);
        let heard = failure.heard(&*self.clock);
        let (transcript, texts) = heard.transcript(failure.address, None);
        Ok((outcome, self.outcome_event(event, text, transcript, texts)?))
    }

    fn outcome_event(
        &self,
        mut event: Event,
        text: String,
        transcript: Transcript,
        texts: Vec<Box<str>>,
    ) -> Result<NewEvent, SendError> {
        let mut private = Private::default();
        (private.text, private.replies) = (Some(text.into()), texts);
        if transcript != Transcript::default() {
            facts::say(&mut event, transcript);
        }
        Ok(self.event(self.observed()?, event, &private)?)
    }

    fn put_back(&self, attempt: Attempt, diagnosis: Diagnosis, text: String) -> Concluded {
        let now = self.clock.now();
        let deferred = facts::put_back(diagnosis, attempt.number, now);
        (Outcome::Deferred(now), deferred.into(), text)
    }

    fn refused(
        &self,
        trail: &Trail,
        attempt: Attempt,
        mut diagnosis: Diagnosis,
        passing: bool,
        text: String,
    ) -> Concluded {
        let schedule = self.schedules.of(trail.address.domain());
        let next = schedule.next(attempt.scheduled, self.clock.now(), trail.row.delivery);
        if let Some(next) = next.filter(|_| passing) {
            let mut deferred = Deferred::default();
            (deferred.diagnosis, deferred.attempt) = (diagnosis, Some(attempt.number));
            deferred.next_attempt = Some(next);
            return (Outcome::Deferred(next), deferred.into(), text);
        }
        if passing {
            diagnosis.reason = Reason::Expired;
            diagnosis.rule = Some("schedule".into());
        }
        let mut bounced = Bounced::default();
        (bounced.diagnosis, bounced.attempt) = (diagnosis, Some(attempt.number));
        (Outcome::Bounced, bounced.into(), text)
    }
}

fn taken(attempt: Attempt, host: Option<&str>, talks_to: TalksTo, reply: Reply) -> Concluded {
    let event = facts::taken(Some(&reply), talks_to, host, attempt.number);
    let outcome = match talks_to {
        TalksTo::Mx => Outcome::Delivered,
        TalksTo::Relay => Outcome::Sent,
    };
    (outcome, event, reply.text)
}
