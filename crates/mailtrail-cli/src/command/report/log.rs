//! `report email-log`: the rows, in any order and page by page.

use clap::Args;
use mailtrail::core::store::Head;
use mailtrail::report::sheet::Sheet;
use mailtrail::report::{Cursor, EmailLog, EmailLogRow, Paging, Sort};

use super::{Asked, state_of, unanswered};
use crate::failure::Failure;
use crate::output;
use crate::setup::Opened;

/// Which rows, and in which order.
#[derive(Debug, Args)]
pub(crate) struct Log {
    #[command(flatten)]
    pub(super) asked: Asked,
    /// Only rows in which this text stands somewhere.
    #[arg(long, value_name = "TEXT")]
    search: Option<String>,
    /// By this column or label; with :desc the greatest first.
    #[arg(long, value_name = "COLUMN[:desc]")]
    sort: Option<Sort>,
    /// At most so many rows; says behind which one the next page begins.
    #[arg(long, value_name = "ROWS", conflicts_with = "by")]
    limit: Option<usize>,
    /// The rows behind this one, as the page before said.
    #[arg(long, value_name = "CURSOR", conflicts_with = "by")]
    after: Option<Cursor>,
}

impl Log {
    pub(super) async fn sheet(&self, opened: &Opened) -> Result<(Sheet, Head), Failure> {
        let rows = &self.asked.rows;
        let mut query = rows.query(opened);
        query.search.clone_from(&self.search);
        let reported = state_of(opened, EmailLog, &rows.as_of).await?;
        reported.state.check(&query, self.sort.as_ref()).map_err(unanswered)?;
        if let Some(label) = &rows.by {
            reported.state.check_label(&query, label).map_err(unanswered)?;
        }
        let mut paging = Paging::default();
        paging.sort.clone_from(&self.sort);
        paging.limit = self.limit;
        paging.after.clone_from(&self.after);
        let mut page = reported.state.page(&query, &paging).map_err(unanswered)?;
        if let Some(next) = page.next {
            output::note(format!("there are more rows: --after {next}"));
        }
        let Some(label) = &rows.by else {
            return Ok((EmailLogRow::sheet(&page.rows), reported.head));
        };
        let value = |row: &EmailLogRow| row.labels.get(label).cloned().unwrap_or_default();
        page.rows.sort_by_cached_key(value);
        let sheet = EmailLogRow::sheet(&page.rows);
        Ok((sheet.led_by(label, page.rows.iter().map(value)), reported.head))
    }
}
