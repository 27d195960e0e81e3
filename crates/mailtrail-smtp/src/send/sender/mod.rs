//! What is sent to whom, and what became of it: each step an event.

mod conclude;
mod line;
mod record;
mod trail;
mod transmit;

use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
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

use super::client::{Client, seed};
use super::dispatch::Known;
use super::error::SendError;
use super::facts;
use super::outcome::Outcome;
use super::route::{Failure, NextHop, Route, Unreachable};
use super::schedule::Schedules;
use super::session::Session;
use crate::message::{Compose, Letter, message_id};
use crate::return_path::ReturnPath;
pub(super) use line::Line;
use record::Unrecorded;
use trail::Trail;
pub(super) use transmit::Ready;

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

/// How an attempt begins.
#[derive(Debug)]
pub(super) enum Begun {
    /// It is durable that it does: the message may go.
    Ready(Box<Ready>),
    /// It ended before anyone heard of the message.
    Ended(Tried),
}

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
        let mut line = Line::default();
        let tried = self.over(&mut line, delivery, compose).await;
        if let Some((next_hop, session)) = line.open {
            self.client.give_back(&next_hop, session);
        }
        Ok(tried?.outcome.unwrap_or(Outcome::Taken))
    }

    async fn over(
        &self,
        line: &mut Line,
        delivery: DeliveryId,
        compose: &dyn Compose,
    ) -> Result<Tried, SendError> {
        match self.begin(delivery, compose, &Known::Nothing, line).await? {
            Begun::Ready(ready) => {
                let tried = self.transmit(*ready, line).await;
                self.settle(line).await?;
                tried
            }
            Begun::Ended(tried) => Ok(tried),
        }
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

    /// Begins to try one delivery over a line, by what is known about its next hop. What is unrecorded there is recorded with
    /// that, or earlier where something has to be waited for; it is still there if nothing was.
    pub(super) async fn begin(
        &self,
        delivery: DeliveryId,
        compose: &dyn Compose,
        known: &Known,
        line: &mut Line,
    ) -> Result<Begun, SendError> {
        let trail = match self.due(delivery).await? {
            ControlFlow::Continue(trail) => trail,
            ControlFlow::Break(outcome) => return Ok(outcome.into()),
        };
        if let Known::Down(failure) = known {
            return Ok(self.unreached(&trail, failure, line).await?.into());
        }
        let (next_hop, session) = match self.connection(&trail, line).await? {
            Ok(open) => open,
            Err(unreachable) => {
                return self.not_open(&trail, known, unreachable, line).await.map(Begun::Ended);
            }
        };
        self.make_ready(trail, next_hop, session, compose, line).await
    }

    /// The line's connection, one that waits, or a new one.
    async fn connection(
        &self,
        trail: &Trail,
        line: &mut Line,
    ) -> Result<Result<(NextHop, Session), Unreachable>, SendError> {
        if let Some(open) = line.open.take() {
            return Ok(Ok(open));
        }
        let next_hop = self.client.route.next_hop(&trail.address);
        if let Some(session) = self.client.waiting(&next_hop) {
            return Ok(Ok((next_hop, session)));
        }
        self.settle(line).await?;
        let opened = self.client.open(&next_hop, seed(trail.row.delivery)).await;
        Ok(opened.map(|session| (next_hop, session)))
    }

    async fn not_open(
        &self,
        trail: &Trail,
        known: &Known,
        unreachable: Unreachable,
        line: &mut Line,
    ) -> Result<Tried, SendError> {
        let failure = match unreachable {
            Unreachable::Ours(error) => return Err(error),
            Unreachable::Theirs(failure) => failure,
        };
        let outcome = match known {
            Known::Serves => None,
            Known::Nothing | Known::Down(_) => Some(self.unreached(trail, &failure, line).await?),
        };
        Ok(Tried { outcome, failure: Some(failure) })
    }

    async fn make_ready(
        &self,
        trail: Trail,
        next_hop: NextHop,
        session: Session,
        compose: &dyn Compose,
        line: &mut Line,
    ) -> Result<Begun, SendError> {
        let own_id = message_id(&self.keys, trail.row.delivery, self.return_path.domain());
        let Trail { row, private, address, .. } = &trail;
        let letter = Letter::new(row, private, address, &own_id, self.clock.now());
        let message = match composed(compose, &letter) {
            Ok(message) => message,
            Err(cause) => {
                line.keep(next_hop, session);
                return Err(SendError::Message(cause));
            }
        };
        let attempt = trail.next_attempt();
        let (namespace, host) = (self.store.namespace(), Some(&*session.host));
        let attempted = facts::attempted(&namespace, attempt.number, host, &own_id, address);
        let attempted = self.event(self.observed()?, attempted.into(), &Private::default())?;
        if !self.take(&trail, vec![attempted], line).await? {
            line.keep(next_hop, session);
            return Ok(Outcome::Taken.into());
        }
        Ok(Begun::Ready(Box::new(Ready { trail, attempt, next_hop, session, message })))
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
            let event = self.event(id, blocked.into(), &Private::default())?;
            self.record(&Unrecorded { delivery, event }).await?;
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

/// What makes a message is others' code: its panic is of this row, and takes nothing from the one before, of which it is not
/// stored yet what it came to.
fn composed(compose: &dyn Compose, letter: &Letter<'_>) -> Result<Vec<u8>, BoxError> {
    catch_unwind(AssertUnwindSafe(|| compose.compose(letter))).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<&str>().copied();
        let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
        Err(format!("what makes it panicked: {}", text.unwrap_or("no message")).into())
    })
}

impl From<Outcome> for Begun {
    fn from(outcome: Outcome) -> Self {
        Self::Ended(outcome.into())
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
