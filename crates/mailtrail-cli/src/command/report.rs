//! `report`: what people look at.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use mailtrail::Reported;
use mailtrail::core::projection::{AsOf, Parted, Projection};
use mailtrail::core::store::Head;
use mailtrail::core::{BroadcastId, Status};
use mailtrail::projection::Progress;
use mailtrail::report::render::{self, Cells, Footer};
use mailtrail::report::sheet::Sheet;
use mailtrail::report::{self, EmailLogRow, EmailLogState, Query, Summary};
use mailtrail::webhook::track::Machines;

use crate::failure::Failure;
use crate::output;
use crate::setup::{Opened, Setup};

/// Which report.
#[derive(Debug, Subcommand)]
pub(crate) enum Report {
    /// One row for each delivery, with its result and why.
    EmailLog(Asked),
    /// The ten counts, and the rates with their bases.
    Summary(Asked),
}

/// Of what, and how it is shown.
#[derive(Debug, Args)]
pub(crate) struct Asked {
    #[command(flatten)]
    rows: Rows,
    #[command(flatten)]
    shown: Shown,
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

/// How a report is shown.
#[derive(Debug, Args)]
struct Shown {
    /// How it is written.
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// To this file; of CSV and JSON the footer goes to FILE.meta.json.
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
    /// One self-contained page, to be read, mailed or printed.
    Html,
    /// For DuckDB, pandas and polars.
    Parquet,
}

impl Format {
    /// Whether the footer stands in what is written.
    fn has_footer(self) -> bool {
        !matches!(self, Self::Csv | Self::Json)
    }
}

impl Report {
    pub(crate) async fn run(self, setup: &Setup) -> Result<(), Failure> {
        let opened = setup.open().await?;
        let (Self::EmailLog(asked) | Self::Summary(asked)) = &self;
        let (sheet, head) = match &self {
            Self::EmailLog(_) => asked.rows.email_log(&opened).await?,
            Self::Summary(_) => asked.rows.summary(&opened).await?,
        };
        asked.shown.print(&sheet, &footer(&opened, head, &asked.rows.as_of)?, setup.json)
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
    let machines = Machines::builtin().version().to_owned();
    Ok(Footer::new(head, as_of.to_string(), program).versions(Some(rules), Some(machines)))
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

    async fn email_log(&self, opened: &Opened) -> Result<(Sheet, Head), Failure> {
        let query = self.query()?;
        let Reported { state, head, .. } = email_log(opened, &self.as_of).await?;
        Ok((EmailLogRow::sheet(&state.rows(&query)?), head))
    }

    async fn summary(&self, opened: &Opened) -> Result<(Sheet, Head), Failure> {
        let (groups, unmatched, head) = self.groups(opened).await?;
        let mut sheet = Summary::sheet(&groups, self.by.as_deref());
        if unmatched > 0 {
            sheet.note(format!("{unmatched} pieces of feedback match no delivery"));
        }
        Ok((sheet, head))
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

impl Shown {
    fn print(&self, sheet: &Sheet, footer: &Footer, as_json: bool) -> Result<(), Failure> {
        let by_default = if as_json { Format::Json } else { Format::Table };
        let format = self.format.unwrap_or(by_default);
        let bytes = match format {
            Format::Json => render::json(sheet)?.into_bytes(),
            Format::Csv => render::csv(sheet, if self.csv_raw { Cells::Raw } else { Cells::Safe })?,
            Format::Table => {
                let width = self.out.is_none().then(output::width).flatten();
                (render::table(sheet, width) + &footer.lines()).into_bytes()
            }
            Format::Html => {
                let page = std::slice::from_ref(sheet);
                render::html(&sheet.title, page, footer).into_bytes()
            }
            Format::Parquet if self.out.is_none() && output::width().is_some() => {
                let why = "a terminal can't show Parquet: name a file with --out";
                return Err(Failure::other(why).with_code(USAGE));
            }
            Format::Parquet => render::parquet(sheet, footer)?,
        };
        match &self.out {
            Some(path) if format.has_footer() => std::fs::write(path, bytes)?,
            Some(path) => {
                std::fs::write(path, bytes)?;
                let mut meta = path.clone().into_os_string();
                meta.push(".meta.json");
                std::fs::write(meta, serde_json::to_string(footer)? + "\n")?;
            }
            None if format.has_footer() => output::bytes(&bytes)?,
            None => {
                output::bytes(&bytes)?;
                output::note(serde_json::to_string(footer)?);
            }
        }
        Ok(())
    }
}

/// `EX_USAGE`.
const USAGE: u8 = 64;
