//! The router: HTTP to [`Intake`] and its hits, and nothing else.

mod hits;
mod page;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Path, Request as HttpRequest, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use futures_util::StreamExt;

pub use hits::hits_router;

use crate::intake::Answer;
use crate::{Headers, Intake, Request};

/// `POST /webhooks/{endpoint}`, and what [`hits_router`] serves; a GET or HEAD of an endpoint says that it is there.
///
/// Serve it with [`into_make_service_with_connect_info`](Router::into_make_service_with_connect_info)
/// of [`SocketAddr`], so that peers are known.
///
/// ```no_run
/// # async fn serve(intake: mailtrail_webhook::Intake) -> std::io::Result<()> {
/// use std::net::SocketAddr;
/// let app = axum::Router::new().nest("/mail", mailtrail_webhook::router(intake.into()));
/// let listener = tokio::net::TcpListener::bind("127.0.0.1:8025").await?;
/// axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>()).await
/// # }
/// ```
pub fn router(intake: Arc<Intake>) -> Router {
    let hits = hits_router(Arc::clone(intake.hits()));
    Router::new()
        .route("/webhooks/{endpoint}", post(webhook).get(present).options(webhook))
        .with_state(intake)
        .merge(hits)
}

async fn webhook(
    State(intake): State<Arc<Intake>>,
    Path(endpoint): Path<String>,
    request: HttpRequest,
) -> Response {
    let peer = peer(&request);
    let (parts, body) = request.into_parts();
    let body = match read(body, intake.max_body()).await {
        Ok(body) => body,
        Err(Unread::TooLarge) => return respond(intake.too_large(&endpoint)),
        Err(Unread::Broken) => return StatusCode::BAD_REQUEST.into_response(),
    };
    let request = Request::new(&body, intake.now())
        .method(parts.method.as_str())
        .headers(headers(&parts.headers))
        .query(parts.uri.query())
        .peer(peer);
    respond(intake.webhook(&endpoint, &request).await)
}

/// Some providers look whether we are there before they post anything: Mandrill by HEAD, Unisender Go
/// by GET. Elastic Email sends its events by GET.
async fn present(
    State(intake): State<Arc<Intake>>,
    Path(endpoint): Path<String>,
    request: HttpRequest,
) -> Response {
    let told = request.method() == Method::GET && request.uri().query().is_some();
    if told && intake.takes_get(&endpoint) {
        return webhook(State(intake), Path(endpoint), request).await;
    }
    let known = intake.counts(&endpoint).is_some();
    if known { StatusCode::OK } else { StatusCode::NOT_FOUND }.into_response()
}

fn respond(answer: Answer) -> Response {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::TOO_MANY_REQUESTS);
    let mut response = match answer.body {
        Some(body) => (status, [(header::CONTENT_TYPE, "application/json")], String::from(body))
            .into_response(),
        None => status.into_response(),
    };
    if let Some(origin) =
        answer.allowed_origin.and_then(|origin| HeaderValue::from_str(&origin).ok())
    {
        response.headers_mut().insert("webhook-allowed-origin", origin);
    }
    if let Some(seconds) = answer.retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    if answer.challenge {
        let realm = HeaderValue::from_static("Basic realm=\"webhooks\"");
        response.headers_mut().insert(header::WWW_AUTHENTICATE, realm);
    }
    response
}

fn peer(request: &HttpRequest) -> Option<IpAddr> {
    request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip())
}

fn headers(map: &HeaderMap) -> Headers {
    let add = |headers: Headers, (name, value): (&header::HeaderName, &HeaderValue)| {
        headers.with(name.as_str(), value.as_bytes())
    };
    map.iter().fold(Headers::new(), add)
}

/// Why a body was not read.
enum Unread {
    TooLarge,
    /// The peer went away: it gets no answer anyway.
    Broken,
}

async fn read(body: Body, limit: usize) -> Result<Vec<u8>, Unread> {
    let (mut read, mut chunks) = (Vec::new(), body.into_data_stream());
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|_| Unread::Broken)?;
        if read.len().saturating_add(chunk.len()) > limit {
            return Err(Unread::TooLarge);
        }
        read.extend_from_slice(&chunk);
    }
    Ok(read)
}
