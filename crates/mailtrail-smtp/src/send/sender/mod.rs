//! What is sent to whom, and what became of it: each step an event.

mod attempt;
mod conclude;
mod record;

use std::sync::Arc;

use mailtrail_classify::Classifier;
use mailtrail_core::clock::Clock;
use mailtrail_core::event::{Envelope, Private, Row, Suppressed};
use mailtrail_core::evidence::{OnDoubt, Planned};
use mailtrail_core::id::Identity;
use mailtrail_core::store::{BoxError, ReadError};
use mailtrail_core::suppression::Suppression;
use mailtrail_core::token::Keys;
use mailtrail_core::{EventStore, EventStoreExt, Evidence, StreamId};

use self::attempt::Attempt;
use super::connection::{CLOSING, Connection, Transmission, Transmitted};
use super::error::SendError;
use super::facts;
use super::outcome::Outcome;
use super::relay::Relay;
use super::schedule::Schedule;
use crate::message::{Message, To, message_id};
use crate::return_path::ReturnPath;

/// Sends the rows of a plan over one connection, which it opens when it needs it.
///
/// # Guarantees
/// - `Attempted` is durable before the recipient's server hears of the message, and two senders never
///   take the same attempt.
/// - What was settled (by planning, a block or a final bounce) is never sent.
/// - What is wrong between us and the server (its address, encryption, our login) is an error, never a
///   recipient's bounce.
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

/// Makes of the bytes of a message those that are sent.
type Prepare<'a> = &'a (dyn Fn(Vec<u8>, &To) -> Result<Vec<u8>, BoxError> + Sync);

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

    /// Tries one delivery, if it is due. `prepare` gets the bytes of the message before the server does:
    /// tracking goes in there.
    ///
    /// # Errors
    /// [`SendError`]: what was recorded stays; call again, the delivery is still due. What `prepare` refuses
    /// is no attempt.
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
        let attempt = Attempt::next(&evidence, &trail);
        self.connect().await?;
        let own_id = message_id(&self.keys, row.delivery, self.return_path.domain());
        let bytes = message
            .to_bytes(to, &own_id, self.clock.now())
            .map_err(|error| SendError::Message(error.into()))?;
        let bytes = prepare(bytes, to).map_err(SendError::Message)?;
        if !self.take_attempt(to, attempt.number, &own_id, &trail).await? {
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
        Ok(facts::suppressed(&list, &row.kind))
    }

    async fn connect(&mut self) -> Result<(), SendError> {
        if self.connection.is_none() {
            self.connection = Some(Connection::open(&self.relay).await?);
        }
        Ok(())
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
                Err(error) => Transmitted::ShutOut(error),
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
            Transmitted::Broken(_) | Transmitted::ShutOut(_) | Transmitted::Unanswered => true,
            Transmitted::Taken(reply) | Transmitted::Refused(reply) => reply.code.get() == CLOSING,
        };
        if ended {
            self.connection = None;
        }
        transmitted
    }
}

impl std::fmt::Debug for Sender {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sender").field("relay", &self.relay).finish_non_exhaustive()
    }
}
