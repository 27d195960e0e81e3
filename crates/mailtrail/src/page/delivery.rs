//! The trail of one delivery, as a story.

use std::sync::Arc;

use axum::extract::{Extension, Path, State};
use axum::response::Html;
use mailtrail_core::evidence::{Explanation, Step};
use mailtrail_core::suppression::{Scope, Suppression};
use mailtrail_core::{DeliveryId, EmailAddress};
use mailtrail_report::EmailLogRow;
use maud::{Markup, html};

use super::Role;
use super::fault::Fault;
use super::frame::{self, moment, query, safe};
use super::session::Viewer;
use super::shared::Shared;

pub(super) async fn show(
    State(shared): State<Arc<Shared>>,
    Extension(viewer): Extension<Viewer>,
    Path(id): Path<String>,
) -> Result<Html<String>, Fault> {
    let (delivery, row, explanation) = of(&shared, &id).await?;
    let address = row.as_ref().and_then(|row| EmailAddress::parse(&row.email_address).ok());
    let list = match &address {
        Some(address) => Some(shared.tracker.suppression(address).await?),
        None => None,
    };
    let status = explanation.status;
    let title = row.as_ref().map_or_else(
        || format!("Delivery {delivery}"),
        |row| format!("{} in {}", safe(&row.contact_id), safe(&row.broadcast)),
    );
    let content = html! {
        h1 { (title) }
        p { strong data-status=(status.code()) { (status.label()) } " – " (status.sentence()) }
        @if let Some(row) = &row { (about(row)) }
        (told(&explanation))
        @if let (Some(address), Some(list)) = (&address, &list) {
            (blocked(delivery, address, list, viewer.role))
        }
    };
    Ok(frame::page(&shared, &viewer, &title, &content))
}

/// What is known about a delivery: its row, if it was planned, and its trail.
pub(super) async fn of(
    shared: &Arc<Shared>,
    id: &str,
) -> Result<(DeliveryId, Option<EmailLogRow>, Explanation), Fault> {
    let unknown = || Fault::NotFound { what: "delivery" };
    let delivery: DeliveryId = id.parse().map_err(|_| unknown())?;
    let explanation = shared.tracker.explain(delivery).await?;
    if explanation.steps.is_empty() {
        return Err(unknown());
    }
    let row = shared.read(move |shared| Ok(shared.kept_log()?.0.row(delivery)?)).await?;
    Ok((delivery, row, explanation))
}

fn about(row: &EmailLogRow) -> Markup {
    html! {
        p { (safe(&row.why)) " " (row.what_to_do) }
        dl class="rates" {
            dt { "Broadcast" }
            dd { a href={ "/broadcast?" (query([("id", &*row.broadcast)])) } { (safe(&row.broadcast)) } }
            dt { "Contact" }
            dd { a href={ "/contact?" (query([("id", &*row.contact_id)])) } { (safe(&row.contact_id)) } " " (safe(&row.name)) }
            @if !row.email_address.is_empty() { dt { "Email Address" } dd { (safe(&row.email_address)) } }
            @if !row.subject.is_empty() { dt { "Subject" } dd { (safe(&row.subject)) } }
            @if !row.duplicate_of.is_empty() { dt { "Duplicate Of" } dd { (safe(&row.duplicate_of)) } }
        }
    }
}

fn told(explanation: &Explanation) -> Markup {
    html! {
        h2 { "What happened" }
        ol class="trail" {
            @for step in &explanation.steps { li { (sentence(step, explanation)) } }
        }
        @for attempt in &explanation.in_doubt {
            p class="notice" { "Attempt " (attempt) " is in doubt: no outcome is known." }
        }
        @if explanation.foreign > 0 {
            p class="notice" {
                (explanation.foreign) " events of types that this version doesn't know: the status may be higher."
            }
        }
    }
}

fn sentence(step: &Step, explanation: &Explanation) -> Markup {
    html! {
        (moment(Some(step.occurred_at.unwrap_or(step.recorded_at))))
        " – " (words(step.event_type.as_str())) ", by " (safe(&step.source.to_string())) "."
        @if step.before != step.after {
            " " span data-status=(step.after.code()) { (step.before.label()) " → " (step.after.label()) "." }
        }
        @if explanation.decided_by == Some(step.event_id) { " " strong { "This decided it." } }
        @if step.contradicts {
            " " strong { "This speaks against the status: it counts as evidence, and moves nothing back." }
        }
        @if let Some(reason) = step.reason { " " (reason.sentence()) }
        @if let Some(agent) = step.agent { " (" (agent.words()) ")" }
        @if !step.authenticity.is_authenticated() { " It was not authenticated." }
        @if let Some(text) = &step.text { blockquote { (safe(text)) } }
    }
}

/// What an event says, to people. An integrator's own type says its name.
fn words(event_type: &str) -> String {
    let words = match event_type {
        "queued" => "It was planned",
        "not_selected" => "The contact has no address for this type of broadcast",
        "duplicated" => "Another row has the address already",
        "suppressed" => "The address was blocked",
        "malformed" => "The address can't be read",
        "attempted" => "We began to hand it over",
        "sent" => "It was handed over",
        "deferred" => "An attempt failed, and it is still tried",
        "bounced" => "It was given up",
        "delivered" => "The recipient's server confirmed delivery",
        "hit" => "Its image or a link of it was asked for",
        "opened" => "It was opened",
        "clicked" => "A link in it was followed",
        "complained" => "The recipient complained",
        "unsubscribed" => "The recipient unsubscribed",
        "resubscribed" => "The recipient subscribed again",
        "auto_replied" => "An automatic answer came",
        "reclassified" => "An event was read again",
        other => return format!("Event “{}”", safe(other)),
    };
    words.to_owned()
}

fn blocked(delivery: DeliveryId, address: &EmailAddress, list: &Suppression, role: Role) -> Markup {
    let blocks = || list.entries().filter(|(_, entry)| entry.blocked);
    html! {
        h2 { "Blocked Email list" }
        @if blocks().next().is_none() { p { "The address is not on the list." } }
        ul {
            @for (scope, entry) in blocks() {
                li {
                    "Blocked for " (scope_words(scope)) " since " (moment(Some(entry.since))) ": " (entry.cause.words()) "."
                    @if role == Role::Admin { (change("/unblock", "Unblock", delivery, address, scope)) }
                }
            }
        }
        @let is_blocked = blocks().any(|(scope, _)| *scope == Scope::AllKinds);
        @if role == Role::Admin && !is_blocked {
            (change("/block", "Block for all types", delivery, address, &Scope::AllKinds))
        }
    }
}

fn scope_words(scope: &Scope) -> String {
    match scope {
        Scope::AllKinds => "all types".into(),
        Scope::Kind(kind) => safe(kind.as_str()),
    }
}

fn change(
    action: &str,
    words: &str,
    delivery: DeliveryId,
    address: &EmailAddress,
    scope: &Scope,
) -> Markup {
    let kind = match scope {
        Scope::AllKinds => "",
        Scope::Kind(kind) => kind.as_str(),
    };
    html! {
        form method="post" action=(action) {
            input type="hidden" name="address" value=(address.as_given());
            input type="hidden" name="type" value=(kind);
            input type="hidden" name="delivery" value=(delivery);
            label { "Note " input name="note" maxlength="500"; } " "
            button { (words) }
        }
    }
}
