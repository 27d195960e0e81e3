//! `report`: what people look at.

mod log;
mod summary;
mod views;

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use mailtrail::Reported;
use mailtrail::core::projection::{AsOf, Parted, Projection};
use mailtrail::core::store::Head;
use mailtrail::core::{BroadcastId, Status};
use mailtrail::projection::Progress;
use mailtrail::report::render::{self, Cells, Footer};
use mailtrail::report::sheet::Sheet;
use mailtrail::report::{self, EmailLogState, Query, QueryError};
use mailtrail::webhook::track::Machines;

use crate::failure::Failure;
use crate::output;
use crate::setup::{Opened, Setup};

/// Which report.
#[derive(Debug, Subcommand)]
pub(crate) enum Report {
    /// One row for each delivery, with its result and why.
    EmailLog(log::Log),
    /// The ten counts, and the rates with their bases.
    Summary(summary::Counted),
    /// The contacts that have to give another address, and why.
    InvalidAddresses(Asked),
    /// What is read most and least: --by kind, subject, hour, weekday, contact, domain or a label.
    ReadingBehaviour(Asked),
    /// What the servers of each recipient domain did, day by day, and where that changed suddenly.
    DomainHealth(views::Health),
    /// How much is known, by domain and by From address, and what would make it more.
    TrackingCoverage(Asked),
    /// What came back, and names no delivery of ours.
    UnmatchedFeedback(Asked),
    /// What arrived, and yet was refused.
    Contradictions(Asked),
    /// Events that are none of ours: kept, and without effect.
    CustomEvents(Asked),
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
    /// Only rows with this value in a column or label: name=value.
    #[arg(long = "where", value_name = "COLUMN=VALUE")]
    conditions: Vec<Query>,
    /// Only rows with this status.
    #[arg(long)]
    status: Vec<Status>,
    /// By the values of this label, or what the report is made by.
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
        self.check()?;
        let opened = setup.open().await?;
        let (asked, (sheet, head)) = match &self {
            Self::EmailLog(log) => (&log.asked, log.sheet(&opened).await?),
            Self::Summary(counted) => (&counted.asked, counted.sheet(&opened).await?),
            Self::InvalidAddresses(asked) => (asked, asked.rows.invalid_addresses(&opened).await?),
            Self::ReadingBehaviour(asked) => (asked, asked.rows.reading_behaviour(&opened).await?),
            Self::DomainHealth(health) => (&health.asked, health.sheet(&opened).await?),
            Self::TrackingCoverage(asked) => (asked, asked.rows.tracking_coverage(&opened).await?),
            Self::UnmatchedFeedback(asked) => (asked, asked.rows.unmatched(&opened).await?),
            Self::Contradictions(asked) => (asked, asked.rows.contradictions(&opened).await?),
            Self::CustomEvents(asked) => (asked, asked.rows.custom_events(&opened).await?),
        };
        asked.shown.print(&sheet, &footer(&opened, head, &asked.rows.as_of)?, setup.json)
    }

    /// Whether the report can be what is asked: what it can't be made of is not left out in silence.
    fn check(&self) -> Result<(), Failure> {
        let Self::UnmatchedFeedback(Asked { rows, .. }) = self else { return Ok(()) };
        let is_of_all = rows.broadcast.is_none() && rows.conditions.is_empty();
        if is_of_all && rows.status.is_empty() && rows.by.is_none() {
            return Ok(());
        }
        Err(Failure::data("what matches no delivery has no broadcast, label or status"))
    }
}

/// The state of a projection, as of then.
async fn state_of<P>(
    opened: &Opened,
    projection: P,
    as_of: &AsOf,
) -> Result<Reported<P::State>, Failure>
where
    P: Projection,
    P::State: Parted,
{
    match as_of {
        AsOf::Now => current(opened, projection).await,
        bound => Ok(opened.tracker.as_of(&projection, bound).await?),
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

/// Why a query has no answer: mostly as it asks for what is not there.
fn unanswered(error: QueryError) -> Failure {
    match error {
        QueryError::State(error) => error.into(),
        error => Failure::data(error),
    }
}

/// Where a report comes from whose state is of the log up to here.
pub(crate) fn footer(opened: &Opened, head: Head, as_of: &AsOf) -> Result<Footer, Failure> {
    let program = concat!("mailtrail ", env!("CARGO_PKG_VERSION"));
    let rules = opened.classifier()?.version().to_owned();
    let machines = Machines::builtin().version().to_owned();
    Ok(Footer::new(head, as_of.to_string(), program).versions(Some(rules), Some(machines)))
}

impl Rows {
    fn query(&self, opened: &Opened) -> Query {
        let query = self.broadcast.clone().map_or_else(Query::default, Query::of);
        let mut query = self.conditions.iter().cloned().fold(query, Query::and);
        query.statuses.clone_from(&self.status);
        query.now = match self.as_of {
            AsOf::Now => Some(opened.tracker.clock().now()),
            AsOf::RecordedAt(at) | AsOf::OccurredAt(at) => Some(at),
            _ => None,
        };
        query
    }

    /// The state of the Email Log, and what is asked of it, if all of that is there.
    async fn asked(&self, opened: &Opened) -> Result<(EmailLogState, Query, Head), Failure> {
        let query = self.query(opened);
        let Reported { state, head, .. } = state_of(opened, report::EmailLog, &self.as_of).await?;
        state.check(&query, None).map_err(unanswered)?;
        Ok((state, query, head))
    }

    /// The same, of a report that is made by the values of a label.
    async fn asked_by_label(
        &self,
        opened: &Opened,
    ) -> Result<(EmailLogState, Query, Head), Failure> {
        let (state, query, head) = self.asked(opened).await?;
        if let Some(label) = &self.by {
            state.check_label(&query, label).map_err(unanswered)?;
        }
        Ok((state, query, head))
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
