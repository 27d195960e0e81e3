//! What is sent to whom, and what became of it: each step an event.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use mailtrail_classify::Classifier;
use mailtrail_core::clock::Clock;
use mailtrail_core::correlation::CorrelationKey;
use mailtrail_core::diagnosis::Diagnosis;
use mailtrail_core::event::{
    Attempted, Bounced, ConfirmedBy, Deferred, Delivered, EncodeError, Envelope, Event, Private,
    Provenance, Row, Sent, SentStage, Source, Suppressed, SuppressedBy,
};
use mailtrail_core::evidence::Planned;
use mailtrail_core::id::{Endpoint, Identity};
use mailtrail_core::reason::Reason;
use mailtrail_core::store::{self, AppendError, BoxError, ReadError};
use mailtrail_core::suppression::Suppression;
use mailtrail_core::token::Keys;
use mailtrail_core::{
    AppendBatch, EventId, EventStore, EventStoreExt, Evidence, Expected, Fact, NewEvent, StreamId,
};

use super::connection::{CLOSING, Connection, Reply, Transmission, Transmitted};
use super::relay::{Relay, TalksTo};
use super::schedule::Schedule;
use crate::message::{Message, To, message_id};
use crate::return_path::ReturnPath;

/// What to do about an attempt of which no outcome is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum OnDoubt {
    /// Leave it: nobody gets the message twice.
    #[default]
    Hold,
    /// Send again: nobody is left out.
    Resend,
}

/// What became of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// A relay took it.
    Sent,
    /// The recipient's server took it.
    Delivered,
    /// It is tried again at this time.
    Deferred(DateTime<Utc>),
    /// Given up.
    Bounced,
    /// The address was blocked since it was planned.
    Blocked,
    /// It is not due before this time.
    NotDue(DateTime<Utc>),
    /// An attempt is in doubt: the reply was lost, or the last run ended before it came.
    InDoubt,
    /// There is nothing to send: it was never planned to be, or it is settled.
    Settled,
    /// Another sender has taken this attempt.
    Taken,
}

