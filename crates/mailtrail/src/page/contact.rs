//! What one contact was sent.

use std::sync::Arc;

use axum::extract::{Extension, RawQuery, State};
use axum::response::Html;
use mailtrail_report::{EmailLogRow, Paging, Query, Sort};
use maud::html;

use super::fault::Fault;
use super::frame::{self, moment, query, safe};
use super::session::Viewer;
use super::shared::Shared;

pub(super) async fn show(
    State(shared): State<Arc<Shared>>,
    Extension(viewer): Extension<Viewer>,
    RawQuery(query): RawQuery,
) -> Result<Html<String>, Fault> {
    let rows = of(&shared, query.as_deref().unwrap_or_default()).await?;
    let contact = rows.first().map(|row| safe(&row.contact_id)).unwrap_or_default();
    let title = format!("Contact {contact}");
    let content = html! {
        h1 { (title) }
        div class="scrolled" tabindex="0" role="region" aria-label="Messages to this contact" {
            table {
                caption { "Messages to this contact" }
                thead { tr {
                    @for title in TITLES { th scope="col" { (title) } }
                } }
                tbody { @for row in &rows { (message(row)) } }
            }
        }
    };
    Ok(frame::page(&shared, &viewer, &title, &content))
}

/// The rows of the contact that a query names, those that changed last first.
pub(super) async fn of(shared: &Arc<Shared>, query: &str) -> Result<Vec<EmailLogRow>, Fault> {
    let id = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "id");
    let id = id.map(|(_, id)| id.into_owned()).unwrap_or_default();
    let rows = shared.read(move |shared| rows_of(shared, &id)).await?;
    if rows.is_empty() { Err(Fault::NotFound { what: "contact" }) } else { Ok(rows) }
}

fn rows_of(shared: &Shared, contact: &str) -> Result<Vec<EmailLogRow>, Fault> {
    let log = shared.email_log()?;
    let query = Query::default().column("contact_id", contact).now(shared.now());
    let paging = Paging::default().sort(Sort::by("last_change", true));
    Ok(log.page(&query, &paging)?.rows)
}

fn message(row: &EmailLogRow) -> maud::Markup {
    html! {
        tr {
            th scope="row" { a href={ "/broadcast?" (query([("id", &*row.broadcast)])) } { (safe(&row.broadcast)) } }
            td { (safe(&row.subject)) }
            td { (safe(&row.name)) }
            td { (safe(&row.email_address)) }
            td data-status=(row.status.code()) {
                a href={ "/delivery/" (row.delivery) } { (row.delivery_results) }
            }
            td { (safe(&row.why)) }
            td class="time" { (moment(row.last_change)) }
        }
    }
}

const TITLES: [&str; 7] = [
    "Broadcast",
    "Subject",
    "Name",
    "Email Address",
    "Delivery Results",
    "Why",
    "Last Change (UTC)",
];
