//! What is sent to whom, and what became of it: each step an event.

mod conclude;
mod record;
mod trail;

use std::ops::ControlFlow;
use std::sync::Arc;

use mailtrail_classify::Classifier;
use mailtrail_core::clock::Clock;
use mailtrail_core::event::{Private, Suppressed};
use mailtrail_core::evidence::{OnDoubt, Planned};
use mailtrail_core::id::Identity;
use mailtrail_core::store::{BoxError, ReadError};
use mailtrail_core::suppression::Suppression;
use mailtrail_core::token::Keys;
use mailtrail_core::{DeliveryId, EventStore, EventStoreExt, Evidence, StreamId};

use super::client::{Client, Conversation, seed};
use super::dispatch::Known;
use super::error::SendError;
use super::facts;
use super::outcome::Outcome;
use super::route::{Failure, NextHop, Route, Unreachable};
use super::schedule::Schedules;
use super::session::{Heard, Session, Transmission, Transmitted};
use crate::message::{Compose, Letter, message_id, on_the_wire};
use crate::return_path::ReturnPath;
use trail::{Attempt, Trail};

/// Tries deliveries, each when it is due, over connections that it keeps for the next one.
///
/// For a whole broadcast there is [`Dispatcher`](super::Dispatcher).
///
/// # Guarantees
/// - `Attempted` is durable before the recipient's server hears of the message, and two senders never
///   take the same attempt.
/// - What was settled (by planning, a block or a final bounce) is never sent.
/// - What is wrong between us and a relay (its address, encryption, our login) is an error, never a
///   recipient's bounce. Without a relay, what is wrong with the recipient's own server is the
///   recipient's: the attempt has failed.
/// - A reply that is lost after the message was handed over leaves the attempt in doubt, for
///   [`OnDoubt`] to decide.
/// - The next attempt follows from events alone: another process goes on exactly there.
pub struct Sender {
    store: Arc<dyn EventStore>,
    keys: Keys,
    return_path: ReturnPath,
    client: Client,
    schedules: Schedules,
    on_doubt: OnDoubt,
    classifier: Classifier,
    clock: Arc<dyn Clock>,
    random: Random,
}

/// Draws ten random bytes.
pub type Random = Box<dyn Fn() -> Result<[u8; 10], BoxError> + Send + Sync>;

/// What an attempt came to.
#[derive(Debug)]
pub(super) struct Tried {
    /// `None` if there was no attempt.
    pub(super) outcome: Option<Outcome>,
    /// The next hop takes nothing at present: others of its recipients need not ask again.
    pub(super) failure: Option<Box<Failure>>,
}

impl Sender {
    /// A sender over a store.
    pub fn new(
        store: Arc<dyn EventStore>,
        keys: Keys,
        return_path: ReturnPath,
        route: impl Into<Route>,
        classifier: Classifier,
        clock: Arc<dyn Clock>,
        random: Random,
    ) -> Self {
        Self {
            store,
            keys,
            return_path,
            client: Client::new(route),
            schedules: Schedules::default(),
            on_doubt: OnDoubt::default(),
            classifier,
            clock,
            random,
        }
    }

    /// With these waits between attempts.
    pub fn schedule(mut self, schedules: impl Into<Schedules>) -> Self {
        self.schedules = schedules.into();
        self
    }

    /// Doing this about attempts in doubt.
    pub fn on_doubt(mut self, on_doubt: OnDoubt) -> Self {
        self.on_doubt = on_doubt;
        self
    }

    /// Tries one delivery, if it is due.
    ///
    /// # Errors
    /// [`SendError`]: what was recorded stays; call again, the delivery is still due. What cannot be
    /// composed is no attempt.
    ///
    /// # Cancellation
    /// A dropped future may leave the attempt in doubt.
    pub async fn deliver(
        &self,
        delivery: DeliveryId,
        compose: &dyn Compose,
    ) -> Result<Outcome, SendError> {
        let tried = self.attempt(delivery, compose, &Known::Nothing).await?;
        Ok(tried.outcome.unwrap_or(Outcome::Taken))
    }

    /// Closes the connections that wait for a next message.
    pub async fn close(&self) {
        self.client.close().await;
    }

    pub(super) fn store(&self) -> &dyn EventStore {
        &*self.store
    }

    pub(super) fn clock(&self) -> &dyn Clock {
        &*self.clock
    }

    pub(super) fn route(&self) -> &Route {
        &self.client.route
    }

    /// Closes one to a next hop.
    pub(super) async fn release(&self, next_hop: &NextHop) {
        self.client.release(next_hop).await;
    }

