//! `report`: what people look at.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use mailtrail::Reported;
use mailtrail::core::projection::{AsOf, Parted, Projection};
use mailtrail::core::store::Head;
use mailtrail::core::{BroadcastId, Status};
use mailtrail::projection::Progress;
use mailtrail::report::render::{
    Cells, Footer, email_log_csv, email_log_json, email_log_table, summary_table,
};
use mailtrail::report::{self, EmailLogState, Query, Summary};
use serde_json::json;

use crate::failure::Failure;
use crate::output;
use crate::setup::{Opened, Setup};

/// Which report.
#[derive(Debug, Subcommand)]
pub(crate) enum Report {
    /// One row for each delivery, with its result and why.
    EmailLog(EmailLog),
    /// The ten counts, and the rates with their bases.
    Summary(Rows),
}

/// Which rows.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Rows {
    /// The broadcast; all of them if not given.
    broadcast: Option<BroadcastId>,
    /// Only rows with this label: name=value.
    #[arg(long = "where", value_name = "LABEL=VALUE")]
    labels: Vec<String>,
    /// Only rows with this status.
    #[arg(long)]
    status: Vec<Status>,
    /// By the values of this label.
    #[arg(long, value_name = "LABEL")]
    by: Option<String>,
    /// As it was: at a position; at a time, as this store knew it then; or occurred:TIME, of what had
    /// happened by then.
    #[arg(long, value_name = "POSITION|TIME", default_value_t)]
    as_of: AsOf,
}

/// The Email Log.
#[derive(Debug, Args)]
pub(crate) struct EmailLog {
    #[command(flatten)]
    rows: Rows,
    /// How it is written.
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// To this file; the footer goes to FILE.meta.json.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Exact values in CSV, also those that a spreadsheet would run.
    #[arg(long)]
    csv_raw: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Table,
    Csv,
    Json,
}

impl Report {
    pub(crate) async fn run(self, setup: &Setup) -> Result<(), Failure> {
        let opened = setup.open().await?;
        let as_of = match &self {
            Self::EmailLog(log) => log.rows.as_of,
            Self::Summary(rows) => rows.as_of,
        };
        match self {
            Self::EmailLog(log) => {
                let Reported { state, head, .. } = email_log(&opened, &as_of).await?;
                log.print(&state, &footer(&opened, head, &as_of)?, setup.json)
            }
            Self::Summary(rows) => rows.print_summary(&opened, setup.json).await,
        }
    }
}

async fn email_log(opened: &Opened, as_of: &AsOf) -> Result<Reported<EmailLogState>, Failure> {
    match as_of {
        AsOf::Now => current(opened, report::EmailLog).await,
        bound => Ok(opened.tracker.as_of(&report::EmailLog, bound).await?),
    }
}

/// The state of a report of everything that is stored now, with a progress bar where it has to be built.
pub(crate) async fn current<P>(
    opened: &Opened,
    projection: P,
) -> Result<Reported<P::State>, Failure>
where
    P: Projection,
    P::State: Parted,
{
    let bar = output::progress(Some(0), projection.name());
    let mut told = |progress: Progress| {
        bar.set_length(progress.head.get());
        bar.set_position(progress.position.get());
    };
    let reported = opened.tracker.current(projection, &mut told).await?;
    bar.finish_and_clear();
    Ok(reported)
}

/// Where a report comes from whose state is of the log up to here.
pub(crate) fn footer(opened: &Opened, head: Head, as_of: &AsOf) -> Result<Footer, Failure> {
    let program = concat!("mailtrail ", env!("CARGO_PKG_VERSION"));
    let rules = opened.classifier()?.version().to_owned();
    Ok(Footer::new(head, as_of.to_string(), program).versions(Some(rules), None))
}

impl Rows {
    fn query(&self) -> Result<Query, Failure> {
        let mut query = self.broadcast.clone().map_or_else(Query::default, Query::of);
        for label in &self.labels {
            let condition: Query = label.parse().map_err(Failure::data)?;
            query.labels.extend(condition.labels);
        }
        query.statuses.clone_from(&self.status);
        Ok(query)
    }

