//! What stands around every page.

use axum::http::header;
use axum::response::{Html, IntoResponse};
use chrono::{DateTime, Utc};
use mailtrail_report::render;
use maud::{DOCTYPE, Markup, html};

use super::Role;
use super::session::Viewer;
use super::shared::Shared;

pub(super) use mailtrail_report::render::safe;

/// A page for somebody who is logged in.
pub(super) fn page(
    shared: &Shared,
    viewer: &Viewer,
    title: &str,
    content: &Markup,
) -> Html<String> {
    let role = if viewer.role == Role::Admin { "admin" } else { "read only" };
    let header = html! {
        header {
            nav aria-label="Reports" {
                ul {
                    li { a href="/" { "Broadcasts" } }
                    @for (name, sheet) in &shared.sheets {
                        li { a href={ "/sheets/" (encoded(name)) } { (safe(&sheet.title)) } }
                    }
                }
            }
            form method="post" action="/logout" {
                span { (safe(&viewer.name)) " (" (role) ")" }
                " " button { "Log out" }
            }
        }
    };
    document(title, &header, content)
}

/// A page for anybody.
pub(super) fn bare(title: &str, content: &Markup) -> Html<String> {
    document(title, &html! {}, content)
}

fn document(title: &str, header: &Markup, content: &Markup) -> Html<String> {
    let document = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (safe(title)) " · Mailtrail" }
                link rel="stylesheet" href=(STYLE_PATH);
                script src=(SCRIPT_PATH) defer {}
            }
            body {
                a class="skip" href="#content" { "Skip to the content" }
                (header)
                main id="content" tabindex="-1" { (content) }
            }
        }
    };
    Html(document.into_string())
}

/// A moment, for people and for programs.
pub(super) fn moment(at: Option<DateTime<Utc>>) -> Markup {
    html! {
        @if let Some(at) = at {
            time datetime=(at.format("%Y-%m-%dT%H:%M:%SZ")) { (at.format("%Y-%m-%d %H:%M:%S")) }
        }
    }
}

/// As a part of an address.
pub(super) fn encoded(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

/// A query of these names and values; what has no value is left out.
pub(super) fn query<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(pairs.into_iter().filter(|(_, value)| !value.is_empty()));
    query.finish()
}

pub(super) async fn style() -> impl IntoResponse {
    let style = format!("{}{OWN_STYLE}", render::STYLE);
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], style)
}

pub(super) async fn script() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/javascript; charset=utf-8")], SCRIPT)
}

pub(super) const STYLE_PATH: &str = "/assets/page.css";
pub(super) const SCRIPT_PATH: &str = "/assets/page.js";
const OWN_STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");
