//! The reports that are views over kept states.

use std::collections::BTreeMap;

use clap::Args;
use mailtrail::core::store::Head;
use mailtrail::report::sheet::Sheet;
use mailtrail::report::{
    By, Contradictions, CustomEvents, DomainHealth, EmailLogState, InvalidAddresses, Period,
    ReadingBehaviour, TrackingCoverage, Trails, TrailsState, UnmatchedFeedback,
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
        let (rows, period) =
            (&self.asked.rows, if self.weekly { Period::Week } else { Period::Day });
        let (state, query, head) = rows.asked_by_label(opened).await?;
        let groups = DomainHealth::by(&state, &query, period, rows.by.as_deref())?;
        let nothing = DomainHealth::of(&EmailLogState::default(), &query, period)?.sheet();
        let groups = groups.into_iter().map(|(value, health)| (value, health.sheet())).collect();
        Ok((rows.of_groups(nothing, groups), head))
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
        let (state, query, head) = self.asked_by_label(opened).await?;
        let groups = TrackingCoverage::by(&state, &query, self.by.as_deref())?;
        let groups = groups.into_iter().map(|(value, coverage)| (value, coverage.sheet()));
        let nothing = TrackingCoverage::default().sheet();
        Ok((self.of_groups(nothing, groups.collect()), head))
    }

    /// A report by the values of the label that is asked for, if one is.
    fn of_groups(&self, nothing: Sheet, mut groups: BTreeMap<String, Sheet>) -> Sheet {
        match &self.by {
            Some(label) => Sheet::of_groups(label, nothing, &groups),
            None => groups.pop_first().map_or(nothing, |(_, whole)| whole),
        }
    }

    pub(super) async fn unmatched(&self, opened: &Opened) -> Result<(Sheet, Head), Failure> {
        let (state, _, head) = self.asked(opened).await?;
        let trails = self.trails(opened).await?;
        Ok((UnmatchedFeedback::of(&state, &trails)?.sheet(), head))
    }

    pub(super) async fn contradictions(&self, opened: &Opened) -> Result<(Sheet, Head), Failure> {
        let (state, query, head) = self.asked_by_label(opened).await?;
        let trails = self.trails(opened).await?;
        let sheet = Contradictions::of(&state, &trails, &query)?.sheet(self.by.as_deref());
        Ok((sheet, head))
    }

    pub(super) async fn custom_events(&self, opened: &Opened) -> Result<(Sheet, Head), Failure> {
        let (state, query, head) = self.asked_by_label(opened).await?;
        let trails = self.trails(opened).await?;
        Ok((CustomEvents::of(&state, &trails, &query)?.sheet(self.by.as_deref()), head))
    }
}