/// Why nothing could be said about a delivery.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// The server can't be reached or doesn't let us in: nobody has lost an attempt.
    #[error("the mail server can't be used: check its address, and try again later")]
    Connect(#[source] BoxError),
    /// The store refused an event.
    #[error("an event could not be stored")]
    Append(#[from] AppendError),
    /// The store could not be read.
    #[error("the store could not be read")]
    Read(#[from] ReadError),
    /// An event can't be written.
    #[error("an event can't be written")]
    Encode(#[from] EncodeError),
    /// The message can't be written.
    #[error("the message can't be written")]
    Message(#[source] BoxError),
    /// The operating system has no randomness for an id.
    #[error("no randomness for a new id")]
    Random(#[source] BoxError),
}

/// Sends the rows of a plan over one connection, which it opens when it needs it.
///
/// # Guarantees
/// - `Attempted` is durable before the recipient's server hears of the message, and two senders never
///   take the same attempt.
/// - What was settled (by planning, a block or a final bounce) is never sent.
/// - A reply that is lost after the message was handed over leaves the attempt in doubt, for
///   [`OnDoubt`] to decide.
pub struct Sender {
    store: Arc<dyn EventStore>,
    keys: Keys,
    return_path: ReturnPath,
    relay: Relay,
    schedule: Schedule,
    on_doubt: OnDoubt,
    classifier: Classifier,
    clock: Arc<dyn Clock>,
    random: Random,
    connection: Option<Connection>,
}

/// Draws ten random bytes.
pub type Random = Box<dyn Fn() -> Result<[u8; 10], BoxError> + Send + Sync>;

type Prepare<'a> = &'a (dyn Fn(Message, &To) -> Result<Message, BoxError> + Sync);

impl Sender {
    /// A sender over a store, to a relay.
    pub fn new(
        store: Arc<dyn EventStore>,
        keys: Keys,
        return_path: ReturnPath,
        relay: Relay,
        classifier: Classifier,
        clock: Arc<dyn Clock>,
        random: Random,
    ) -> Self {
        let (schedule, on_doubt) = (Schedule::default(), OnDoubt::default());
        Self {
            store,
            keys,
            return_path,
            relay,
            schedule,
            on_doubt,
            classifier,
            clock,
            random,
            connection: None,
        }
    }

    /// With these waits between attempts.
    pub fn schedule(mut self, schedule: Schedule) -> Self {
        self.schedule = schedule;
        self
    }

    /// Doing this about attempts in doubt.
    pub fn on_doubt(mut self, on_doubt: OnDoubt) -> Self {
        self.on_doubt = on_doubt;
        self
    }

    /// Tries one delivery, if it is due. `prepare` gets the message before it is written: tracking
    /// goes in there.
    ///
    /// # Errors
    /// [`SendError`]: what was recorded stays; call again.
    ///
    /// # Cancellation
    /// A dropped future may leave the attempt in doubt.
    pub async fn deliver(
        &mut self,
        row: &Row,
        to: &To,
        message: &Message,
        prepare: Prepare<'_>,
    ) -> Result<Outcome, SendError> {
        let trail = self.store.stream(StreamId::delivery(row.delivery)).await?;
        let evidence = self.evidence(&trail).await?;
        if let Some(outcome) = self.not_now(&evidence) {
            return Ok(outcome);
        }
        if let Some(blocked) = self.blocked(row, to).await? {
            let id = Identity::Suppressed(row.delivery).event_id(&self.store.namespace());
            self.record(to, id, blocked.into(), Private::default()).await?;
            return Ok(Outcome::Blocked);
        }
        let attempt = evidence.last_attempt().unwrap_or(0).saturating_add(1);
        self.connect().await?;
        let own_id = message_id(&self.keys, row.delivery, self.return_path.domain());
        let prepared = prepare(message.clone(), to).map_err(SendError::Message)?;
        let bytes = prepared
            .to_bytes(to, &own_id, self.clock.now())
            .map_err(|error| SendError::Message(error.into()))?;
        if !self.take_attempt(to, attempt, &own_id, &trail).await? {
            return Ok(Outcome::Taken);
        }
        let transmitted = self.transmit(to, &bytes).await;
        self.conclude(to, attempt, transmitted).await
    }

    /// Closes the connection.
    pub async fn close(&mut self) {
        if let Some(connection) = self.connection.take() {
            connection.close().await;
        }
    }

    /// The delivery's evidence, with that of the keys that it names: a late report counts too.
    async fn evidence(&self, trail: &[Envelope]) -> Result<Evidence, ReadError> {
        let mut evidence = Evidence::default();
        for envelope in trail {
            evidence.add_envelope(envelope);
        }
        for key in evidence.keys().to_vec() {
            for envelope in self.store.stream(key).await? {
                evidence.add_envelope(&envelope);
            }
        }
        Ok(evidence)
    }

    fn not_now(&self, evidence: &Evidence) -> Option<Outcome> {
        if evidence.planned() != Some(Planned::Queued) || !evidence.is_waiting() {
            return Some(Outcome::Settled);
        }
        if self.on_doubt == OnDoubt::Hold && evidence.in_doubt().next().is_some() {
            return Some(Outcome::InDoubt);
        }
        let next = evidence.deferred().and_then(|(_, deferral)| deferral.next_attempt);
        next.filter(|next| *next > self.clock.now()).map(Outcome::NotDue)
    }

    async fn blocked(&self, row: &Row, to: &To) -> Result<Option<Suppressed>, ReadError> {
        let stream = StreamId::address(&self.store.namespace(), &to.address);
        let list = Suppression::of(&self.store.stream(stream).await?);
        Ok(list.blocked_for(&row.kind).map(|(scope, entry)| {
            let mut suppressed = Suppressed::default();
            (suppressed.by, suppressed.cause) = (SuppressedBy::Sender, entry.cause);
            (suppressed.since, suppressed.scope) = (Some(entry.since), Some(scope.clone()));
            suppressed
        }))
    }

    async fn connect(&mut self) -> Result<(), SendError> {
        if self.connection.is_none() {
            self.connection =
                Some(Connection::open(&self.relay).await.map_err(SendError::Connect)?);
        }
        Ok(())
    }

    /// Makes the attempt durable, unless another sender was faster.
    async fn take_attempt(
        &self,
        to: &To,
        attempt: u32,
        own_id: &str,
        trail: &[Envelope],
    ) -> Result<bool, SendError> {
        let key = CorrelationKey::new(Endpoint::message_id(), own_id, to.address.as_given());
        let mut attempted = Attempted::default();
        attempted.attempt = attempt;
        attempted.host = Some(self.relay.host.as_str().into());
        attempted.message_id = Some(own_id.into());
        attempted.keys = vec![StreamId::key(&self.store.namespace(), &key)];
        let event = self.event(self.observed()?, attempted.into(), &Private::default())?;
        let stream = StreamId::delivery(to.delivery);
        let last = trail.last().map(|envelope| envelope.version);
        let expected = last.map_or(Expected::NoStream, Expected::Exact);
        let batch = AppendBatch::new().write(stream, expected, vec![event]);
        match self.store.append(batch.clone()).await {
            // An id drawn just now is nobody else's, unless the randomness repeats itself.
            Ok(appended) => Ok(appended.outcome == store::Outcome::New),
            Err(AppendError::Conflict { .. }) => Ok(false),
            Err(AppendError::OutcomeUnknown { .. }) => Ok(self.store.append(batch).await.is_ok()),
            Err(error) => Err(error.into()),
        }
    }

    /// A connection that was used before may have ended meanwhile: that costs the recipient nothing.
    async fn transmit(&mut self, to: &To, bytes: &[u8]) -> Transmitted {
        let used = self.connection.as_ref().is_some_and(Connection::is_used);
        match self.transmit_once(to, bytes).await {
            Transmitted::Broken(_) if used => match Connection::open(&self.relay).await {
                Ok(connection) => {
                    self.connection = Some(connection);
                    self.transmit_once(to, bytes).await
                }
                Err(cause) => Transmitted::Broken(cause),
            },
            outcome => outcome,
        }
    }

    async fn transmit_once(&mut self, to: &To, bytes: &[u8]) -> Transmitted {
        let Some(connection) = &mut self.connection else {
            return Transmitted::Broken("the connection is gone".into());
        };
        if !to.address.as_given().is_ascii() && !connection.takes_utf8() {
            return Transmitted::NeedsUtf8;
        }
        let mail_from = self.return_path.address(&self.keys, to.delivery);
        let what = Transmission {
            mail_from: &mail_from,
            recipient: to.address.as_given(),
            envelope_id: to.delivery.to_string(),
            message: bytes,
        };
        let transmitted = connection.transmit(&what).await;
        let ended = match &transmitted {
            Transmitted::NeedsUtf8 => false,
            Transmitted::Broken(_) | Transmitted::Unanswered => true,
            Transmitted::Taken(reply) | Transmitted::Refused(reply) => reply.code.get() == CLOSING,
        };
        if ended {
            self.connection = None;
        }
        transmitted
    }

    async fn conclude(
        &self,
        to: &To,
        attempt: u32,
        transmitted: Transmitted,
    ) -> Result<Outcome, SendError> {
        let (outcome, event, text) = match transmitted {
            Transmitted::Unanswered => return Ok(Outcome::InDoubt),
            Transmitted::Taken(reply) => self.taken(attempt, reply),
            Transmitted::Refused(reply) => {
                let mut diagnosis = Diagnosis::default();
                diagnosis.reply_code = Some(reply.code);
                diagnosis.enhanced_code = reply.enhanced;
                diagnosis.remote_host = Some(self.relay.host.as_str().into());
                self.classifier.fill(&mut diagnosis, &reply.text);
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
        };
        let mut private = Private::default();
        private.text = Some(text.into());
        self.record(to, self.observed()?, event, private).await?;
        Ok(outcome)
    }

    fn taken(&self, attempt: u32, reply: Reply) -> (Outcome, Event, String) {
        let host = Some(self.relay.host.as_str().into());
        match self.relay.talks_to {
            TalksTo::Mx => {
                let mut delivered = Delivered::default();
                (delivered.confirmed_by, delivered.attempt) = (ConfirmedBy::Mx, Some(attempt));
                (delivered.host, delivered.reply_code) = (host, Some(reply.code));
                delivered.enhanced_code = reply.enhanced;
                (Outcome::Delivered, delivered.into(), reply.text)
            }
            TalksTo::Relay => {
                let mut sent = Sent::default();
                (sent.stage, sent.attempt) = (SentStage::Accepted, Some(attempt));
                (sent.host, sent.reply_code) = (host, Some(reply.code));
                sent.enhanced_code = reply.enhanced;
                sent.queue_id = queue_id(&reply.text).map(Into::into);
                (Outcome::Sent, sent.into(), reply.text)
            }
        }
    }

    fn refused(
        &self,
        attempt: u32,
        mut diagnosis: Diagnosis,
        transient: bool,
        text: String,
    ) -> (Outcome, Event, String) {
        let next = self.schedule.next(attempt, self.clock.now()).filter(|_| transient);
        if let Some(next) = next {
            let mut deferred = Deferred::default();
            (deferred.diagnosis, deferred.attempt) = (diagnosis, Some(attempt));
            deferred.next_attempt = Some(next);
            return (Outcome::Deferred(next), deferred.into(), text);
        }
        if transient {
            diagnosis.reason = Reason::Expired;
            diagnosis.rule = Some("schedule".into());
        }
        let mut bounced = Bounced::default();
        (bounced.diagnosis, bounced.attempt) = (diagnosis, Some(attempt));
        (Outcome::Bounced, bounced.into(), text)
    }

    async fn record(
        &self,
        to: &To,
        id: EventId,
        event: Event,
        private: Private,
    ) -> Result<(), SendError> {
        let event = self.event(id, event, &private)?;
        self.store.record(vec![(StreamId::delivery(to.delivery), event)]).await?;
        Ok(())
    }

    fn event(&self, id: EventId, event: Event, private: &Private) -> Result<NewEvent, EncodeError> {
        let event = NewEvent::new(id, &Fact::new(event), private, Source::known("smtp"))?;
        Ok(event.occurred_at(Some(self.clock.now())).provenance(Provenance::observed()))
    }

    fn observed(&self) -> Result<EventId, SendError> {
        let random = (self.random)().map_err(SendError::Random)?;
        Ok(EventId::observed(self.clock.now(), random))
    }
}

impl std::fmt::Debug for Sender {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sender").field("relay", &self.relay).finish_non_exhaustive()
    }
}

/// Postfix and others name the message in their reply: `queued as 4F1…`.
fn queue_id(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once("queued as ")?;
    rest.split_whitespace().next()
}
