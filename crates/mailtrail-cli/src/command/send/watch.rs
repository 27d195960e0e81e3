//! How far a run is, for those who watch it.

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use indicatif::{HumanCount, HumanDuration, ProgressBar};
use mailtrail::Tracker;
use mailtrail::core::{BroadcastId, DeliveryId, Status};
use mailtrail::smtp::send::{Happening, Outcome, SendError};

use crate::failure::in_full;
use crate::output;

/// A bar on a terminal; elsewhere a line now and then.
pub(super) struct Watch {
    bar: ProgressBar,
    total: Option<u64>,
    rows: Rows,
    begun: Instant,
    /// How long there was nothing to do.
    idle: Duration,
    idle_since: Option<Instant>,
    /// How long it had worked when the last line was written.
    told: Duration,
}

/// What became of the rows so far, each counted once.
#[derive(Debug, Clone, Copy, Default)]
struct Rows {
    sent: u64,
    delivered: u64,
    soft_bounced: u64,
    bounced: u64,
    blocked: u64,
    in_doubt: u64,
    unwritten: u64,
    /// There was nothing to send any more, or another process has it.
    others: u64,
}

impl Watch {
    pub(super) async fn begin(tracker: &Tracker, broadcast: &BroadcastId) -> Self {
        let total = total(tracker, broadcast).await;
        let bar = output::progress(total, "sending");
        let (rows, begun) = (Rows::default(), Instant::now());
        let zero = Duration::ZERO;
        Self { bar, total, rows, begun, idle: zero, idle_since: None, told: zero }
    }

    pub(super) fn see(&mut self, happening: &Happening<'_>) {
        match happening {
            Happening::Row { outcome, again, .. } => self.row(*outcome, *again),
            Happening::Unwritten { delivery, error } => self.unwritten(*delivery, error),
            Happening::Waits { until, wait } => self.waits(*until, *wait),
            Happening::RelayFails { error, pause } => {
                let why = in_full(*error);
                let after = HumanDuration(*pause);
                self.bar.suspend(|| output::note(format!("{why}; it is asked again in {after}")));
            }
            _ => {}
        }
    }

    /// One that was tried before was counted as Soft Bounced.
    fn row(&mut self, outcome: Outcome, again: bool) {
        self.busy();
        if again {
            self.rows.soft_bounced = self.rows.soft_bounced.saturating_sub(1);
        }
        *self.rows.of(outcome) += 1;
        self.show();
    }

    /// Whoever has a bad template has it for all: the first is told.
    fn unwritten(&mut self, delivery: DeliveryId, error: &SendError) {
        self.busy();
        if self.rows.unwritten == 0 {
            let why = in_full(error);
            self.bar.suspend(|| output::note(format!("delivery {delivery}: {why}")));
        }
        self.rows.unwritten += 1;
        self.show();
    }

    /// There is nothing to do before this time.
    fn waits(&mut self, until: DateTime<Utc>, wait: Duration) {
        if self.idle_since.is_some() {
            return;
        }
        self.idle_since = Some(Instant::now());
        let text =
            format!("{}; next attempt at {}", self.rows.text(), until.format("%H:%M:%S UTC"));
        if self.bar.is_hidden() && wait >= TELL_AGAIN {
            output::note(&text);
        }
        self.bar.set_message(text);
    }

    fn busy(&mut self) {
        if let Some(since) = self.idle_since.take() {
            self.idle += since.elapsed();
        }
    }

    pub(super) fn end(self) {
        self.bar.finish_and_clear();
    }

    fn show(&mut self) {
        self.bar.set_position(self.rows.done());
        self.bar.set_message(self.rows.text());
        let worked = self.begun.elapsed().saturating_sub(self.idle);
        if self.bar.is_hidden() && worked.saturating_sub(self.told) >= TELL_AGAIN {
            output::note(line(&self.rows, self.total, worked));
            self.told = worked;
        }
    }
}

