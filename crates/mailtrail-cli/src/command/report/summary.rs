//! `report summary`: the counts, as they are, as they were, and beside others.

use std::collections::BTreeMap;

use clap::Args;
use mailtrail::Reported;
use mailtrail::core::projection::AsOf;
use mailtrail::core::store::Head;
use mailtrail::report::sheet::Sheet;
use mailtrail::report::{BroadcastSummary, Comparison, OverTime, Summary, Times};

use super::{Asked, Rows, current};
use crate::failure::Failure;
use crate::setup::Opened;

/// Which counts.
#[derive(Debug, Args)]
pub(crate) struct Counted {
    #[command(flatten)]
    pub(super) asked: Asked,
    /// With how long it took until rows were delivered and opened.
    #[arg(long, conflicts_with_all = ["over_time", "compare"])]
    times: bool,
    /// The counts as they were, hour by hour.
    #[arg(long, conflicts_with_all = ["compare", "by"])]
    over_time: bool,
    /// Beside the last so many broadcasts of the same type.
    #[arg(long, value_name = "BROADCASTS", conflicts_with = "by")]
    compare: Option<usize>,
}

impl Counted {
    pub(super) async fn sheet(&self, opened: &Opened) -> Result<(Sheet, Head), Failure> {
        let rows = &self.asked.rows;
        if let Some(count) = self.compare {
            let (state, query, head) = rows.asked(opened).await?;
            return Ok((Comparison::of(&state, &query, count)?.sheet(), head));
        }
        if self.over_time {
            let (state, query, head) = rows.asked(opened).await?;
            let trails = rows.trails(opened).await?;
            return Ok((OverTime::of(&state, &trails, &query)?.sheet(), head));
        }
        let by = rows.by.as_deref();
        let (groups, unmatched, times, head) = self.groups(opened).await?;
        let mut sheet = Summary::sheet(&groups, by);
        if let Some(times) = times {
            Times::add_to(&mut sheet, &times);
        }
        if unmatched > 0 {
            sheet.note(format!("{unmatched} pieces of feedback match no delivery"));
        }
        Ok((sheet, head))
    }

    /// The counts, how much feedback matches no delivery, the times if they are asked for, and of which log that is. The
    /// counts of a broadcast are kept; what is asked of columns, labels, statuses or times is counted from the rows.
    async fn groups(&self, opened: &Opened) -> Result<Groups, Failure> {
        let one = |summary| BTreeMap::from([(String::new(), summary)]);
        let rows = &self.asked.rows;
        if rows.is_whole() && !self.times {
            let Reported { state, head, .. } = current(opened, BroadcastSummary).await?;
            let summary = match &rows.broadcast {
                Some(broadcast) => state.of(broadcast)?,
                None => state.of_all()?,
            };
            return Ok((one(summary), state.unmatched()?, None, head));
        }
        let (state, query, head) = rows.asked_by_label(opened).await?;
        let groups = match &rows.by {
            Some(label) => state.summary_by(&query, label)?,
            None => one(state.summary(&query)?),
        };
        let times =
            self.times.then(|| Times::by(&state, &query, rows.by.as_deref())).transpose()?;
        Ok((groups, state.unmatched()?, times, head))
    }
}

type Groups = (BTreeMap<String, Summary>, u64, Option<BTreeMap<String, Times>>, Head);

impl Rows {
    /// Whether it is of all rows of a broadcast, or of all of them, as they are now.
    fn is_whole(&self) -> bool {
        let all = self.conditions.is_empty() && self.status.is_empty() && self.by.is_none();
        all && self.as_of == AsOf::Now
    }
}
