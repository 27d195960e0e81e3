//! The reports that are views over kept states.

use clap::Args;
use mailtrail::core::store::Head;
use mailtrail::report::sheet::Sheet;
use mailtrail::report::{
    By, Contradictions, CustomEvents, DomainHealth, InvalidAddresses, Period, ReadingBehaviour,
    TrackingCoverage, Trails, TrailsState, UnmatchedFeedback,
};

use super::{Asked, Rows, state_of, unanswered};
use crate::failure::Failure;
use crate::setup::Opened;

/// By which time.
#[derive(Debug, Args)]
pub(crate) struct Health {
    #[command(flatten)]
    pub(super) asked: Asked,
    /// Week by week.
    #[arg(long)]
    weekly: bool,
}

impl Health {
    pub(super) async fn sheet(&self, opened: &Opened) -> Result<(Sheet, Head), Failure> {
        let (state, query, head) = self.asked.rows.asked(opened).await?;
        let period = if self.weekly { Period::Week } else { Period::Day };
        Ok((DomainHealth::of(&state, &query, period)?.sheet(), head))
    }
}

impl Rows {
    pub(super) async fn trails(&self, opened: &Opened) -> Result<TrailsState, Failure> {
        Ok(state_of(opened, Trails, &self.as_of).await?.state)
    }

    pub(super) async fn invalid_addresses(
        &self,
        opened: &Opened,
    ) -> Result<(Sheet, Head), Failure> {
        let (state, query, head) = self.asked_by_label(opened).await?;
        let invalid = InvalidAddresses::of(&state, &query)?;
        Ok((invalid.sheet(self.by.as_deref()), head))
    }

    pub(super) async fn reading_behaviour(
        &self,
        opened: &Opened,
    ) -> Result<(Sheet, Head), Failure> {
        let (state, query, head) = self.asked(opened).await?;
        let Ok(by) = self.by.as_deref().map_or(Ok(By::default()), str::parse);
        if let By::Label(label) = &by {
            state.check_label(&query, label).map_err(unanswered)?;
        }
        Ok((ReadingBehaviour::of(&state, &query, &by)?.sheet(), head))
    }

    pub(super) async fn tracking_coverage(
        &self,
        opened: &Opened,
    ) -> Result<(Sheet, Head), Failure> {
        let (state, query, head) = self.asked(opened).await?;
        Ok((TrackingCoverage::of(&state, &query)?.sheet(), head))
    }

    pub(super) async fn unmatched(&self, opened: &Opened) -> Result<(Sheet, Head), Failure> {
        let trails = state_of(opened, Trails, &self.as_of).await?;
        Ok((UnmatchedFeedback::of(&trails.state)?.sheet(), trails.head))
    }

    pub(super) async fn contradictions(&self, opened: &Opened) -> Result<(Sheet, Head), Failure> {
        let (state, query, head) = self.asked(opened).await?;
        let trails = self.trails(opened).await?;
        Ok((Contradictions::of(&state, &trails, &query)?.sheet(), head))
    }

    pub(super) async fn custom_events(&self, opened: &Opened) -> Result<(Sheet, Head), Failure> {
        let (state, query, head) = self.asked(opened).await?;
        let trails = self.trails(opened).await?;
        Ok((CustomEvents::of(&state, &trails, &query)?.sheet(), head))
    }
}
