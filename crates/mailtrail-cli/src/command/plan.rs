//! `plan`: contacts to rows, or rows of an earlier broadcast to rows.

use std::path::{Path, PathBuf};

use clap::Args;
use mailtrail::core::id::Kind;
use mailtrail::core::plan::{Broadcast, PlanReport, Planner};
use mailtrail::core::{BroadcastId, Status};
use mailtrail::{FollowUp, FollowUpError, FollowUpReport};

use super::Doubt;
use crate::contacts::{BadLine, Contacts};
use crate::failure::Failure;
use crate::output;
use crate::setup::{Opened, Setup};

/// Plans a broadcast.
#[derive(Debug, Args)]
pub(crate) struct Plan {
    /// The broadcast's name.
    broadcast: BroadcastId,
    /// The contacts: `contact_id,name,address,kinds,time_zone`, further columns are labels.
    #[arg(required_unless_present = "status", conflicts_with = "status")]
    contacts: Option<PathBuf>,
    /// The type of broadcast, such as emergency or general. Of a follow-up by --status that of the earlier one, unless
    /// it is given; so are From and subject.
    #[arg(long, required_unless_present = "status")]
    kind: Option<Kind>,
    /// The From address.
    #[arg(long)]
    from: Option<String>,
    /// The subject line.
    #[arg(long)]
    subject: Option<String>,
    /// The broadcast that this one sends again.
    #[arg(long, value_name = "BROADCAST")]
    follow: Option<BroadcastId>,
    /// To the rows of that broadcast with these statuses, instead of a list of contacts: such as
    /// `bounced,soft_bounced,blocked,unsent`.
    #[arg(long, requires = "follow", value_delimiter = ',')]
    status: Vec<Status>,
    /// What to do about rows of which an attempt is in doubt.
    #[arg(long, requires = "status", value_enum, default_value_t)]
    on_doubt: Doubt,
}

impl Plan {
    pub(crate) async fn run(self, setup: &Setup) -> Result<(), Failure> {
        let opened = setup.open().await?;
        if let Some(earlier) = self.follow.as_ref().filter(|_| !self.status.is_empty()) {
            let report = self.follow_up(&opened, earlier).await?;
            return print_follow_up(&report, earlier, setup.json);
        }
        let (Some(contacts), Some(kind)) = (&self.contacts, &self.kind) else {
            return Err(Failure::data(
                "name the contacts and their --kind, or --follow and --status",
            ));
        };
        let (report, bad) = plan(&opened, self.broadcast(kind), contacts).await?;
        if setup.json {
            let mut value = serde_json::to_value(report)?;
            value["bad_lines"] = serde_json::to_value(&bad)?;
            output::json(&value)?;
        } else {
            print(&report)?;
            for bad in &bad {
                output::note(format!("line {}: {}", bad.line, bad.problem));
            }
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

    fn broadcast(&self, kind: &Kind) -> Broadcast {
        let mut broadcast = Broadcast::new(self.broadcast.clone(), kind.clone());
        if let Some(from) = &self.from {
            broadcast = broadcast.from_address(from.as_str());
        }
        if let Some(subject) = &self.subject {
            broadcast = broadcast.subject(subject.as_str());
        }
        if let Some(earlier) = &self.follow {
            broadcast = broadcast.follows(earlier.clone());
        }
        broadcast
    }

    async fn follow_up(
        &self,
        opened: &Opened,
        earlier: &BroadcastId,
    ) -> Result<FollowUpReport, Failure> {
        let mut follow_up =
            FollowUp::new(self.broadcast.clone(), earlier.clone()).on_doubt(self.on_doubt.into());
        follow_up =
            self.status.iter().fold(follow_up, |follow_up, status| follow_up.status(*status));
        if let Some(kind) = &self.kind {
            follow_up = follow_up.kind(kind.clone());
        }
        if let Some(from) = &self.from {
            follow_up = follow_up.from_address(from.as_str());
        }
        if let Some(subject) = &self.subject {
            follow_up = follow_up.subject(subject.as_str());
        }
        let progress = output::progress(None, "rows looked at");
        let planned = opened.tracker.plan_follow_up(&follow_up, &mut |_| progress.inc(1)).await;
        progress.finish_and_clear();
        planned.map_err(|error| match error {
            FollowUpError::Unknown { .. } | FollowUpError::Itself | FollowUpError::Duplicate => {
                Failure::data(error)
            }
            error => error.into(),
        })
    }
}

/// Plans a broadcast to the contacts of a file, and tells which of its lines could not be taken.
pub(crate) async fn plan(
    opened: &Opened,
    broadcast: Broadcast,
    contacts: &Path,
) -> Result<(PlanReport, Vec<BadLine>), Failure> {
    let mut contacts = Contacts::open(contacts)?;
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

fn print_follow_up(
    report: &FollowUpReport,
    earlier: &BroadcastId,
    json: bool,
) -> Result<(), Failure> {
    if json {
        return Ok(output::json(report)?);
    }
    print(&report.plan)?;
    output::line(format!("{:>9}  left out: an attempt is in doubt", report.in_doubt))?;
    output::line(format!("{:>9}  left out: the contact was erased", report.erased))?;
    if report.in_doubt > 0 {
        output::note(
            "whoever is in doubt may have got the message: --on-doubt resend plans them too",
        );
    }
    if report.still_waiting > 0 {
        let rows = report.still_waiting;
        output::note(format!(
            "{rows} of the rows still wait in {earlier}: don't send that one any more, or they get both"
        ));
    }
    Ok(())
}

fn print(report: &PlanReport) -> Result<(), Failure> {
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
    Ok(())
}
