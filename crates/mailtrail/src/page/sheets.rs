//! Any report, as a page.

use std::sync::Arc;

use axum::extract::{Extension, Path, RawQuery, State};
use axum::response::Html;
use mailtrail_report::render;
use mailtrail_report::sheet::Sheet;
use maud::html;

use super::fault::Fault;
use super::frame::{self, encoded, safe};
use super::session::Viewer;
use super::shared::Shared;

pub(super) async fn show(
    State(shared): State<Arc<Shared>>,
    Extension(viewer): Extension<Viewer>,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Html<String>, Fault> {
    let from = from(query.as_deref().unwrap_or_default())?;
    let mut sheet = of(&shared, &name).await?;
    let all = sheet.rows.len();
    sheet.rows = sheet.rows.into_iter().skip(from).take(ROWS).collect();
    let next = from.saturating_add(sheet.rows.len());
    if from > 0 {
        // What is drawn is of all rows, and stands on the first page.
        sheet.charts.clear();
    }
    let title = safe(&sheet.title);
    let content = html! {
        h1 { (title) }
        @if all > ROWS { p { "Rows " (from.saturating_add(1)) " to " (next) " of " (all) } }
        (render::section(&sheet))
        nav class="pages" aria-label="Pages" {
            @if from > 0 { a href={ "/sheets/" (encoded(&name)) } { "First rows" } }
            @if next < all {
                a rel="next" href={ "/sheets/" (encoded(&name)) "?from=" (next) } { "Next rows" }
            }
        }
    };
    Ok(frame::page(&shared, &viewer, &title, &content))
}

/// The report of this name, as it is now.
pub(super) async fn of(shared: &Arc<Shared>, name: &str) -> Result<Sheet, Fault> {
    let name: Box<str> = name.into();
    shared
        .read(move |shared| {
            let sheet = shared.sheets.get(&name).ok_or(Fault::NotFound { what: "report" })?;
            (sheet.make)().map_err(Fault::Sheet)
        })
        .await
}

/// The first row, from 0.
fn from(query: &str) -> Result<usize, Fault> {
    let from = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "from");
    let Some((_, from)) = from else { return Ok(0) };
    from.parse().map_err(|error| Fault::malformed("from", &error))
}

const ROWS: usize = 500;
