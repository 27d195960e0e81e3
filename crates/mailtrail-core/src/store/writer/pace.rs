//! How long the writer waits for whom.
//!
//! Callers that were answered together come again together, one after the other. Whoever took the first of them at once
//! would sync it alone, while all others wait for that. So it waits for as many as came the last time, for a part of the
//! time that their sync took: what that costs is small beside what it saves. A caller that is alone never waits.

use std::sync::mpsc::{Receiver, TryRecvError};
use std::thread;
use std::time::{Duration, Instant};

/// What the last group was like.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// How many batches it had.
    batches: usize,
    /// How long it took to become durable.
    took: Duration,
    /// Until when more are waited for.
    until: Option<Instant>,
}

impl Pace {
    /// The first of a group; `None` if nobody is left to send any.
    pub(super) fn first<T>(&mut self, jobs: &Receiver<T>) -> Option<T> {
        // Asleep, a thread takes as long to be woken as a fast disk to sync.
        let first = watch(jobs, Instant::now() + AWAKE).map_or_else(|| jobs.recv().ok(), Some)?;
        let wait = self.took.div_f64(PART).min(LONGEST);
        self.until = (self.batches > 1).then(|| Instant::now() + wait);
        Some(first)
    }

    /// The next of a group that has so many batches, if it is to have more.
    pub(super) fn next<T>(&mut self, jobs: &Receiver<T>, batches: usize) -> Option<T> {
        match (jobs.try_recv(), self.until) {
            (Ok(job), _) => Some(job),
            (Err(_), Some(until)) if batches < self.batches => watch(jobs, until),
            (Err(_), _) => None,
        }
    }

    /// Has a group written, and notes what it was like.
    pub(super) fn group(&mut self, batches: usize, write: impl FnOnce()) {
        let since = Instant::now();
        write();
        (self.batches, self.took) = (batches, since.elapsed());
    }
}

/// What comes until then, without sleeping.
fn watch<T>(jobs: &Receiver<T>, until: Instant) -> Option<T> {
    loop {
        match jobs.try_recv() {
            Ok(job) => return Some(job),
            Err(TryRecvError::Disconnected) => return None,
            Err(TryRecvError::Empty) if Instant::now() >= until => return None,
            // Who is to send it may wait for this core.
            Err(TryRecvError::Empty) => thread::yield_now(),
        }
    }
}

/// The last group's time is divided by this.
const PART: f64 = 2.0;
const LONGEST: Duration = Duration::from_millis(2);
const AWAKE: Duration = Duration::from_micros(50);
