//! How far a projection is, how fast it goes, and how long it still takes.

use std::time::{Duration, Instant};

use mailtrail_core::Position;
use mailtrail_core::projection::Pause;

/// How far a projection is.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct Progress {
    /// Everything up to here is in its state.
    pub position: Position,
    /// The end of the log.
    pub head: Position,
    /// Whether it builds its state anew: nothing new can be read before it is done.
    pub building: bool,
    /// Positions a second, of late.
    pub rate: f64,
    /// Where it stands still, if it does.
    pub paused: Option<Pause>,
    /// Why it could not go on when it last tried; it tries again.
    pub error: Option<String>,
}

impl Progress {
    /// How many positions it is behind.
    pub fn lag(&self) -> u64 {
        self.head.get().saturating_sub(self.position.get())
    }

    /// How long it takes to catch up, as fast as it goes now; `None` if nobody can tell.
    pub fn time_left(&self) -> Option<Duration> {
        if self.lag() == 0 && self.paused.is_none() {
            return Some(Duration::ZERO);
        }
        let seconds = float(self.lag()) / self.rate;
        let known = self.paused.is_none() && self.rate > 0.0 && seconds < A_YEAR;
        known.then(|| Duration::from_secs_f64(seconds))
    }
}

/// Measures a rate over the last seconds.
#[derive(Debug)]
pub(super) struct Meter {
    since: Instant,
    from: Position,
    rate: f64,
}

impl Meter {
    pub(super) fn new(at: Position) -> Self {
        Self { since: Instant::now(), from: at, rate: 0.0 }
    }

    /// The rate, now that this position is reached.
    pub(super) fn reached(&mut self, at: Position) -> f64 {
        let elapsed = self.since.elapsed();
        let moved = at.get().saturating_sub(self.from.get());
        if elapsed > WINDOW || self.rate == 0.0 {
            self.rate = float(moved) / elapsed.as_secs_f64().max(f64::MIN_POSITIVE);
        }
        if elapsed > WINDOW {
            (self.since, self.from) = (Instant::now(), at);
        }
        self.rate
    }
}

#[expect(clippy::cast_precision_loss, reason = "a rate is no exact number")]
fn float(count: u64) -> f64 {
    count as f64
}

const WINDOW: Duration = Duration::from_secs(2);
const A_YEAR: f64 = 31_557_600.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_left_is_told_where_it_can_be() {
        let mut progress =
            Progress { head: Position::new(1_000), rate: 100.0, ..Progress::default() };
        assert_eq!(progress.time_left(), Some(Duration::from_secs(10)));
        progress.rate = 0.0;
        assert_eq!(progress.time_left(), None);
        progress.position = progress.head;
        assert_eq!((progress.lag(), progress.time_left()), (0, Some(Duration::ZERO)));
    }
}
