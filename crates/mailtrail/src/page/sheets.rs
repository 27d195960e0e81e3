//! Any report, as a page.

use std::sync::Arc;

use axum::extract::{Extension, Path, RawQuery, State};
use axum::response::Html;
use mailtrail_core::projection::StateError;
use mailtrail_report::render;
use mailtrail_report::sheet::Sheet;
use mailtrail_report::{
    By, Contradictions, CustomEvents, DomainHealth, EmailLogState, InvalidAddresses, Period, Query,
    ReadingBehaviour, TrackingCoverage, TrailsState, UnmatchedFeedback,
};
use maud::html;

use super::Page;
use super::fault::Fault;
use super::frame::{self, encoded, safe};
use super::live;
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
        (live::notice(&shared))
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

/// With the reports that are views over the Email Log: as they are now, of all broadcasts.
pub(super) fn of_log(page: Page) -> Page {
    type View = fn(&EmailLogState) -> Result<Sheet, StateError>;
    let views: [(&str, &str, View); 4] = [
        ("invalid_addresses", "Invalid addresses", |state| {
            Ok(InvalidAddresses::of(state, &Query::default())?.sheet(None))
        }),
        ("reading_behaviour", "Reading behaviour", |state| {
            Ok(ReadingBehaviour::of(state, &Query::default(), &By::default())?.sheet())
        }),
        ("domain_health", "Domain health", |state| {
            Ok(DomainHealth::of(state, &Query::default(), Period::Day)?.sheet())
        }),
        ("tracking_coverage", "Tracking coverage", |state| {
            Ok(TrackingCoverage::of(state, &Query::default())?.sheet())
        }),
    ];
    views.into_iter().fold(page, |page, (name, title, view)| {
        let log = Arc::clone(&page.log);
        page.sheet(name, title, move || {
            // Before the first build there is nothing, and soon there will be.
            Ok(view(&log.state()?.unwrap_or_default())?)
        })
    })
}

/// With the reports of what single events say. Where the trails are behind the Email Log, what brought a refusal comes a
/// moment later than its row.
pub(super) fn of_trails(page: Page) -> Page {
    type View = fn(&EmailLogState, &TrailsState) -> Result<Sheet, StateError>;
    let views: [(&str, &str, View); 3] = [
        ("unmatched_feedback", "Unmatched feedback", |log, trails| {
            Ok(UnmatchedFeedback::of(log, trails)?.sheet())
        }),
        ("contradictions", "Contradictions", |log, trails| {
            Ok(Contradictions::of(log, trails, &Query::default())?.sheet(None))
        }),
        ("custom_events", "Custom events", |log, trails| {
            Ok(CustomEvents::of(log, trails, &Query::default())?.sheet(None))
        }),
    ];
    views.into_iter().fold(page, |page, (name, title, view)| {
        let (log, trails) = (Arc::clone(&page.log), Arc::clone(&page.trails));
        page.sheet(name, title, move || {
            let (log, trails) = (log.state()?.unwrap_or_default(), trails.state()?);
            Ok(view(&log, &trails.unwrap_or_default())?)
        })
    })
}

/// The report of this name, as it is now.
pub(super) async fn of(shared: &Arc<Shared>, name: &str) -> Result<Sheet, Fault> {
    let name: Box<str> = name.into();
    shared
        .read(move |shared| {
            let sheet = shared.sheets.get(&name).ok_or(Fault::NotFound { what: "report" })?;
            // What was saved meanwhile is read again, as for every page.
            (sheet.make)().map_err(|error| match error.downcast::<StateError>() {
                Ok(error) => Fault::State(*error),
                Err(error) => Fault::Sheet(error),
            })
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