    async fn print_summary(&self, opened: &Opened, as_json: bool) -> Result<(), Failure> {
        let (groups, unmatched, head) = self.groups(opened).await?;
        if as_json {
            for (value, summary) in &groups {
                output::json(&summary_json(self.by.as_deref(), value, summary))?;
            }
            return Ok(());
        }
        output::bytes(summary_table(&groups, self.by.as_deref()).as_bytes())?;
        if unmatched > 0 {
            output::line(format!("{unmatched} pieces of feedback match no delivery"))?;
        }
        Ok(output::bytes(footer(opened, head, &self.as_of)?.lines().as_bytes())?)
    }

    /// The counts, how much feedback matches no delivery, and of which log that is. The counts of a broadcast are kept; what is asked of
    /// labels or statuses is counted from the rows.
    async fn groups(
        &self,
        opened: &Opened,
    ) -> Result<(BTreeMap<String, Summary>, u64, Head), Failure> {
        let one = |summary| BTreeMap::from([(String::new(), summary)]);
        let kept = self.labels.is_empty() && self.status.is_empty() && self.by.is_none();
        if kept && self.as_of == AsOf::Now {
            let Reported { state, head, .. } = current(opened, report::BroadcastSummary).await?;
            let summary = match &self.broadcast {
                Some(broadcast) => state.of(broadcast)?,
                None => state.of_all()?,
            };
            return Ok((one(summary), state.unmatched()?, head));
        }
        let query = self.query()?;
        let Reported { state, head, .. } = email_log(opened, &self.as_of).await?;
        let groups = match &self.by {
            Some(label) => state.summary_by(&query, label)?,
            None => one(state.summary(&query)?),
        };
        Ok((groups, state.unmatched()?, head))
    }
}

fn summary_json(label: Option<&str>, value: &str, summary: &Summary) -> serde_json::Value {
    let counts: serde_json::Map<_, _> =
        Status::ALL.iter().map(|s| (s.code().to_owned(), json!(summary.of(*s)))).collect();
    let mut line = json!({
        "statuses": counts,
        "rows": summary.rows(),
        "reached": summary.reached(),
        "read": summary.read(),
        "needs_attention": summary.needs_attention(),
        "bounced_after_delivery": summary.bounced_after_delivery,
        "complained": summary.complained,
        "unsubscribed": summary.unsubscribed,
        "in_doubt": summary.in_doubt,
    });
    if let Some(label) = label {
        line[label] = json!(value);
    }
    line
}

impl EmailLog {
    fn print(&self, state: &EmailLogState, footer: &Footer, as_json: bool) -> Result<(), Failure> {
        let rows = state.rows(&self.rows.query()?)?;
        let by_default = if as_json { Format::Json } else { Format::Table };
        let format = self.format.unwrap_or(by_default);
        let bytes = match format {
            Format::Json => email_log_json(&rows)?.into_bytes(),
            Format::Csv => {
                email_log_csv(&rows, if self.csv_raw { Cells::Raw } else { Cells::Safe })?
            }
            Format::Table => {
                let width = self.out.is_none().then(output::width).flatten();
                (email_log_table(&rows, width) + &footer.lines()).into_bytes()
            }
        };
        match (&self.out, format) {
            (Some(path), Format::Table) => std::fs::write(path, bytes)?,
            (Some(path), _) => {
                std::fs::write(path, bytes)?;
                let mut meta = path.clone().into_os_string();
                meta.push(".meta.json");
                std::fs::write(meta, serde_json::to_string(footer)? + "\n")?;
            }
            (None, Format::Table) => output::bytes(&bytes)?,
            (None, _) => {
                output::bytes(&bytes)?;
                output::note(serde_json::to_string(footer)?);
            }
        }
        Ok(())
    }
}
