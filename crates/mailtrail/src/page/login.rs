//! Coming in, and leaving.

use std::sync::Arc;

use axum::body::to_bytes;
use axum::extract::{Extension, RawQuery, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use maud::html;

use super::fault::Fault;
use super::frame;
use super::guard::{Secure, peer};
use super::session::{LASTS, Viewer};
use super::shared::Shared;
use super::{Role, User};

pub(super) const PATH: &str = "/login";

/// The form, or the session that a one-time link gives.
pub(super) async fn show(
    State(shared): State<Arc<Shared>>,
    Extension(secure): Extension<Secure>,
    RawQuery(query): RawQuery,
) -> Result<Response, Fault> {
    let query = query.unwrap_or_default();
    let once = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "once");
    match once {
        None => Ok(form(None)),
        Some((_, token)) if shared.sessions.redeem(&token, shared.now()) => {
            come_in(&shared, secure, "this computer", Role::Admin)
        }
        Some(_) => Ok(form(Some("This link was used already, or is too old."))),
    }
}

/// A session for who has a secret.
pub(super) async fn with_secret(
    State(shared): State<Arc<Shared>>,
    Extension(secure): Extension<Secure>,
    request: Request,
) -> Result<Response, Fault> {
    let (from, now) = (peer(&request), shared.now());
    if shared.failures.are_too_many(from, now) {
        return Err(Fault::TooMany);
    }
    let fields = fields(request).await?;
    let given = |name: &str| {
        let field = fields.iter().find(|(given, _)| given == name);
        field.map_or("", |(_, value)| value.trim())
    };
    let user = User::of_secret(&shared.users, given("secret"));
    if let Some(user) = user.filter(|user| *user.name == *given("name")) {
        return come_in(&shared, secure, &user.name, user.role);
    }
    shared.failures.add(from, now);
    Ok(form(Some("Name and secret don't belong together.")))
}

/// Ends the session.
pub(super) async fn leave(
    State(shared): State<Arc<Shared>>,
    Extension(secure): Extension<Secure>,
    Extension(viewer): Extension<Viewer>,
) -> Response {
    if let Some(token) = &viewer.session {
        shared.sessions.end(token);
    }
    with_cookie(secure, "", 0)
}

/// The fields of a form.
pub(super) async fn fields(request: Request) -> Result<Vec<(String, String)>, Fault> {
    let body = to_bytes(request.into_body(), MOST_BYTES).await;
    let body = body.map_err(|error| Fault::malformed("the form", &error))?;
    Ok(form_urlencoded::parse(&body).into_owned().collect())
}

fn come_in(shared: &Shared, secure: Secure, name: &str, role: Role) -> Result<Response, Fault> {
    let token = shared.sessions.begin(name, role, shared.now())?;
    Ok(with_cookie(secure, &token, LASTS.num_seconds()))
}

fn with_cookie(secure: Secure, token: &str, seconds: i64) -> Response {
    let name = secure.cookie();
    let only = if secure.0 { "; Secure" } else { "" };
    let cookie =
        format!("{name}={token}; Path=/; HttpOnly; SameSite=Strict; Max-Age={seconds}{only}");
    let mut response = Redirect::to("/").into_response();
    // A token is base64: any header may hold it.
    if let Ok(cookie) = HeaderValue::try_from(cookie) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    response
}

fn form(trouble: Option<&str>) -> Response {
    let content = html! {
        h1 { "Log in" }
        @if let Some(trouble) = trouble { p role="alert" { (trouble) } }
        form class="login" method="post" action=(PATH) {
            label { "Name" input name="name" autocomplete="username" required; }
            label { "Secret" input name="secret" type="password" autocomplete="current-password" required; }
            button { "Log in" }
        }
        p class="note" { "On the computer that runs Mailtrail, the link that it prints logs in." }
    };
    let status = if trouble.is_some() { StatusCode::FORBIDDEN } else { StatusCode::OK };
    (status, frame::bare("Log in", &content)).into_response()
}

const MOST_BYTES: usize = 16 * 1024;
