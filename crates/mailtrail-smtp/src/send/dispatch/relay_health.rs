//! Whether a relay that fails is worth waiting for.

use std::time::Duration;

use tokio::time::Instant;

use super::in_time;

/// How the one relay does that all depends on.
#[derive(Debug, Default)]
pub(super) struct RelayHealth {
    has_served: bool,
    failing_since: Option<Instant>,
    pub(super) paused_until: Option<Instant>,
    pause: Duration,
}

impl RelayHealth {
    pub(super) fn serves(&mut self) {
        *self = Self { has_served: true, ..Self::default() };
    }

    /// Whether it is worth waiting for. What never worked is not: someone must mend it.
    pub(super) fn is_borne(&mut self, patience: Duration) -> bool {
        let since = *self.failing_since.get_or_insert_with(Instant::now);
        self.has_served && since.elapsed() < patience
    }

    /// Lets it alone for longer and longer; `None` if it is let alone already.
    pub(super) fn pauses(&mut self) -> Option<Duration> {
        let now = Instant::now();
        if self.paused_until.is_some_and(|until| now < until) {
            return None;
        }
        self.pause = self.pause.saturating_mul(2).clamp(SHORTEST_PAUSE, LONGEST_PAUSE);
        self.paused_until = Some(in_time(now, self.pause));
        Some(self.pause)
    }
}

const SHORTEST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
