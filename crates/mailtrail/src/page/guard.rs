//! What stands before every page: the host, the session, who may change something, and what a browser must not do.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::{ConnectInfo, Request, State};
use axum::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use axum::http::uri::Authority;
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use chrono::{DateTime, TimeDelta, Utc};

use super::rows;
use super::session::Viewer;
use super::shared::Shared;
use super::{Role, User, login};

/// Lets through who may, and tells the browser what the answer must not be used for.
pub(super) async fn guard(
    State(shared): State<Arc<Shared>>,
    request: Request,
    next: Next,
) -> Response {
    rows::begin(&shared);
    let mut response = answer(&shared, request, next).await;
    for (name, value) in HEADERS {
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

async fn answer(shared: &Shared, mut request: Request, next: Next) -> Response {
    let Some(host) = host(&request).filter(|host| serves(shared, host.host())) else {
        return (StatusCode::MISDIRECTED_REQUEST, "this host is not served here").into_response();
    };
    let path = request.uri().path();
    let is_open = path == login::PATH || path.starts_with("/assets/");
    let for_programs = path.starts_with("/api/") || path.starts_with("/live/");
    let changes = !matches!(*request.method(), Method::GET | Method::HEAD);
    let may_any_role = is_open || path == "/logout";
    let by_bearer = bearer(request.headers()).map(str::to_owned);
    // A browser adds cookies to what other sites ask it to send, but never a bearer token.
    if changes && by_bearer.is_none() && !is_of_page(request.headers(), &host) {
        return (StatusCode::FORBIDDEN, "this was not sent from this page").into_response();
    }
    let viewer = match by_bearer {
        Some(secret) => {
            let from = peer(&request);
            if shared.failures.are_too_many(from, shared.now()) {
                return StatusCode::TOO_MANY_REQUESTS.into_response();
            }
            let user = User::of_secret(&shared.users, &secret);
            if user.is_none() {
                shared.failures.add(from, shared.now());
            }
            user.map(|user| Viewer { name: (*user.name).into(), role: user.role, session: None })
        }
        None => token(shared, &host, request.headers())
            .and_then(|token| shared.sessions.find(token, shared.now())),
    };
    match viewer {
        None if is_open => {}
        None if for_programs => {
            let how = [(header::WWW_AUTHENTICATE, "Bearer")];
            return (StatusCode::UNAUTHORIZED, how).into_response();
        }
        None => return Redirect::to(login::PATH).into_response(),
        Some(viewer) => {
            if changes && !may_any_role && viewer.role != Role::Admin {
                return (StatusCode::FORBIDDEN, "only an admin may do this").into_response();
            }
            request.extensions_mut().insert(viewer);
        }
    }
    request.extensions_mut().insert(Secure(is_secure(shared, &host)));
    next.run(request).await
}

/// Whether a cookie of this request must only travel encrypted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Secure(pub(super) bool);

impl Secure {
    /// The name of the cookie. The prefix binds it to this very host.
    pub(super) fn cookie(self) -> &'static str {
        if self.0 { "__Host-mailtrail" } else { "mailtrail" }
    }
}

/// Who it is from, as far as the server knows.
pub(super) fn peer(request: &Request) -> IpAddr {
    let info = request.extensions().get::<ConnectInfo<SocketAddr>>();
    info.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |info| info.0.ip())
}

/// Logins that failed, by where they came from.
#[derive(Debug, Default)]
pub(super) struct Failures(Mutex<HashMap<IpAddr, (DateTime<Utc>, u32)>>);

impl Failures {
    pub(super) fn are_too_many(&self, from: IpAddr, now: DateTime<Utc>) -> bool {
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = held.get(&from).filter(|(since, _)| is_fresh(*since, now));
        fresh.is_some_and(|(_, count)| *count >= MOST_FAILURES)
    }

    pub(super) fn add(&self, from: IpAddr, now: DateTime<Utc>) {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if held.len() >= MOST_PEERS {
            held.retain(|_, (since, _)| is_fresh(*since, now));
        }
        // Secrets are too long to be guessed; so forgetting a few peers costs less than remembering all.
        if held.len() >= MOST_PEERS {
            held.clear();
        }
        let (since, count) = held.entry(from).or_insert((now, 0));
        if !is_fresh(*since, now) {
            (*since, *count) = (now, 0);
        }
        *count = count.saturating_add(1);
    }
}

fn is_fresh(since: DateTime<Utc>, now: DateTime<Utc>) -> bool {
    now - since < TimeDelta::minutes(1)
}

fn host(request: &Request) -> Option<Authority> {
    let named = || request.headers().get(header::HOST)?.to_str().ok()?.parse().ok();
    request.uri().authority().cloned().or_else(named)
}

fn serves(shared: &Shared, host: &str) -> bool {
    is_own(host) || shared.hosts.contains(&host.trim_end_matches('.').to_ascii_lowercase())
}

/// Whether this is a name of this computer for itself, which nobody else's DNS can give away.
fn is_own(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || address.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback())
        || address.parse::<Ipv6Addr>().is_ok_and(|address| address.is_loopback())
}

fn is_secure(shared: &Shared, host: &Authority) -> bool {
    shared.tls || !is_own(host.host())
}

/// Whether the page itself sent it: a browser says so with everything that changes something.
fn is_of_page(headers: &HeaderMap, host: &Authority) -> bool {
    let Some(origin) = headers.get(header::ORIGIN).and_then(|origin| origin.to_str().ok()) else {
        return false;
    };
    let named = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
    named.is_some_and(|named| named.eq_ignore_ascii_case(host.as_str()))
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let said = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, secret) = said.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| secret.trim())
}

fn token<'a>(shared: &Shared, host: &Authority, headers: &'a HeaderMap) -> Option<&'a str> {
    let name = Secure(is_secure(shared, host)).cookie();
    let fields = headers.get_all(header::COOKIE).iter().filter_map(|field| field.to_str().ok());
    let mut cookies = fields.flat_map(|field| field.split(';'));
    cookies.find_map(|cookie| cookie.trim().strip_prefix(name)?.strip_prefix('='))
}

/// No script and no style but our own files, nothing from elsewhere, in nobody's frame, and in no cache.
const HEADERS: [(HeaderName, &str); 7] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; form-action 'self'; \
         base-uri 'none'; frame-ancestors 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    // Not `no-referrer`: then forms would no longer say where they come from.
    (header::REFERRER_POLICY, "same-origin"),
    (header::CACHE_CONTROL, "no-store"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];
/// In a minute, of one peer.
const MOST_FAILURES: u32 = 20;
const MOST_PEERS: usize = 10_000;
