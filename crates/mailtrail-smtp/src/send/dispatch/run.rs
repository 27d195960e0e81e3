//! One run: rows from the store to workers, and what they came to back.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use chrono::{DateTime, Utc};
use mailtrail_core::store::AppendError;
use mailtrail_core::{BroadcastId, DeliveryId};
use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;

use super::super::error::SendError;
use super::super::outcome::Outcome;
use super::super::sender::Sender;
use super::board::{Board, Hop, Waiting};
use super::relay_health::RelayHealth;
use super::rows::{Page, read};
use super::worker::{Told, Worker};
use super::{Dispatched, Happening, Limits, in_time, lock};
use crate::message::Compose;

pub(super) struct Run {
    sender: Arc<Sender>,
    compose: Arc<dyn Compose>,
    limits: Limits,
    board: Arc<Mutex<Board>>,
    due: BinaryHeap<Reverse<(DateTime<Utc>, Hop, DeliveryId)>>,
    pages: Option<mpsc::Receiver<Page>>,
    workers: JoinSet<()>,
    told: mpsc::Sender<Told>,
    hears: mpsc::Receiver<Told>,
    dispatched: Dispatched,
    relay: RelayHealth,
    failed: Option<SendError>,
}

impl Run {
    pub(super) fn new(
        sender: Arc<Sender>,
        compose: Arc<dyn Compose>,
        limits: Limits,
        broadcast: BroadcastId,
    ) -> Self {
        let (told, hears) = mpsc::channel(limits.connections.max(TOLD));
        let mut workers = JoinSet::new();
        let (gives, pages) = mpsc::channel(PAGES_AHEAD);
        workers.spawn(read(Arc::clone(&sender), broadcast, gives));
        Self {
            sender,
            compose,
            limits,
            board: Arc::new(Mutex::new(Board::new(limits))),
            due: BinaryHeap::new(),
            pages: Some(pages),
            workers,
            told,
            hears,
            dispatched: Dispatched::default(),
            relay: RelayHealth::default(),
            failed: None,
        }
    }

