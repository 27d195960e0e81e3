//! One connection's work: the rows of a next hop, one after the other.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use mailtrail_core::DeliveryId;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::super::error::SendError;
use super::super::outcome::Outcome;
use super::super::route::Failure;
use super::super::sender::{Begun, Line, Sender, Tried};
use super::board::{Board, Hop, Known, Service, Turn, Waiting};
use super::{in_time, lock};
use crate::message::Compose;

/// Serves the rows of one next hop, one after the other.
pub(super) struct Worker {
    pub(super) hop: Hop,
    pub(super) sender: Arc<Sender>,
    pub(super) compose: Arc<dyn Compose>,
    pub(super) board: Arc<Mutex<Board>>,
    pub(super) told: mpsc::Sender<Told>,
}

/// A row that was tried, and what it came to: told when that is stored.
type Before = (Waiting, Option<Outcome>);

impl Worker {
    pub(super) async fn work(self) {
        let (mut served, mut line, mut before) = (0_usize, Line::default(), None);
        loop {
            let begun = Instant::now();
            let turn = lock(&self.board).turn(self.hop, served, begun);
            let Turn::Row(row, known) = turn else { break };
            let tried = self.attempt(row.delivery, &known, &mut line, before.take()).await;
            let service = service(&tried, &known, begun);
            let is_full = matches!(service, Service::Full(_));
            lock(&self.board).served(self.hop, service, Instant::now());
            let tried = match tried {
                Ok(tried) => Ok(tried.outcome),
                Err(_) if is_full => Ok(None),
                Err(error) => Err(error),
            };
            // Whoever decides what that means is told first, and starts another.
            let ends = !matches!(&tried, Ok(Some(_)) | Err(SendError::Message(_)));
            match tried {
                Ok(outcome) if line.has_unrecorded() => before = Some((row, outcome)),
                // Nobody hears it any more when the run was dropped.
                tried => {
                    if self.tell(row, tried).await.is_err() {
                        break;
                    }
                }
            }
            if ends {
                break;
            }
            served = served.saturating_add(1);
        }
        if let Some(before) = before {
            self.finish(before, &mut line).await;
        }
        // The server counts this connection until it is closed: whoever came earlier could be one too many.
        line.close().await;
        lock(&self.board).leave(self.hop);
    }

    async fn attempt(
        &self,
        delivery: DeliveryId,
        known: &Known,
        line: &mut Line,
        before: Option<Before>,
    ) -> Result<Tried, SendError> {
        let begun = self.sender.begin(delivery, &*self.compose, known, line).await;
        if let Some(before) = before {
            // Before the message goes: that may take long.
            self.finish(before, line).await;
        }
        match begun? {
            Begun::Ready(ready) => self.sender.transmit(*ready, line).await,
            Begun::Ended(tried) => Ok(tried),
        }
    }

    /// Has it stored what a row came to, if it is not yet, and tells it.
    async fn finish(&self, (row, outcome): Before, line: &mut Line) {
        let recorded = self.sender.settle(line).await;
        // Nobody hears it any more when the run was dropped.
        self.tell(row, recorded.map(|()| outcome)).await.ok();
    }

    async fn tell(
        &self,
        row: Waiting,
        tried: Result<Option<Outcome>, SendError>,
    ) -> Result<(), mpsc::error::SendError<Told>> {
        self.told.send(Told { hop: self.hop, row, tried }).await
    }
}

fn service(tried: &Result<Tried, SendError>, known: &Known, begun: Instant) -> Service {
    let now = Instant::now();
    let until = in_time(now, DOWN_FOR);
    let outcome = match (tried, known) {
        (Ok(Tried { outcome: None, .. }), _) => return Service::Full(until),
        (Err(error), Known::Serves) if error.is_the_relays() => return Service::Full(until),
        (Ok(Tried { failure: Some(failure), .. }), _) => {
            return Service::Down(Arc::new(Failure::clone(failure)), until);
        }
        (Err(_), _) | (_, Known::Down(_)) => return Service::Unknown,
        (Ok(Tried { outcome: Some(outcome), .. }), _) => outcome,
    };
    match outcome {
        Outcome::Sent | Outcome::Delivered | Outcome::Deferred(_) | Outcome::Bounced => {
            let prompt = now.duration_since(begun) < PROMPT;
            if prompt { Service::Prompt } else { Service::Slow }
        }
        Outcome::InDoubt => Service::Slow,
        Outcome::Blocked | Outcome::NotDue(_) | Outcome::Settled | Outcome::Taken => {
            Service::Unknown
        }
    }
}

/// What a worker tells of a row.
pub(super) struct Told {
    pub(super) hop: Hop,
    pub(super) row: Waiting,
    /// `None` if there was no attempt.
    pub(super) tried: Result<Option<Outcome>, SendError>,
}

/// A next hop is prompt if it serves a message within this time.
const PROMPT: Duration = Duration::from_secs(5);
/// How long one that can't be reached is not asked again.
const DOWN_FOR: Duration = Duration::from_secs(60);
