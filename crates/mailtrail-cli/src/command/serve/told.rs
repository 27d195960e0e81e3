//! What is said while it serves: what stands still, who is paused, that the store takes no more.

use std::convert::Infallible;

use mailtrail::core::store::AppendError;
use mailtrail::core::{AppendBatch, EventStore};

use super::background::LOOK_EVERY;
use super::mail::Stands;
use super::ports::Progressing;
use super::subscribers::Subscribers;
use crate::output;

/// Waits until the store takes no more writes. It doesn't until it is opened again, so there is nothing left to
/// serve: who watches over this process starts it again, and whoever had no answer comes again.
pub(super) async fn taken_no_more(store: &dyn EventStore) -> AppendError {
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        if let Err(error) = store.append(AppendBatch::new()).await {
            return error;
        }
    }
}

/// Says where a report is not kept up to date, when that begins and when it changes.
pub(super) async fn tell_what_stands_still(reports: &[Progressing]) -> Infallible {
    let mut told = vec![None; reports.len()];
    loop {
        for (told, (name, progress)) in told.iter_mut().zip(reports) {
            let progress = progress();
            let now = match (progress.paused, progress.error) {
                (Some(pause), _) => Some(format!(
                    "{name} stands still at position {}: {}: see `mailtrail projection status`",
                    pause.position, pause.why
                )),
                (None, Some(error)) => Some(format!("{name} is not kept up to date: {error}")),
                (None, None) => None,
            };
            if *told != now {
                output::note(now.clone().unwrap_or_else(|| format!("{name} goes on")));
                *told = now;
            }
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Says which subscriber is paused, when that begins and when it ends.
pub(super) async fn tell_who_is_paused(subscribers: &Subscribers) -> Infallible {
    let mut told = vec![None; subscribers.0.len()];
    loop {
        for (told, outbound) in told.iter_mut().zip(&subscribers.0) {
            let (name, now) = (outbound.name(), outbound.standing().paused);
            if *told != now {
                output::note(now.as_ref().map_or_else(
                    || format!("subscriber {name} goes on"),
                    |pause| {
                        let cause = &pause.cause;
                        format!(
                            "subscriber {name} is paused ({cause}): once that is mended, \
                             `mailtrail subscriber resume {name}`"
                        )
                    },
                ));
                *told = now;
            }
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Says in which Maildir mails wait that can't be taken, when that begins and when it ends.
pub(super) async fn tell_which_maildir_is_stuck(maildirs: &[Stands]) -> Infallible {
    let mut told = vec![None; maildirs.len()];
    loop {
        for (told, (name, standing)) in told.iter_mut().zip(maildirs) {
            let now = standing().stuck;
            if *told != now {
                output::note(now.as_ref().map_or_else(
                    || format!("{name} goes on"),
                    |why| format!("mails wait in {name}, and are tried again: {why}"),
                ));
                *told = now;
            }
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
