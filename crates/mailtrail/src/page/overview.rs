//! The broadcasts, and how each went.

use std::sync::Arc;

use axum::extract::{Extension, RawQuery, State};
use axum::response::Html;
use mailtrail_core::BroadcastId;
use mailtrail_report::Summary;
use mailtrail_report::render;
use mailtrail_report::sheet::{Cell, Kind};
use maud::{Markup, html};

use super::fault::Fault;
use super::frame::{self, query, safe};
use super::live::{self, Fragment};
use super::session::Viewer;
use super::shared::Shared;

/// Which broadcasts are shown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Overview {
    search: String,
    /// The last one of the page before.
    after: String,
}

/// A page of them.
pub(super) struct Broadcasts {
    pub(super) rows: Vec<(BroadcastId, Summary)>,
    pub(super) matching: usize,
    pub(super) next: Option<Overview>,
}

pub(super) async fn show(
    State(shared): State<Arc<Shared>>,
    Extension(viewer): Extension<Viewer>,
    RawQuery(query): RawQuery,
) -> Result<Html<String>, Fault> {
    let overview = Overview::read(query.as_deref().unwrap_or_default());
    let of = overview.clone();
    let fragment = shared.read(move |shared| of.fragment(shared)).await?;
    let content = html! {
        h1 { "Broadcasts" }
        form class="filter" role="search" {
            label { "Find a broadcast" input type="search" name="search" value=(overview.search); }
            button { "Find" }
        }
        (live::part(&format!("/live/overview?{}", overview.query()), &fragment))
    };
    Ok(frame::page(&shared, &viewer, "Broadcasts", &content))
}

impl Overview {
    pub(super) fn read(query: &str) -> Self {
        let mut overview = Self::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match &*name {
                "search" => value.trim().clone_into(&mut overview.search),
                "after" => overview.after = value.into_owned(),
                _ => {}
            }
        }
        overview
    }

    pub(super) fn query(&self) -> String {
        query([("search", &*self.search), ("after", &*self.after)])
    }

    /// Where the page before ended.
    pub(super) fn after(&self) -> &str {
        &self.after
    }

    pub(super) fn find(&self, shared: &Shared) -> Result<Broadcasts, Fault> {
        let (state, _) = shared.summaries()?;
        let sought = self.search.to_lowercase();
        let mut broadcasts = state.broadcasts()?;
        broadcasts.retain(|id| id.as_str().to_lowercase().contains(&sought));
        let matching = broadcasts.len();
        let start =
            broadcasts.partition_point(|id| !self.after.is_empty() && id.as_str() <= &*self.after);
        let mut rows = Vec::new();
        let mut rest = broadcasts.drain(start..);
        for id in rest.by_ref().take(ROWS) {
            let summary = state.of(&id)?;
            rows.push((id, summary));
        }
        let last =
            rows.last().filter(|_| rest.next().is_some()).map(|(id, _)| id.as_str().to_owned());
        drop(rest);
        let next = last.map(|after| Self { after, ..self.clone() });
        Ok(Broadcasts { rows, matching, next })
    }

    /// What of the page changes with what comes in.
    pub(super) fn fragment(&self, shared: &Shared) -> Result<Fragment, Fault> {
        let at = shared.summaries()?.1;
        let found = self.find(shared)?;
        let html = html! {
            (live::notice(shared))
            p { (found.matching) @if found.matching == 1 { " broadcast" } @else { " broadcasts" } }
            div class="scrolled" tabindex="0" role="region" aria-label="Broadcasts" id="broadcasts" {
                table {
                    caption { "Broadcasts" }
                    thead { tr {
                        th scope="col" { "Broadcast" }
                        @for title in TITLES { th scope="col" class="number" { (title) } }
                    } }
                    tbody { @for (id, summary) in &found.rows { (row(id, summary)) } }
                }
            }
            @if let Some(next) = &found.next {
                nav class="pages" aria-label="Pages" {
                    a id="next" rel="next" href={ "/?" (next.query()) } { "Next broadcasts" }
                }
            }
        };
        Ok(Fragment { html, log: at, summary: at, trails: at })
    }
}

fn row(id: &BroadcastId, summary: &Summary) -> Markup {
    let rate = |rate| render::text(&Cell::Rate(rate), Kind::Rate);
    let link = format!("/broadcast?{}", query([("id", id.as_str())]));
    html! {
        tr {
            th scope="row" { a id={ "broadcast-" (frame::encoded(id.as_str())) } href=(link) { (safe(id.as_str())) } }
            td class="number" { (summary.rows()) }
            td class="number" { (rate(summary.reached())) }
            td class="number" { (rate(summary.read())) }
            td class="number" { (rate(summary.needs_attention())) }
        }
    }
}

const TITLES: [&str; 4] = ["Rows", "Reached", "Read", "Needs attention"];
const ROWS: usize = 100;