    /// Tries one delivery, by what is known about its next hop.
    pub(super) async fn attempt(
        &self,
        delivery: DeliveryId,
        compose: &dyn Compose,
        known: &Known,
    ) -> Result<Tried, SendError> {
        let trail = match self.due(delivery).await? {
            ControlFlow::Continue(trail) => trail,
            ControlFlow::Break(outcome) => return Ok(outcome.into()),
        };
        if let Known::Down(failure) = known {
            return Ok(self.unreached(&trail, failure).await?.into());
        }
        let next_hop = self.client.route.next_hop(&trail.address);
        let session = match self.client.session(&next_hop, seed(delivery)).await {
            Ok(session) => session,
            Err(Unreachable::Ours(error)) => return Err(error),
            Err(Unreachable::Theirs(failure)) if matches!(known, Known::Serves) => {
                return Ok(Tried { outcome: None, failure: Some(failure) });
            }
            Err(Unreachable::Theirs(failure)) => {
                let outcome = self.unreached(&trail, &failure).await?;
                return Ok(Tried { outcome: Some(outcome), failure: Some(failure) });
            }
        };
        self.hand_over(&trail, &next_hop, session, compose).await
    }

    async fn hand_over(
        &self,
        trail: &Trail,
        next_hop: &NextHop,
        session: Session,
        compose: &dyn Compose,
    ) -> Result<Tried, SendError> {
        let own_id = message_id(&self.keys, trail.row.delivery, self.return_path.domain());
        let Trail { row, private, address, .. } = trail;
        let letter = Letter::new(row, private, address, &own_id, self.clock.now());
        let message = match compose.compose(&letter) {
            Ok(message) => message,
            Err(cause) => {
                self.client.give_back(next_hop, session);
                return Err(SendError::Message(cause));
            }
        };
        let attempt = trail.next_attempt();
        let (namespace, host) = (self.store.namespace(), Some(&*session.host));
        let attempted = facts::attempted(&namespace, attempt.number, host, &own_id, address);
        let attempted = self.event(self.observed()?, attempted.into(), &Private::default())?;
        if !self.take(trail, vec![attempted]).await? {
            self.client.give_back(next_hop, session);
            return Ok(Outcome::Taken.into());
        }
        self.transmit(trail, attempt, next_hop, session, &message).await
    }

    /// A connection that was used before may have ended meanwhile: that costs the recipient nothing.
    async fn transmit(
        &self,
        trail: &Trail,
        attempt: Attempt,
        next_hop: &NextHop,
        session: Session,
        message: &[u8],
    ) -> Result<Tried, SendError> {
        let used = session.is_used();
        let mut said = self.transmit_once(trail, next_hop, session, message).await;
        if used && matches!(said.transmitted, Transmitted::Broken(_)) {
            match self.client.open(next_hop, seed(trail.row.delivery)).await {
                Ok(session) => {
                    said = self.transmit_once(trail, next_hop, session, message).await;
                }
                Err(Unreachable::Ours(error)) => {
                    return Ok(self.shut_out(trail, attempt, error).await?.into());
                }
                Err(Unreachable::Theirs(failure)) => {
                    let (outcome, event) = self.failed(trail, attempt, &failure)?;
                    self.record(trail.row.delivery, event).await?;
                    return Ok(Tried { outcome: Some(outcome), failure: Some(failure) });
                }
            }
        }
        Ok(self.conclude(trail, attempt, said).await?.into())
    }

    async fn transmit_once(
        &self,
        trail: &Trail,
        next_hop: &NextHop,
        session: Session,
        message: &[u8],
    ) -> Conversation {
        let recipient = on_the_wire(&trail.address);
        let mail_from = self.return_path.address(&self.keys, trail.row.delivery);
        let what = Transmission {
            mail_from: &mail_from,
            recipient: &recipient,
            envelope_id: Some(trail.row.delivery),
            message,
        };
        self.client.transmit(next_hop, session, &what, Heard::by(&*self.clock)).await
    }

    /// The row, if it is to be sent now; else what became of it.
    async fn due(&self, delivery: DeliveryId) -> Result<ControlFlow<Outcome, Trail>, SendError> {
        let Some(trail) = Trail::of(&*self.store, delivery).await? else {
            return Ok(ControlFlow::Break(Outcome::Settled));
        };
        if let Some(outcome) = self.not_now(&trail.evidence) {
            return Ok(ControlFlow::Break(outcome));
        }
        if let Some(blocked) = self.blocked(&trail).await? {
            let id = Identity::Suppressed(delivery).event_id(&self.store.namespace());
            self.record(delivery, self.event(id, blocked.into(), &Private::default())?).await?;
            return Ok(ControlFlow::Break(Outcome::Blocked));
        }
        Ok(ControlFlow::Continue(trail))
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

    async fn blocked(&self, trail: &Trail) -> Result<Option<Suppressed>, ReadError> {
        let stream = StreamId::address(&self.store.namespace(), &trail.address);
        let list = Suppression::of(&self.store.stream(stream).await?);
        Ok(facts::suppressed(&list, &trail.row.kind))
    }
}

impl From<Outcome> for Tried {
    fn from(outcome: Outcome) -> Self {
        Self { outcome: Some(outcome), failure: None }
    }
}

impl std::fmt::Debug for Sender {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sender").field("route", &self.client.route).finish_non_exhaustive()
    }
}