    pub(super) async fn finish(
        mut self,
        watch: &mut impl FnMut(Happening<'_>),
    ) -> Result<Dispatched, SendError> {
        loop {
            self.wake_due();
            self.start_workers();
            if self.is_over() {
                break;
            }
            self.say_if_waiting(watch);
            let wake = self.wakes_at();
            tokio::select! {
                Some(told) = self.hears.recv() => {
                    self.hear(told, watch);
                    while let Ok(told) = self.hears.try_recv() {
                        self.hear(told, watch);
                    }
                    // To be woken for each message costs more than to hear of some a moment later.
                    tokio::time::sleep(LULL).await;
                }
                page = next_page(&mut self.pages), if self.wants_rows() => self.take(page),
                Some(ended) = self.workers.join_next() => self.reap(ended),
                () = tokio::time::sleep_until(wake) => {}
            }
        }
        self.workers.shutdown().await;
        match self.failed {
            Some(error) => Err(error),
            None => Ok(self.dispatched),
        }
    }

    fn is_over(&self) -> bool {
        let nothing_left =
            self.pages.is_none() && self.due.is_empty() && self.board().waiting() == 0;
        let idle = self.workers.is_empty() && self.hears.is_empty();
        idle && (self.failed.is_some() || nothing_left)
    }

    /// A store may be others' code, and panic: what it has stored is not known then.
    fn reap(&mut self, ended: Result<(), JoinError>) {
        if let Err(error) = ended {
            self.fail(AppendError::OutcomeUnknown { cause: error.into() }.into());
        }
    }

    fn start_workers(&mut self) {
        if self.relay.paused_until.is_some_and(|until| Instant::now() < until) {
            return;
        }
        let now = Instant::now();
        self.board().set_aside(now, SILENCE);
        while let Some(hop) = { self.board().start(now) } {
            let worker = Worker {
                hop,
                sender: Arc::clone(&self.sender),
                compose: Arc::clone(&self.compose),
                board: Arc::clone(&self.board),
                told: self.told.clone(),
            };
            self.workers.spawn(worker.work());
        }
    }

    /// Rows whose time has come wait for a worker.
    fn wake_due(&mut self) {
        let now = self.sender.clock().now();
        while self.due.peek().is_some_and(|Reverse((at, ..))| *at <= now) {
            let Some(Reverse((_, hop, delivery))) = self.due.pop() else { return };
            self.board().add(hop, Waiting { delivery, again: true });
        }
    }

    fn wakes_at(&self) -> Instant {
        let now = Instant::now();
        let due = self.due.peek().map(|Reverse((at, ..))| {
            let wait = at.signed_duration_since(self.sender.clock().now());
            in_time(now, wait.to_std().unwrap_or_default().min(LONGEST_SLEEP))
        });
        let paused = self.relay.paused_until.filter(|until| *until > now);
        let held_up = self.board().lines_wait().then(|| in_time(now, LOOK_AGAIN));
        [due, paused, held_up].into_iter().flatten().min().unwrap_or(in_time(now, LONGEST_SLEEP))
    }

    fn say_if_waiting(&self, watch: &mut impl FnMut(Happening<'_>)) {
        let board = self.board();
        let nothing_to_do = board.workers() == 0 && board.waiting() == 0 && self.pages.is_none();
        if let Some(Reverse((until, ..))) = self.due.peek().filter(|_| nothing_to_do) {
            let wait = until.signed_duration_since(self.sender.clock().now());
            watch(Happening::Waits { until: *until, wait: wait.to_std().unwrap_or_default() });
        }
    }

    /// There are always some rows ahead; more where those that wait leave workers without work.
    fn wants_rows(&self) -> bool {
        let board = self.board();
        let waiting = board.waiting();
        let wants = waiting < ROWS_AHEAD || (board.has_room() && waiting < self.limits.backlog);
        self.pages.is_some() && self.failed.is_none() && wants
    }

    fn take(&mut self, page: Option<Page>) {
        match page {
            None => self.pages = None,
            Some(Err(error)) => self.fail(error.into()),
            Some(Ok(rows)) => {
                let mut board = self.board();
                for (next_hop, delivery) in rows {
                    let hop = board.hop(next_hop);
                    board.add(hop, Waiting { delivery, again: false });
                }
            }
        }
    }

    fn hear(&mut self, told: Told, watch: &mut impl FnMut(Happening<'_>)) {
        let Told { hop, row: Waiting { delivery, again }, tried } = told;
        match tried {
            // It goes over another connection.
            Ok(None) => self.board().add(hop, Waiting { delivery, again }),
            Ok(Some(outcome)) => {
                if matches!(outcome, Outcome::Sent | Outcome::Delivered) {
                    self.relay.serves();
                }
                if let Outcome::Deferred(at) | Outcome::NotDue(at) = outcome {
                    self.due.push(Reverse((at, hop, delivery)));
                }
                self.dispatched.count(delivery, outcome);
                watch(Happening::Row { delivery, outcome, again });
            }
            Err(error @ SendError::Message(_)) => {
                watch(Happening::Unwritten { delivery, error: &error });
                self.dispatched.unwritten = self.dispatched.unwritten.saturating_add(1);
                self.dispatched.first_unwritten.get_or_insert(error.into());
            }
            Err(error) if error.is_the_relays() && self.relay.is_borne(self.limits.patience) => {
                self.board().add(hop, Waiting { delivery, again });
                if let Some(pause) = self.relay.pauses() {
                    watch(Happening::RelayFails { error: &error, pause });
                }
            }
            Err(error) => self.fail(error),
        }
    }

    fn fail(&mut self, error: SendError) {
        self.board().stop();
        self.pages = None;
        self.failed.get_or_insert(error);
    }

    fn board(&self) -> MutexGuard<'_, Board> {
        lock(&self.board)
    }
}

impl Dispatched {
    fn count(&mut self, delivery: DeliveryId, outcome: Outcome) {
        let count = match outcome {
            Outcome::Sent => &mut self.sent,
            Outcome::Delivered => &mut self.delivered,
            Outcome::Deferred(_) => &mut self.deferred,
            Outcome::Bounced => &mut self.bounced,
            Outcome::Blocked => &mut self.blocked,
            Outcome::InDoubt => return self.in_doubt.push(delivery),
            Outcome::NotDue(_) | Outcome::Settled | Outcome::Taken => return,
        };
        *count = count.saturating_add(1);
    }
}

async fn next_page(pages: &mut Option<mpsc::Receiver<Page>>) -> Option<Page> {
    match pages {
        Some(pages) => pages.recv().await,
        None => None,
    }
}

/// Rows that wait at least, so that no worker waits for the store.
const ROWS_AHEAD: usize = 1_024;
/// How many rows may be told of meanwhile: those that are settled already take no time.
const TOLD: usize = 1_024;
/// How long nobody is heard after some were.
const LULL: Duration = Duration::from_millis(2);
/// One that says nothing for so long takes no connection from others.
const SILENCE: Duration = Duration::from_secs(1);
/// How often it is looked whether one says nothing, while others wait.
const LOOK_AGAIN: Duration = Duration::from_millis(250);
/// Clocks of computers jump: nobody sleeps past one for longer than this.
const LONGEST_SLEEP: Duration = Duration::from_secs(30);
const PAGES_AHEAD: usize = 2;
