//! The reports that are kept up to date while it serves.

use std::sync::Arc;

use mailtrail::core::projection::Projection;
use mailtrail::projection::Live;
use mailtrail::report::{BroadcastSummary, EmailLog, Trails};

use super::ports::Progressing;
use crate::command::rebuild::runner;
use crate::failure::Failure;
use crate::setup::Opened;

/// What all reports are read from: kept up to date, so that they open at once.
pub(super) struct Reports {
    pub(super) log: Arc<Live<EmailLog>>,
    pub(super) summary: Arc<Live<BroadcastSummary>>,
    pub(super) trails: Arc<Live<Trails>>,
}

impl Reports {
    pub(super) fn follow(opened: &Opened) -> Result<Self, Failure> {
        Ok(Self {
            log: Arc::new(runner(opened, EmailLog)?.spawn()?),
            summary: Arc::new(runner(opened, BroadcastSummary)?.spawn()?),
            trails: Arc::new(runner(opened, Trails)?.spawn()?),
        })
    }

    /// How far each of them is.
    pub(super) fn watched(&self) -> Vec<Progressing> {
        vec![
            (EmailLog.name().into(), Box::new(self.log.watch())),
            (BroadcastSummary.name().into(), Box::new(self.summary.watch())),
            (Trails.name().into(), Box::new(self.trails.watch())),
        ]
    }
}
