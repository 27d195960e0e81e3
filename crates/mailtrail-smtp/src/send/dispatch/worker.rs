//! One connection's work: the rows of a next hop, one after the other.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;

use super::super::error::SendError;
use super::super::outcome::Outcome;
use super::super::route::{Failure, NextHop};
use super::super::sender::{Sender, Tried};
use super::board::{Board, Hop, Known, Service, Turn, Waiting};
use super::{in_time, lock};
use crate::message::Compose;

/// Serves the rows of one next hop, one after the other.
pub(super) struct Worker {
    pub(super) hop: Hop,
    pub(super) name: NextHop,
    pub(super) sender: Arc<Sender>,
    pub(super) compose: Arc<dyn Compose>,
    pub(super) board: Arc<Mutex<Board>>,
    pub(super) told: mpsc::Sender<Told>,
}

impl Worker {
    pub(super) async fn work(self) {
        let mut served: usize = 0;
        loop {
            let begun = Instant::now();
            let turn = lock(&self.board).turn(self.hop, served, begun);
            let Turn::Row(row, known) = turn else { break };
            let tried = self.sender.attempt(row.delivery, &*self.compose, &known).await;
            let service = service(&tried, &known, begun);
            let tried = match tried {
                Err(_) if matches!(service, Service::Full(_)) => Ok(None),
                tried => tried.map(|tried| tried.outcome),
            };
            // Whoever decides what that means is told first, and starts another.
            let ends = !matches!(&tried, Ok(Some(_)) | Err(SendError::Message(_)));
            lock(&self.board).served(self.hop, service, Instant::now());
            let told = Told { hop: self.hop, row, tried };
            // Nobody hears it any more when the run was dropped.
            if self.told.send(told).await.is_err() || ends {
                lock(&self.board).leave(self.hop);
                break;
            }
            served = served.saturating_add(1);
        }
        self.sender.release(&self.name).await;
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
