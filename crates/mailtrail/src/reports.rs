//! The states that reports are read from.

use std::sync::Arc;
use std::time::Duration;

use mailtrail_core::projection::{
    AsOf, Checkpoint, Parted, Pause, Projection, ReplayError, replay,
};
use mailtrail_core::store::{Filter, Head, ReadError};
use mailtrail_core::{DeliveryId, Position, Status};
use mailtrail_report::{BroadcastSummary, BroadcastSummaryState, EmailLog, EmailLogState};

use crate::Tracker;
use crate::projection::{Progress, RunError, Runner};

impl Tracker {
    /// The state of the Email Log, of everything that is stored now.
    ///
    /// # Errors
    /// [`ReportError`].
    pub async fn email_log(&self) -> Result<EmailLogState, ReportError> {
        Ok(self.current(EmailLog, &mut |_| ()).await?.state)
    }

    /// The state of the Email Log as it was at a position, as this store knew it at a time, or of what had
    /// happened by a time.
    ///
    /// # Errors
    /// As of [`email_log`](Self::email_log).
    pub async fn email_log_as_of(&self, as_of: &AsOf) -> Result<EmailLogState, ReportError> {
        match as_of {
            AsOf::Now => self.email_log().await,
            bound => Ok(self.as_of(&EmailLog, bound).await?.state),
        }
    }

    /// The counts of every broadcast, of everything that is stored now.
    ///
    /// # Errors
    /// As of [`email_log`](Self::email_log).
    pub async fn broadcast_summary(&self) -> Result<BroadcastSummaryState, ReportError> {
        Ok(self.current(BroadcastSummary, &mut |_| ()).await?.state)
    }

    /// The status of a delivery: from the kept summary where the tracker keeps states, else from its events.
    ///
    /// # Errors
    /// As of [`email_log`](Self::email_log).
    ///
    /// # Example
    /// ```
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
    /// # use mailtrail::core::plan::{Broadcast, Contact, ContactAddress};
    /// use mailtrail::memory::{MemoryStates, MemoryStore};
    /// use mailtrail::prelude::*;
    /// let states = std::sync::Arc::new(MemoryStates::default());
    /// let tracker = Tracker::builder(MemoryStore::new()).states(states).open();
    /// # let ann = Contact::new("c1".parse()?).address(ContactAddress::new("ann@a.example"));
    /// # tracker.plan(Broadcast::new("b".parse()?, "general".parse()?), [ann]).await?;
    /// let delivery = tracker.queued("b".parse()?).next().await?.unwrap();
    /// assert_eq!(tracker.status(delivery.id()).await?, Status::Unsent);
    /// # Ok::<(), Box<dyn std::error::Error>>(()) })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn status(&self, delivery: DeliveryId) -> Result<Status, ReportError> {
        if self.states().is_none() {
            let evidence = self.evidence(delivery).await.map_err(ReplayError::from)?;
            return Ok(evidence.status());
        }
        let summary = self.broadcast_summary().await?;
        Ok(summary.status(delivery).map_err(RunError::from)?)
    }

    /// The state of a projection, of everything that is stored now. Where the tracker has a place for
    /// [states](crate::tracker::Builder::states) it is kept there: only what is new since the last call has to be
    /// read. Without one the whole log is.
    ///
    /// # Errors
    /// [`ReportError`].
    pub async fn current<P>(
        &self,
        projection: P,
        progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<Reported<P::State>, ReportError>
    where
        P: Projection,
        P::State: Parted,
    {
        let Some(states) = self.states() else {
            return self.as_of(&projection, &AsOf::Now).await;
        };
        let runner = Runner::parted(Arc::clone(self.store()), Arc::clone(states), projection);
        loop {
            match runner.catch_up(progress).await {
                Err(RunError::BeingBuilt) => tokio::time::sleep(LOOK_AGAIN).await,
                Err(error) => return Err(error.into()),
                Ok(Checkpoint { paused: Some(pause), .. }) => {
                    let projection = runner.id().name;
                    let Pause { position, why, .. } = pause;
                    return Err(ReportError::Paused { projection, position, why });
                }
                Ok(_) => {
                    // One that was discarded since is built again.
                    let kept = runner.state_and_checkpoint().map_err(RunError::from)?;
                    if let Some((state, at)) = kept {
                        let head = Head::new(at.position, at.hash.unwrap_or_default());
                        return Ok(Reported { state, head });
                    }
                }
            }
        }
    }

    /// The state of a projection as it was at a position, as this store knew it at a time, or of what had happened by
    /// a time: built from the events.
    ///
    /// # Errors
    /// [`ReportError::Replay`].
    pub async fn as_of<P: Projection>(
        &self,
        projection: &P,
        as_of: &AsOf,
    ) -> Result<Reported<P::State>, ReportError> {
        let (mut state, from) = (P::State::default(), Checkpoint::default());
        let reached = replay(&**self.store(), projection, &mut state, from, as_of).await?.position;
        let position = match as_of {
            AsOf::Position(bound) => reached.min(*bound),
            _ => reached,
        };
        let head = self.head_at(position).await.map_err(ReplayError::from)?;
        Ok(Reported { state, head })
    }

    /// The end of the log as it was at a position.
    async fn head_at(&self, position: Position) -> Result<Head, ReadError> {
        let before = Position::new(position.get().saturating_sub(1));
        let page = self.store().read_all(&Filter::all(), before, 1).await?;
        let record = page.events.first().filter(|record| record.position == position);
        Ok(record.map_or_else(Head::default, |record| Head::new(position, record.hash)))
    }
}

/// The state of a report, and where it comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reported<S> {
    /// The state.
    pub state: S,
    /// The log up to here is in it, and nothing that came since, also where another process keeps it up to date. Where
    /// that overwrites very much of it while it is read, reading fails with [`StateError::Moved`](mailtrail_core::projection::StateError::Moved): ask again.
    pub head: Head,
}

/// Why a report can't be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReportError {
    /// The log can't be read, or an event not be applied.
    #[error("the report can't be made from the events")]
    Replay(#[from] ReplayError),
    /// The kept state can't be brought up to date.
    #[error("the report can't be brought up to date")]
    Run(#[from] RunError),
    /// The projection stands still at an event that it can't apply: mend it and [resume](crate::projection::resume),
    /// or [skip](crate::projection::skip) that event.
    #[error("{projection} stands still at position {position}: {why}")]
    Paused {
        /// Which projection.
        projection: Box<str>,
        /// Where.
        position: Position,
        /// Why.
        why: Box<str>,
    },
}

/// How soon a build of another one is looked at again.
const LOOK_AGAIN: Duration = Duration::from_millis(200);
