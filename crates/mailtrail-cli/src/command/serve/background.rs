//! What goes on beside the answering: verdicts, blocking, letting go, and the alarm.

use std::sync::Arc;
use std::time::Duration;

use mailtrail::webhook::refused::KEPT_FOR;
use mailtrail::webhook::track::{Hits, Judge};

use crate::failure::in_full;
use crate::output;
use crate::setup::Opened;

pub(super) fn waiting(hits: &Hits) -> u64 {
    hits.counts().waiting
}

/// Says that hits are lost, and why: at most once a minute.
pub(super) async fn tell_of_lost_hits(hits: Arc<Hits>) {
    let mut told = 0;
    loop {
        let failed = hits.counts().failed;
        if failed > told {
            let why = hits.last_loss().map_or_else(String::new, |loss| in_full(&*loss));
            output::note(format!("{} hits were lost, the last because {why}", failed - told));
            told = failed;
            tokio::time::sleep(ALARM_EVERY).await;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Gives the hits their verdicts when they are due: those that an earlier run left, too.
pub(super) async fn judge(opened: Opened) {
    let (store, clock) = (opened.tracker.store(), opened.tracker.clock());
    let mut judge = Judge::default();
    loop {
        if let Err(error) = judge.run(&**store, clock.now()).await {
            output::note(format!("verdicts on opens wait: {}", in_full(&error)));
        }
        tokio::time::sleep(JUDGE_EVERY).await;
    }
}

/// Blocks who complained or unsubscribed, whenever something of that kind may have come.
pub(super) async fn block(opened: Opened) {
    let mut seen = mailtrail::core::Position::START;
    loop {
        match opened.tracker.store().changed(seen).await {
            Ok(head) => seen = head,
            Err(error) => {
                return output::note(format!("the blocking policy has ended: {}", in_full(&error)));
            }
        }
        if let Err(error) = opened.tracker.apply_blocking_policy().await {
            output::note(format!("the blocking policy waits: {}", in_full(&error)));
        }
        tokio::time::sleep(BLOCK_EVERY).await;
    }
}

/// Lets go of refused requests that are a week old.
pub(super) async fn expire(opened: Opened) {
    loop {
        if let Err(error) = opened.refused.expire(opened.tracker.clock().now() - KEPT_FOR) {
            output::note(format!("refused requests stay longer: {}", in_full(&error)));
        }
        tokio::time::sleep(EXPIRE_EVERY).await;
    }
}

/// How often it is asked whether the store takes writes, and the reports are up to date.
pub(super) const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How often it is said that hits are lost.
const ALARM_EVERY: Duration = Duration::from_secs(60);
/// How long the blocking policy rests: it reads the whole log.
const BLOCK_EVERY: Duration = Duration::from_secs(30);
/// How often refused requests are looked through. What other processes let go of is known then, too.
const EXPIRE_EVERY: Duration = Duration::from_secs(60);
/// How often hits are judged: often enough beside the window of ten seconds.
const JUDGE_EVERY: Duration = Duration::from_millis(500);
