//! The same data for programs: JSON, described by `OpenAPI`.

use std::sync::Arc;

use axum::extract::{Path, RawQuery, State};
use axum::routing::get;
use axum::{Json, Router};
use mailtrail_core::BroadcastId;
use mailtrail_report::render::Object;
use mailtrail_report::sheet::Sheet;
use mailtrail_report::{EmailLogRow, Summary};
use serde_json::{Value, json};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};

use super::fault::{ApiFault, Fault};
use super::listing::Listing;
use super::overview::Overview;
use super::shared::Shared;
use super::{contact, delivery, sheets};

pub(super) fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/api/openapi.json", get(description))
        .route("/api/broadcasts", get(broadcasts))
        .route("/api/summary", get(summary))
        .route("/api/email-log", get(email_log))
        .route("/api/deliveries/{id}", get(trail))
        .route("/api/contact", get(messages))
        .route("/api/sheets", get(sheet_names))
        .route("/api/sheets/{name}", get(sheet))
}

type Answer = Result<Json<Value>, ApiFault>;

/// The broadcasts, in order, with their counts.
#[utoipa::path(get, path = "/api/broadcasts", params(
    ("search" = Option<String>, Query, description = "a part of the id"),
    ("after" = Option<String>, Query, description = "`next` of the page before"),
), responses((status = 200, description = "`broadcasts`, how many are `matching`, and `next` unless it is the last page", body = Value)))]
async fn broadcasts(State(shared): State<Arc<Shared>>, RawQuery(query): RawQuery) -> Answer {
    let overview = Overview::read(query.as_deref().unwrap_or_default());
    let found = shared.read(move |shared| overview.find(shared)).await?;
    let rows: Vec<Value> = found.rows.iter().map(|(id, counts)| of_broadcast(id, counts)).collect();
    let next = found.next.as_ref().map(Overview::after);
    Ok(Json(json!({ "broadcasts": rows, "matching": found.matching, "next": next })))
}

/// The counts of one broadcast.
#[utoipa::path(get, path = "/api/summary", params(
    ("id" = String, Query, description = "the broadcast"),
), responses((status = 200, description = "the ten counts, and the rates with their bases", body = Value),
    (status = 404, description = "there is no such broadcast")))]
async fn summary(State(shared): State<Arc<Shared>>, RawQuery(query): RawQuery) -> Answer {
    let id = Listing::read(query.as_deref().unwrap_or_default())?.broadcast;
    let counts = shared
        .read(move |shared| {
            let (state, _) = shared.summaries()?;
            let counts = state.of(&id)?;
            if counts.rows() == 0 && !state.broadcasts()?.contains(&id) {
                return Err(Fault::NotFound { what: "broadcast" });
            }
            Ok(of_broadcast(&id, &counts))
        })
        .await?;
    Ok(Json(counts))
}

/// A page of the Email Log of a broadcast.
#[utoipa::path(get, path = "/api/email-log", params(
    ("id" = String, Query, description = "the broadcast"),
    ("status" = Option<String>, Query, description = "with this status only, such as `soft_bounced`"),
    ("where" = Option<String>, Query, description = "with this value in a column or label only, as `name=value`"),
    ("search" = Option<String>, Query, description = "a text that stands somewhere in a row"),
    ("sort" = Option<String>, Query, description = "a column or label, such as `last_change:desc`; by contact and address unless set"),
    ("limit" = Option<usize>, Query, description = "so many rows: 100 unless set, at most 1,000"),
    ("after" = Option<String>, Query, description = "where the page before ended: `next` of it has this"),
), responses((status = 200, description = "`rows`, how many are `matching`, the `position` up to which they are, and `next`, the query of the next page", body = Value)))]
async fn email_log(State(shared): State<Arc<Shared>>, RawQuery(query): RawQuery) -> Answer {
    let listing = Listing::read(query.as_deref().unwrap_or_default())?;
    let (found, position) = shared
        .read(move |shared| {
            let counts = shared.summaries()?.0.of(&listing.broadcast)?;
            let log = shared.email_log()?;
            Ok((listing.find(&log, &counts, shared.now())?, log.position()))
        })
        .await?;
    let rows = objects(&EmailLogRow::sheet(&found.rows))?;
    let next = found.next.as_ref().map(Listing::query);
    Ok(Json(
        json!({ "rows": rows, "matching": found.matching, "position": position, "next": next }),
    ))
}

