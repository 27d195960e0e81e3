//! The pixel, the links and unsubscribing over HTTP.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, RawQuery, Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::page::{PRIVATE, Page};
use super::{Unread, headers, peer, read};
use crate::track::{
    Click, GIF, Hits, NO_STORE, Pending, Unsubscribe, Visit, how_unsubscribed, is_prefetch,
};

/// What whoever reads a message asks for:
///
/// | request | answer |
/// |---|---|
/// | `GET /o/{token}.gif` | the pixel, at once, whatever comes of the hit |
/// | `GET /c/{token}?u={link}` | 302 to the link that was signed, at once; 404 for any other |
/// | `GET /u/{token}` | a page with a button; unsubscribes nobody |
/// | `POST /u/{token}` | unsubscribes: `List-Unsubscribe=One-Click` (RFC 8058), or the page's button |
///
/// HEAD is answered like GET and is no hit. Nor is a request that says it is made before anybody looks; for a link it
/// is turned down with 503, so that the browser asks again when somebody does follow it.
///
/// Serve it as [`router`](super::router()).
///
/// ```
/// use std::sync::Arc;
/// use mailtrail_core::token::{Key, Keys};
/// use mailtrail_webhook::{hits_router, track::Hits};
/// let store = Arc::new(mailtrail_memory::MemoryStore::new());
/// let now = || chrono::DateTime::UNIX_EPOCH;
/// let hits = Hits::new(store, Keys::new(Key::new(1, [7; 32])), Arc::new(now), || [3; 10]);
/// let app: axum::Router = hits_router(Arc::new(hits));
/// # let _ = app;
/// ```
pub fn hits_router(hits: Arc<Hits>) -> Router {
    Router::new()
        .route("/o/{pixel}", get(pixel))
        .route("/c/{token}", get(click))
        .route("/u/{token}", get(show).post(unsubscribe))
        .with_state(hits)
}

async fn pixel(
    State(hits): State<Arc<Hits>>,
    Path(segment): Path<String>,
    request: Request,
) -> Response {
    match made_for(&request) {
        MadeFor::Head => hits.head(),
        MadeFor::Prefetch => hits.prefetch(),
        MadeFor::Look => {
            let asks = Asks::of(&request);
            meanwhile(hits.pixel(&segment, asks.visit()));
        }
    }
    let headers = [(header::CONTENT_TYPE, "image/gif"), (header::CACHE_CONTROL, NO_STORE)];
    let old_caches = [(header::PRAGMA, "no-cache"), (header::EXPIRES, "0")];
    (headers, old_caches, GIF).into_response()
}

async fn click(
    State(hits): State<Arc<Hits>>,
    Path(token): Path<String>,
    RawQuery(query): RawQuery,
    request: Request,
) -> Response {
    let query = query.unwrap_or_default();
    let link = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "u");
    let link = link.map(|(_, link)| link).unwrap_or_default();
    let taken = match made_for(&request) {
        MadeFor::Prefetch => {
            hits.prefetch();
            return (StatusCode::SERVICE_UNAVAILABLE, PRIVATE).into_response();
        }
        MadeFor::Head => {
            hits.head();
            let pending = None;
            match hits.leads_to(&token, &link) {
                Some(to) if to.is_empty() => Click::Trap { pending },
                Some(to) => Click::Redirect { to, pending },
                None => Click::NotOurs,
            }
        }
        MadeFor::Look => hits.click(&token, &link, Asks::of(&request).visit()),
    };
    match taken {
        Click::Redirect { to, pending } => {
            meanwhile(pending);
            match HeaderValue::from_str(&to) {
                Ok(to) => (StatusCode::FOUND, PRIVATE, [(header::LOCATION, to)]).into_response(),
                Err(_) => not_ours(),
            }
        }
        Click::Trap { pending } => {
            meanwhile(pending);
            (StatusCode::NO_CONTENT, PRIVATE).into_response()
        }
        Click::NotOurs => not_ours(),
    }
}

/// A scanner follows this too: it must change nothing.
async fn show(State(hits): State<Arc<Hits>>, Path(token): Path<String>) -> Response {
    if hits.may_unsubscribe(&token) { Page::UNSUBSCRIBE.with(StatusCode::OK) } else { not_ours() }
}

async fn unsubscribe(
    State(hits): State<Arc<Hits>>,
    Path(token): Path<String>,
    request: Request,
) -> Response {
    let asks = Asks::of(&request);
    let content_type = request.headers().get(header::CONTENT_TYPE).cloned();
    let content_type = content_type.as_ref().and_then(|value| value.to_str().ok());
    let body = match read(request.into_body(), FORM_LIMIT).await {
        Ok(body) => body,
        Err(Unread::TooLarge) => return StatusCode::PAYLOAD_TOO_LARGE.into_response(),
        Err(Unread::Broken) => return StatusCode::BAD_REQUEST.into_response(),
    };
    let Some(how) = how_unsubscribed(content_type, &body) else {
        let known = hits.may_unsubscribe(&token);
        let asks = || Page::UNSUBSCRIBE.with(StatusCode::BAD_REQUEST);
        return if known { asks() } else { not_ours() };
    };
    let unsubscribed = hits.unsubscribe(&token, how, asks.visit());
    let within = tokio::time::timeout(UNSUBSCRIBE_WITHIN, unsubscribed);
    match within.await.unwrap_or(Unsubscribe::Later) {
        Unsubscribe::Done => Page::UNSUBSCRIBED.with(StatusCode::OK),
        Unsubscribe::NotOurs => not_ours(),
        Unsubscribe::Later => {
            let page = Page::LATER.with(StatusCode::SERVICE_UNAVAILABLE);
            ([(header::RETRY_AFTER, "60")], page).into_response()
        }
    }
}

/// What a request is made for.
enum MadeFor {
    Look,
    Head,
    Prefetch,
}

fn made_for(request: &Request) -> MadeFor {
    if request.method() == Method::HEAD {
        MadeFor::Head
    } else if is_prefetch(&headers(request.headers())) {
        MadeFor::Prefetch
    } else {
        MadeFor::Look
    }
}

/// Who asks.
struct Asks {
    ip: Option<std::net::IpAddr>,
    user_agent: Option<String>,
}

impl Asks {
    fn of(request: &Request) -> Self {
        let user_agent = request.headers().get(header::USER_AGENT);
        Self {
            ip: peer(request),
            user_agent: user_agent.map(|text| String::from_utf8_lossy(text.as_bytes()).into()),
        }
    }

    fn visit(&self) -> Visit<'_> {
        Visit::new().ip(self.ip).user_agent(self.user_agent.as_deref())
    }
}

/// Stores a hit while its answer is on its way.
fn meanwhile(pending: Option<Pending>) {
    if let Some(pending) = pending {
        drop(tokio::spawn(pending));
    }
}

fn not_ours() -> Response {
    Page::NOT_OURS.with(StatusCode::NOT_FOUND)
}

/// Longer than that a mailbox's provider does not wait for an answer; told to come again it does.
const UNSUBSCRIBE_WITHIN: Duration = Duration::from_secs(10);
/// How many bytes a form may have: it has one field.
const FORM_LIMIT: usize = 64 * 1024;
