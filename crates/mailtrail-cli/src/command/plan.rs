//! `plan`: contacts to rows.

use std::path::PathBuf;

use clap::Args;
use mailtrail::core::BroadcastId;
use mailtrail::core::id::Kind;
use mailtrail::core::plan::{Broadcast, PlanReport, Planner};

use crate::contacts::{BadLine, Contacts};
use crate::failure::Failure;
use crate::output;
use crate::setup::{Opened, Setup};

/// Plans a broadcast.
#[derive(Debug, Args)]
pub(crate) struct Plan {
    /// The broadcast's name.
    pub(crate) broadcast: BroadcastId,
    /// The contacts: `contact_id,name,address,kinds,time_zone`, further columns are labels.
    pub(crate) contacts: PathBuf,
    /// The type of broadcast, such as emergency or general.
    #[arg(long)]
    pub(crate) kind: Kind,
    /// The From address.
    #[arg(long)]
    pub(crate) from: Option<String>,
    /// The subject line.
    #[arg(long)]
    pub(crate) subject: Option<String>,
    /// The broadcast that this one sends again.
    #[arg(long)]
    pub(crate) follows: Option<BroadcastId>,
}

impl Plan {
    pub(crate) async fn run(self, setup: &Setup) -> Result<(), Failure> {
        let opened = setup.open().await?;
        let (report, bad) = self.plan(&opened).await?;
        if setup.json {
            let mut value = serde_json::to_value(report)?;
            value["bad_lines"] = serde_json::to_value(&bad)?;
            output::json(&value)?;
        } else {
            print(&report, &bad)?;
        }
        if bad.is_empty() {
            Ok(())
        } else {
            Err(Failure::data(format!(
                "{} lines could not be taken; all others are planned",
                bad.len()
            )))
        }
    }

    pub(crate) async fn plan(
        &self,
        opened: &Opened,
    ) -> Result<(PlanReport, Vec<BadLine>), Failure> {
        let mut broadcast = Broadcast::new(self.broadcast.clone(), self.kind.clone());
        if let Some(from) = &self.from {
            broadcast = broadcast.from_address(from.as_str());
        }
        if let Some(subject) = &self.subject {
            broadcast = broadcast.subject(subject.as_str());
        }
        if let Some(earlier) = &self.follows {
            broadcast = broadcast.follows(earlier.clone());
        }
        let mut contacts = Contacts::open(&self.contacts)?;
        let store = opened.tracker.store();
        let mut planner = Planner::open(&**store, broadcast, &**opened.tracker.clock()).await?;
        let progress = output::progress(None, "planned contacts");
        for contact in contacts.by_ref() {
            planner.add(contact).await?;
            progress.inc(1);
        }
        progress.finish_and_clear();
        Ok((planner.finish().await?, contacts.bad))
    }
}

fn print(report: &PlanReport, bad: &[BadLine]) -> Result<(), Failure> {
    let counts = [
        ("to be sent", report.queued),
        ("no email selected", report.not_selected),
        ("duplicate", report.duplicate),
        ("blocked", report.blocked),
        ("failed: not an address", report.malformed),
        ("unchanged, planned before", report.unchanged),
        ("repeated lines", report.repeated),
    ];
    for (what, count) in counts {
        output::line(format!("{count:>9}  {what}"))?;
    }
    for bad in bad {
        output::note(format!("line {}: {}", bad.line, bad.problem));
    }
    Ok(())
}
