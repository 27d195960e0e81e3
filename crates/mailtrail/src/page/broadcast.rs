//! One broadcast: its counts, and its Email Log.

use std::sync::Arc;

use axum::extract::{Extension, RawQuery, State};
use axum::response::Html;
use mailtrail_core::Status;
use mailtrail_report::sheet::{Cell, Kind, Sheet};
use mailtrail_report::{EmailLogRow, OverTime, Rate, Summary, render};
use maud::{Markup, html};

use super::fault::Fault;
use super::frame::{self, moment, query, safe};
use super::listing::{Found, Listing};
use super::live::{self, Fragment};
use super::session::Viewer;
use super::shared::Shared;

pub(super) async fn show(
    State(shared): State<Arc<Shared>>,
    Extension(viewer): Extension<Viewer>,
    RawQuery(query): RawQuery,
) -> Result<Html<String>, Fault> {
    let listing = Listing::read(query.as_deref().unwrap_or_default())?;
    let of = listing.clone();
    let (fragment, labels) = shared
        .read(move |shared| {
            let (broadcast, labels) = known(&of, shared)?;
            if !broadcast {
                return Err(Fault::NotFound { what: "broadcast" });
            }
            Ok((fragment(&of, shared)?, labels))
        })
        .await?;
    let name = safe(listing.broadcast.as_str());
    let content = html! {
        h1 { (name) }
        (filter(&listing, &labels))
        (live::part(&format!("/live/broadcast?{}", listing.query()), &fragment))
    };
    Ok(frame::page(&shared, &viewer, &name, &content))
}

/// What of the page changes with what comes in.
pub(super) fn fragment(listing: &Listing, shared: &Shared) -> Result<Fragment, Fault> {
    let (summaries, summary_at) = shared.summaries()?;
    let log = shared.email_log()?;
    let summary = summaries.of(&listing.broadcast)?;
    let found = listing.find(&log, &summary, shared.now())?;
    let (trails, trails_at) = shared.trails()?;
    let over_time = OverTime::of_broadcast(&trails, &listing.broadcast, SPANS, shared.now())?;
    let html = html! {
        (live::notice(shared))
        @if let Some(row) = found.rows.first() {
            p class="note" {
                (safe(&row.broadcast_type)) " · “" (safe(&row.subject)) "”"
                @if !row.from.is_empty() { " · from " (safe(&row.from)) }
            }
        }
        (counts(listing, &summary))
        (drawn("funnel", "How far it came", summary.funnel()))
        (drawn("over-time", "How it came to that", over_time.sheet()))
        (table(listing, &found))
        (pages(listing, &found))
    };
    let log = log.position();
    Ok(Fragment { html, log, summary: summary_at, trails: trails_at })
}

/// Whether there is such a broadcast, and the labels of its rows.
fn known(listing: &Listing, shared: &Shared) -> Result<(bool, Vec<String>), Fault> {
    let (summaries, _) = shared.summaries()?;
    if summaries.of(&listing.broadcast)?.rows() == 0 {
        return Ok((summaries.broadcasts()?.contains(&listing.broadcast), Vec::new()));
    }
    let log = shared.email_log()?;
    let labels = listing.labels(&log)?;
    // What can't be shown as it is can't be chosen either.
    Ok((true, labels.into_iter().filter(|label| safe(label) == *label).collect()))
}

fn filter(listing: &Listing, labels: &[String]) -> Markup {
    html! {
        form class="filter" action="/broadcast" role="search" aria-label="Email Log" {
            input type="hidden" name="id" value=(listing.broadcast.as_str());
            input type="hidden" name="sort" value=(listing.sort());
            label { "Any text"
                input type="search" name="search" value=(listing.search);
            }
            label { "Delivery Results"
                select name="status" {
                    option value="" { "all" }
                    @for status in Status::ALL {
                        option value=(status.code()) selected[listing.status == Some(status)] { (status.label()) }
                    }
                }
            }
            label { "Label or column, such as school=North"
                input name="where" list="labels" value=(listing.condition);
            }
            datalist id="labels" { @for label in labels { option value=(label) {} } }
            button { "Show" }
        }
    }
}

fn counts(listing: &Listing, summary: &Summary) -> Markup {
    let of = |status: Option<Status>| format!("/broadcast?{}", listing.with_status(status).query());
    let is_current = |status| (listing.status == status).then_some("true");
    html! {
        h2 { "How it went" }
        ul class="counts" aria-label="Rows by Delivery Results" {
            @for status in Status::ALL {
                li { a id={ "status-" (status.code()) } href=(of(Some(status))) aria-current=[is_current(Some(status))]
                    title=(status.sentence()) {
                    b data-status=(status.code()) { (summary.of(status)) } (status.label())
                } }
            }
            li { a id="status-all" href=(of(None)) aria-current=[is_current(None)] {
                b { (summary.rows()) } "All rows"
            } }
        }
        dl class="rates" {
            (rate("Reached", summary.reached()))
            (rate("Read", summary.read()))
            (rate("Needs attention", summary.needs_attention()))
            @for (title, count) in [
                ("Bounced after delivery", summary.bounced_after_delivery),
                ("Complained", summary.complained),
                ("Unsubscribed", summary.unsubscribed),
                ("In doubt", summary.in_doubt),
            ] { @if count > 0 { dt { (title) } dd { (count) } } }
        }
    }
}