/// The trail of a delivery.
#[utoipa::path(get, path = "/api/deliveries/{id}", params(
    ("id" = String, Path, description = "the delivery"),
), responses((status = 200, description = "`row` as in the Email Log, and `trail`: its events and what each changed", body = Value),
    (status = 404, description = "nothing is known about it")))]
async fn trail(State(shared): State<Arc<Shared>>, Path(id): Path<String>) -> Answer {
    let (_, row, explanation) = delivery::of(&shared, &id).await?;
    let row = objects(&EmailLogRow::sheet(row.as_slice()))?.into_iter().next();
    let trail = serde_json::to_value(explanation).map_err(unwritable)?;
    Ok(Json(json!({ "row": row, "trail": trail })))
}

/// What one contact was sent.
#[utoipa::path(get, path = "/api/contact", params(
    ("id" = String, Query, description = "the contact"),
), responses((status = 200, description = "`rows` as in the Email Log, of all broadcasts", body = Value),
    (status = 404, description = "nothing is known about it")))]
async fn messages(State(shared): State<Arc<Shared>>, RawQuery(query): RawQuery) -> Answer {
    let rows = contact::of(&shared, query.as_deref().unwrap_or_default()).await?;
    Ok(Json(json!({ "rows": objects(&EmailLogRow::sheet(&rows))? })))
}

/// The other reports.
#[utoipa::path(get, path = "/api/sheets", responses((status = 200, description = "`sheets`: the name and the title of each", body = Value)))]
async fn sheet_names(State(shared): State<Arc<Shared>>) -> Answer {
    let sheets = shared.sheets.values();
    let names: Vec<Value> =
        sheets.map(|sheet| json!({ "name": sheet.name, "title": sheet.title })).collect();
    Ok(Json(json!({ "sheets": names })))
}

/// One of the other reports.
#[utoipa::path(get, path = "/api/sheets/{name}", params(
    ("name" = String, Path, description = "its name"),
), responses((status = 200, description = "its `rows`, and `notes` that have to be known to read it", body = Value),
    (status = 404, description = "there is no such report")))]
async fn sheet(State(shared): State<Arc<Shared>>, Path(name): Path<String>) -> Answer {
    let sheet = sheets::of(&shared, &name).await?;
    Ok(Json(json!({ "title": sheet.title, "rows": objects(&sheet)?, "notes": sheet.notes })))
}

async fn description() -> Json<utoipa::openapi::OpenApi> {
    Json(Description::openapi())
}

#[derive(OpenApi)]
#[openapi(
    info(title = "Mailtrail", description = "What happened to each email after Send Now."),
    paths(broadcasts, summary, email_log, trail, messages, sheet_names, sheet),
    modifiers(&Bearer),
    security(("secret" = []))
)]
struct Description;

struct Bearer;

impl Modify for Bearer {
    fn modify(&self, description: &mut utoipa::openapi::OpenApi) {
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
        let components = description.components.get_or_insert_default();
        components.add_security_scheme("secret", SecurityScheme::Http(bearer));
    }
}

fn of_broadcast(id: &BroadcastId, counts: &Summary) -> Value {
    json!({
        "broadcast": id,
        "rows": counts.rows(),
        "summary": counts,
        "reached": counts.reached(),
        "read": counts.read(),
        "needs_attention": counts.needs_attention(),
    })
}

/// The rows as objects, as in every JSON of Mailtrail.
fn objects(sheet: &Sheet) -> Result<Vec<Value>, Fault> {
    let rows = 0..sheet.rows.len();
    rows.map(|row| serde_json::to_value(Object::of(sheet, row)).map_err(unwritable)).collect()
}

fn unwritable(error: serde_json::Error) -> Fault {
    Fault::Sheet(error.into())
}
