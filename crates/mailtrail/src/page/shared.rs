//! What every request needs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use mailtrail_core::Position;
use mailtrail_core::projection::{Checkpoint, StateError};
use mailtrail_report::{
    BroadcastSummary, BroadcastSummaryState, EmailLog, EmailLogState, Trails, TrailsState,
};

use super::fault::Fault;
use super::guard::Failures;
use super::live::Views;
use super::rows::{self, Rows};
use super::session::Sessions;
use super::{NamedSheet, Page, User};
use crate::Tracker;
use crate::projection::{Live, Progress};

pub(super) struct Shared {
    pub(super) tracker: Tracker,
    pub(super) log: Arc<Live<EmailLog>>,
    pub(super) summary: Arc<Live<BroadcastSummary>>,
    pub(super) trails: Arc<Live<Trails>>,
    pub(super) users: Vec<User>,
    pub(super) hosts: BTreeSet<String>,
    pub(super) tls: bool,
    pub(super) sheets: BTreeMap<Box<str>, NamedSheet>,
    pub(super) sessions: Sessions,
    pub(super) failures: Failures,
    pub(super) live: Views,
    pub(super) rows: Rows,
}

impl Shared {
    pub(super) fn of(page: Page) -> Self {
        let sheets = page.sheets.into_iter().map(|sheet| (sheet.name.clone(), sheet)).collect();
        Self {
            tracker: page.tracker,
            log: page.log,
            summary: page.summary,
            trails: page.trails,
            users: page.users,
            hosts: page.hosts,
            tls: page.tls,
            sheets,
            sessions: Sessions::default(),
            failures: Failures::default(),
            live: Views::default(),
            rows: Rows::default(),
        }
    }

    pub(super) fn now(&self) -> DateTime<Utc> {
        self.tracker.clock().now()
    }

    /// Reads kept states on a thread that may wait. Where another one has saved meanwhile, it reads again.
    pub(super) async fn read<T: Send + 'static>(
        self: &Arc<Self>,
        read: impl Fn(&Self) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Fault> {
        let shared = Arc::clone(self);
        let tried = tokio::task::spawn_blocking(move || {
            let mut tries = 1;
            loop {
                match read(&shared) {
                    Err(Fault::State(StateError::Moved)) if tries < TRIES => tries += 1,
                    done => return done,
                }
            }
        });
        tried.await.map_err(|_| Fault::Panicked)?
    }

    /// The Email Log as it is kept, and how far that is.
    pub(super) fn kept_log(&self) -> Result<(EmailLogState, Checkpoint), Fault> {
        self.log.runner().state_and_checkpoint()?.ok_or(Fault::BeingBuilt)
    }

    /// The Email Log as it is shown.
    pub(super) fn email_log(&self) -> Result<rows::View<'_>, Fault> {
        let (state, checkpoint) = self.kept_log()?;
        rows::view(self, state, checkpoint)
    }

    /// The summaries as they are kept, and how far that is at least.
    pub(super) fn summaries(&self) -> Result<(BroadcastSummaryState, Position), Fault> {
        let kept = self.summary.runner().state_and_checkpoint()?;
        let (state, checkpoint) = kept.ok_or(Fault::BeingBuilt)?;
        Ok((state, checkpoint.position))
    }

    /// The trails as they are kept, and how far that is at least; nothing before they are built.
    pub(super) fn trails(&self) -> Result<(TrailsState, Position), Fault> {
        let kept = self.trails.runner().state_and_checkpoint()?;
        Ok(kept.map(|(state, checkpoint)| (state, checkpoint.position)).unwrap_or_default())
    }

    /// What has to be said about how far the page is, if anything.
    pub(super) fn notice(&self) -> Option<String> {
        let of = |what: &str, progress: &Progress| {
            if let Some(pause) = &progress.paused {
                let (at, why) = (pause.position, &pause.why);
                return Some(format!("{what} stands still at position {at}: {why}"));
            }
            if let Some(error) = &progress.error {
                return Some(format!("{what} is as of position {}: {error}", progress.position));
            }
            let lag = progress.lag();
            (lag > WORTH_TELLING).then(|| match progress.time_left() {
                Some(time) => {
                    format!("{what} is {lag} events behind, about {} s.", time.as_secs())
                }
                None => format!("{what} is {lag} events behind."),
            })
        };
        of("The Email Log", &self.log.progress())
            .or_else(|| of("The summary", &self.summary.progress()))
            .or_else(|| of("What single events say", &self.trails.progress()))
    }
}

const TRIES: u32 = 3;
/// Fewer events are there before one can read it.
const WORTH_TELLING: u64 = 1_000;
