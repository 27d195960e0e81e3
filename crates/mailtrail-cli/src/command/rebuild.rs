//! `rebuild`: the reports anew from the events.

use clap::Args;
use mailtrail::report::Query;
use mailtrail::report::render::{Cells, email_log_csv};

use crate::failure::Failure;
use crate::output;
use crate::setup::Setup;

/// Builds the reports anew.
#[derive(Debug, Args)]
pub(crate) struct Rebuild {
    /// Compare what was built in one go with what was built step by step.
    #[arg(long)]
    check: bool,
}

impl Rebuild {
    pub(crate) async fn run(self, setup: &Setup) -> Result<(), Failure> {
        let opened = setup.open().await?;
        let whole = opened.tracker.email_log().await?;
        let rows = whole.rows(&Query::default());
        if self.check {
            let live = opened.tracker.live_email_log(CHECK_STEP).await?;
            let csv = |rows: &[_]| email_log_csv(rows, Cells::Raw);
            if csv(&rows)? != csv(&live.rows(&Query::default()))? {
                return Err(Failure::other("rebuilt and live reports differ: please report this"));
            }
        }
        let checked = if self.check { ", and equal step by step" } else { "" };
        if setup.json {
            output::json(&serde_json::json!({ "rows": rows.len(), "checked": self.check }))?;
        } else {
            output::line(format!("{} rows rebuilt from events{checked}", rows.len()))?;
        }
        Ok(())
    }
}

/// Events a step: small enough that a report is built in many.
const CHECK_STEP: usize = 97;