impl Rows {
    fn of(&mut self, outcome: Outcome) -> &mut u64 {
        match outcome {
            Outcome::Sent => &mut self.sent,
            Outcome::Delivered => &mut self.delivered,
            Outcome::Deferred(_) | Outcome::NotDue(_) => &mut self.soft_bounced,
            Outcome::Bounced => &mut self.bounced,
            Outcome::Blocked => &mut self.blocked,
            Outcome::InDoubt => &mut self.in_doubt,
            _ => &mut self.others,
        }
    }

    /// Those that this run is done with.
    fn done(&self) -> u64 {
        let settled = self.sent + self.delivered + self.bounced + self.blocked;
        settled + self.in_doubt + self.unwritten + self.others
    }

    fn text(&self) -> String {
        let counts = [
            (self.sent, "sent"),
            (self.delivered, "delivered"),
            (self.soft_bounced, "soft bounced"),
            (self.bounced, "bounced or failed"),
            (self.blocked, "blocked"),
            (self.in_doubt, "in doubt"),
            (self.unwritten, "not written"),
        ];
        let some = counts.iter().filter(|(count, _)| *count > 0);
        let texts: Vec<_> =
            some.map(|(count, what)| format!("{} {what}", HumanCount(*count))).collect();
        if texts.is_empty() { "sending".into() } else { texts.join(", ") }
    }
}

/// How many rows wait, by the kept counts. Nobody's mail waits for a number, nor fails for the lack of one.
async fn total(tracker: &Tracker, broadcast: &BroadcastId) -> Option<u64> {
    let state =
        tokio::time::timeout(COUNTED_WITHIN, tracker.broadcast_summary()).await.ok()?.ok()?;
    let summary = state.of(broadcast).ok()?;
    Some(summary.of(Status::Unsent) + summary.of(Status::SoftBounced))
}

fn line(rows: &Rows, total: Option<u64>, worked: Duration) -> String {
    let done = rows.done();
    let of = total.map_or_else(String::new, |total| format!(" of {}", HumanCount(total)));
    let rate = u128::from(done) * 1_000 / worked.as_millis().max(1);
    // As many as are left take as long each as those that are done.
    let left = total.and_then(|total| {
        let left = total.saturating_sub(done);
        let seconds = worked.as_secs().checked_mul(left)?.checked_div(done)?;
        Some(format!(", {} left", HumanDuration(Duration::from_secs(seconds))))
    });
    let left = left.unwrap_or_default();
    format!("{}{of} rows done ({rate}/s{left}): {}", HumanCount(done), rows.text())
}

/// How long the kept counts may take to come up to date.
const COUNTED_WITHIN: Duration = Duration::from_secs(2);
/// The time between two lines.
const TELL_AGAIN: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_tells_how_many_how_fast_how_long_and_what_became_of_them() {
        let rows = Rows { sent: 1_180, soft_bounced: 12, bounced: 20, ..Rows::default() };
        let told = line(&rows, Some(5_000), Duration::from_secs(12));
        assert_eq!(
            told,
            "1,200 of 5,000 rows done (100/s, 38 seconds left): 1,180 sent, 12 soft bounced, 20 bounced or failed"
        );
        let told = line(&rows, None, Duration::from_secs(12));
        assert!(told.starts_with("1,200 rows done (100/s): "), "{told}");
        assert_eq!(
            line(&Rows::default(), Some(2), Duration::ZERO),
            "0 of 2 rows done (0/s): sending"
        );
    }

    #[test]
    fn a_row_that_is_tried_again_is_counted_once() {
        let rows = Rows::default();
        let (bar, begun, zero) = (ProgressBar::hidden(), Instant::now(), Duration::ZERO);
        let mut watch =
            Watch { bar, total: Some(2), rows, begun, idle: zero, idle_since: None, told: zero };
        watch.row(Outcome::Deferred(DateTime::UNIX_EPOCH), false);
        watch.row(Outcome::Sent, false);
        assert_eq!((watch.rows.done(), watch.rows.text()), (1, "1 sent, 1 soft bounced".into()));
        watch.row(Outcome::Deferred(DateTime::UNIX_EPOCH), true);
        watch.row(Outcome::Bounced, true);
        assert_eq!((watch.rows.done(), watch.rows.soft_bounced), (2, 0));
    }
}
