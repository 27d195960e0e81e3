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
    /// Since when, and how long, more are waited for.
    wait: Option<(Instant, Duration)>,
}

impl Pace {
    /// The first of a group; `None` if nobody is left to send any.
    pub(super) fn first<T>(&mut self, jobs: &Receiver<T>) -> Option<T> {
        // Asleep, a thread takes as long to be woken as a fast disk to sync.
        let first = watch(jobs, Instant::now(), AWAKE).map_or_else(|| jobs.recv().ok(), Some)?;
        let wait = self.took.div_f64(PART).min(LONGEST);
        self.wait = (self.batches > 1).then(|| (Instant::now(), wait));
        Some(first)
    }

    /// The next of a group that has so many batches, if it is to have more.
    pub(super) fn next<T>(&mut self, jobs: &Receiver<T>, batches: usize) -> Option<T> {
        match (jobs.try_recv(), self.wait) {
            (Ok(job), _) => Some(job),
            (Err(_), Some((since, wait))) if batches < self.batches => watch(jobs, since, wait),
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

/// What comes within so long, without sleeping.
fn watch<T>(jobs: &Receiver<T>, since: Instant, wait: Duration) -> Option<T> {
    loop {
        match jobs.try_recv() {
            Ok(job) => return Some(job),
            Err(TryRecvError::Disconnected) => return None,
            Err(TryRecvError::Empty) if since.elapsed() >= wait => return None,
            // Who is to send it may wait for this core.
            Err(TryRecvError::Empty) => thread::yield_now(),
        }
    }
}

/// The last group's time is divided by this.
const PART: f64 = 2.0;
const LONGEST: Duration = Duration::from_millis(2);
const AWAKE: Duration = Duration::from_micros(50);

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn who_is_alone_never_waits_and_those_who_came_together_are_waited_for() {
        let (sender, jobs) = mpsc::channel();
        let mut pace = Pace::default();
        sender.send(1).unwrap();
        assert_eq!(pace.first(&jobs), Some(1));
        assert_eq!(pace.next(&jobs, 1), None);
        pace.group(3, || thread::sleep(Duration::from_millis(4)));
        let late = sender.clone();
        sender.send(2).unwrap();
        assert_eq!(pace.first(&jobs), Some(2));
        // The last of three comes while it waits.
        let waited = thread::scope(|scope| {
            scope.spawn(move || late.send(3).unwrap());
            let second = pace.next(&jobs, 1);
            second.or_else(|| jobs.recv().ok())
        });
        assert_eq!(waited, Some(3));
        assert_eq!(pace.next(&jobs, 3), None, "all of them are there");
        drop(sender);
        assert_eq!(pace.first(&jobs), None);
    }
}
