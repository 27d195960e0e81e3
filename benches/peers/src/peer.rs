//! What is asked of every store, and how it is timed.

use std::time::{Duration, Instant};

use mailtrail_core::Status;
use mailtrail_core::event::Envelope;

/// A store under test.
pub trait Peer {
    /// An event in its own form: making it is no part of what is measured.
    type Ready;

    /// Makes an event ready.
    fn ready(event: &Envelope) -> Self::Ready;

    /// One commit: as durable as the store promises when it returns.
    fn append(&mut self, batch: Vec<Self::Ready>);

    /// Reads all events back, and folds them into the status of each delivery.
    fn replay(&self) -> Counts;
}

/// How many deliveries have each status.
pub type Counts = [usize; Status::ALL.len()];

/// How many there are of each.
pub fn count(statuses: impl Iterator<Item = Status>) -> Counts {
    let mut counts = Counts::default();
    for status in statuses {
        let place = Status::ALL.iter().position(|one| *one == status);
        counts[place.unwrap()] += 1;
    }
    counts
}

/// Events a second, by one writer, so many a commit; by a store that has been at work for a moment.
pub fn append_rate<P: Peer>(mut peer: P, events: &[Envelope], batch: usize) -> f64 {
    let most = events.len().min(batch * MOST_COMMITS);
    let ready = |chunk: &[Envelope]| chunk.iter().map(P::ready).collect();
    let batches: Vec<Vec<P::Ready>> = events[..most].chunks(batch).map(ready).collect();
    let mut batches = batches.into_iter();
    append_for(WARM_UP, &mut peer, &mut batches);
    append_for(RUN, &mut peer, &mut batches)
}

fn append_for<P: Peer>(
    time: Duration,
    peer: &mut P,
    batches: &mut impl Iterator<Item = Vec<P::Ready>>,
) -> f64 {
    let (start, mut written) = (Instant::now(), 0);
    while start.elapsed() < time
        && let Some(batch) = batches.next()
    {
        written += batch.len();
        peer.append(batch);
    }
    written as f64 / start.elapsed().as_secs_f64()
}

/// Stores all events, in large commits.
pub fn fill<P: Peer>(peer: &mut P, events: &[Envelope]) {
    for chunk in events.chunks(5_000) {
        peer.append(chunk.iter().map(P::ready).collect());
    }
}

/// The middle one of several runs, in seconds.
pub fn time<T>(mut run: impl FnMut() -> T) -> (f64, T) {
    let mut once = || {
        let start = Instant::now();
        let result = run();
        (start.elapsed().as_secs_f64(), result)
    };
    let (first, result) = once();
    let times = [first, once().0, once().0];
    (median(times.to_vec()), result)
}

/// The middle one.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

const WARM_UP: Duration = Duration::from_millis(500);
const RUN: Duration = Duration::from_millis(1_000);
const MOST_COMMITS: usize = 60_000;