fn rate(title: &str, rate: Rate) -> Markup {
    html! {
        dt { (title) }
        dd {
            @if rate.of > 0 { meter min="0" max=(rate.of) value=(rate.count) aria-label=(title) {} " " }
            (render::text(&Cell::Rate(rate), Kind::Rate))
        }
    }
}

/// A sheet whose charts are seen at once, and whose table when it is asked for.
fn drawn(id: &str, title: &str, mut sheet: Sheet) -> Markup {
    let charts = render::charts(&sheet);
    sheet.charts.clear();
    html! {
        h2 { (title) }
        (charts)
        details id=(id) {
            summary id={ "show-" (id) } { "As a table" }
            (render::section(&sheet))
        }
    }
}

fn table(listing: &Listing, found: &Found) -> Markup {
    html! {
        h2 id="email-log" { "Email Log" }
        div class="scrolled" id="rows" tabindex="0" role="region" aria-labelledby="email-log" {
            table {
                caption { (shown(listing, found)) }
                thead { tr {
                    (head(listing, "contact_id", "Contact ID", false))
                    (head(listing, "name", "Name", false))
                    (head(listing, "email_address", "Email Address", false))
                    (head(listing, "delivery_results", "Delivery Results", false))
                    th scope="col" { "Why" }
                    th scope="col" { "What To Do" }
                    (head(listing, "last_change", "Last Change (UTC)", true))
                    th scope="col" class="number" { "Opens (person)" }
                    th scope="col" class="number" { "Opens (unknown)" }
                    th scope="col" class="number" { "Clicks" }
                    th scope="col" { "Labels" }
                } }
                tbody { @for row in &found.rows { (log_row(row)) } }
            }
        }
    }
}

fn shown(listing: &Listing, found: &Found) -> String {
    let Found { rows, matching, next } = found;
    match rows.len() {
        0 => "No rows".into(),
        1 if *matching == 1 => "One row".into(),
        _ if listing.is_first() && next.is_none() => format!("All {matching} rows"),
        count => format!("{count} of {matching} rows"),
    }
}

/// The head of a column by which the log can be sorted, first from the greatest if it `descends`.
fn head(listing: &Listing, column: &str, title: &str, descends: bool) -> Markup {
    let sorted = listing
        .is_descending_by(column)
        .map(|is_descending| if is_descending { "descending" } else { "ascending" });
    let link = format!("/broadcast?{}", listing.sorted_by(column, descends).query());
    html! {
        th scope="col" aria-sort=[sorted] {
            a id={ "sort-" (column) } href=(link) {
                (title)
                @match sorted { Some("ascending") => " ↑", Some(_) => " ↓", None => "" }
            }
        }
    }
}

fn log_row(row: &EmailLogRow) -> Markup {
    let labels: Vec<String> =
        row.labels.iter().map(|(name, value)| safe(&format!("{name}={value}"))).collect();
    html! {
        tr id={ "row-" (row.delivery) } {
            th scope="row" {
                a id={ "contact-" (row.delivery) } href={ "/contact?" (query([("id", &*row.contact_id)])) } { (safe(&row.contact_id)) }
            }
            td { (safe(&row.name)) }
            td { (safe(&row.email_address)) }
            td data-status=(row.status.code()) {
                a id={ "trail-" (row.delivery) } href={ "/delivery/" (row.delivery) } { (row.delivery_results) }
            }
            td class="words" { (safe(&row.why)) }
            td class="words" { (row.what_to_do) }
            td class="time" { (moment(row.last_change)) }
            td class="number" { (row.opens_person) }
            td class="number" { (row.opens_unknown) }
            td class="number" { (row.clicks) }
            td { (labels.join(", ")) }
        }
    }
}

fn pages(listing: &Listing, found: &Found) -> Markup {
    html! {
        nav class="pages" aria-label="Pages of the Email Log" {
            @if !listing.is_first() {
                a id="first" href={ "/broadcast?" (listing.first().query()) } { "First rows" }
            }
            @if let Some(next) = &found.next {
                a id="next" rel="next" href={ "/broadcast?" (next.query()) } { "Next rows" }
            }
        }
    }
}

/// At most so many spans of a time line: what is made anew several times a second has to be short.
const SPANS: usize = 48;
