//! A whole broadcast: many deliveries at once, and none held up by others' servers.

mod board;
mod relay_health;
mod rows;
mod run;
mod worker;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use mailtrail_core::store::BoxError;
use mailtrail_core::{BroadcastId, DeliveryId};
use tokio::time::Instant;

use super::error::SendError;
use super::outcome::Outcome;
use super::sender::Sender;
use crate::message::Compose;
use board::Board;
pub(super) use board::Known;
use run::Run;

/// How much is done at once.
///
/// ```
/// use mailtrail_smtp::send::Limits;
/// let limits = Limits::default().connections(100).per_next_hop(5);
/// assert_eq!(limits.connections, 100);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Connections in all: 200 by default. Those to servers that have said nothing for a second don't count,
    /// up to twice as many again. A message is in flight on each at most, and so in doubt after a crash.
    pub connections: usize,
    /// Connections to one next hop (a relay, or the servers of one domain): 10 by default. A next hop
    /// begins with one, and gets one more with each message that it takes promptly.
    pub per_next_hop: usize,
    /// Messages over one connection, where others wait for it: 100 by default.
    pub messages: usize,
    /// Rows that wait in memory: a million by default, of 17 bytes each, or some 40 for a next attempt. What is beyond
    /// waits in the store.
    pub backlog: usize,
    /// How long a relay that has served us may fail before the run ends: 10 minutes by default.
    pub patience: Duration,
}

impl Limits {
    /// So many connections in all, at least one.
    pub fn connections(mut self, most: usize) -> Self {
        self.connections = most.max(1);
        self
    }

    /// So many connections to one next hop, at least one.
    pub fn per_next_hop(mut self, most: usize) -> Self {
        self.per_next_hop = most.max(1);
        self
    }

    /// So many messages over one connection, where others wait for it.
    pub fn messages(mut self, most: usize) -> Self {
        self.messages = most.max(1);
        self
    }

    /// So many rows that wait in memory.
    pub fn backlog(mut self, most: usize) -> Self {
        self.backlog = most.max(1);
        self
    }

    /// Waiting so long for a relay that has served us before.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 200,
            per_next_hop: 10,
            messages: 100,
            backlog: 1_000_000,
            patience: Duration::from_secs(600),
        }
    }
}

/// What happens in a run, for those who watch it.
#[derive(Debug)]
#[non_exhaustive]
pub enum Happening<'a> {
    /// A row was tried.
    Row {
        /// The delivery.
        delivery: DeliveryId,
        /// What it came to.
        outcome: Outcome,
        /// Whether it was tried before in this run.
        again: bool,
    },
    /// The message to a row can't be written: the row still waits.
    Unwritten {
        /// The delivery.
        delivery: DeliveryId,
        /// Why.
        error: &'a SendError,
    },
    /// There is nothing to do before this time.
    Waits {
        /// The next attempt.
        until: DateTime<Utc>,
        /// How long that is from now.
        wait: Duration,
    },
    /// The relay fails: it is asked again after this time.
    RelayFails {
        /// How.
        error: &'a SendError,
        /// How long it is left alone.
        pause: Duration,
    },
}

/// What a run came to. A row that is tried again is counted each time.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Dispatched {
    /// Taken by a relay.
    pub sent: u64,
    /// Taken by the recipients' own servers.
    pub delivered: u64,
    /// Attempts that are made again later.
    pub deferred: u64,
    /// Given up.
    pub bounced: u64,
    /// Blocked since they were planned.
    pub blocked: u64,
    /// Those whose outcome is not known: each may have been taken, or not.
    pub in_doubt: Vec<DeliveryId>,
    /// Those whose message can't be written: they still wait.
    pub unwritten: u64,
    /// Why the first of these can't.
    pub first_unwritten: Option<BoxError>,
}

/// Sends broadcasts: all rows that wait, each when it is due, over many connections at once.
///
/// # Guarantees
/// Those of [`Sender`], and:
/// - After a crash, run it again: nobody is skipped, and who may get the message twice is in doubt by the
///   trail, at most one for each connection.
/// - What a row came to is told once it is stored: with the beginning of the next attempt over that connection, before that
///   message goes; at once where none follows.
/// - A next hop that is slow or dead keeps one connection, and takes none from others.
/// - A row whose next hop can't be reached has had its attempt, also where another row's connection has
///   shown it: the next hop is not asked again for each.
/// - Memory: 17 bytes for each row that waits, some 40 for a next attempt, whatever the size of the broadcast.
///
/// # Cancellation
/// A dropped future may leave as many attempts in doubt as there are connections.
pub struct Dispatcher {
    sender: Arc<Sender>,
    compose: Arc<dyn Compose>,
    limits: Limits,
}

impl Dispatcher {
    /// Sends what this makes of each row.
    pub fn new(sender: Sender, compose: impl Compose + 'static) -> Self {
        Self { sender: Arc::new(sender), compose: Arc::new(compose), limits: Limits::default() }
    }

    /// Within these limits.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Sends every row of a broadcast that waits, and waits for those that are due later.
    ///
    /// # Errors
    /// [`SendError`]: the store fails, or the relay does and has never served us or not for too long.
    /// What was recorded stays; run it again.
    pub async fn run(
        &self,
        broadcast: &BroadcastId,
        mut watch: impl FnMut(Happening<'_>),
    ) -> Result<Dispatched, SendError> {
        let (sender, compose) = (Arc::clone(&self.sender), Arc::clone(&self.compose));
        let run = Run::new(sender, compose, self.limits, broadcast.clone());
        let dispatched = run.finish(&mut watch).await;
        self.sender.close().await;
        dispatched
    }
}

impl std::fmt::Debug for Dispatcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dispatcher").field("limits", &self.limits).finish_non_exhaustive()
    }
}

fn in_time(now: Instant, wait: Duration) -> Instant {
    now.checked_add(wait).unwrap_or(now)
}

fn lock(board: &Mutex<Board>) -> MutexGuard<'_, Board> {
    board.lock().unwrap_or_else(PoisonError::into_inner)
}
