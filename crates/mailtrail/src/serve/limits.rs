//! What the server takes at once, and how long it waits.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::sync::Semaphore;

/// What is taken at once, and how long anything may last.
///
/// Over the limit the answer is 429 with `Retry-After`, which no provider takes for a final one.
///
/// ```
/// use std::time::Duration;
/// use mailtrail::serve::Limits;
/// let limits = Limits::default().requests(64).request_within(Duration::from_secs(10));
/// assert_eq!(limits.requests, 64);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// How many requests are worked on at once. 1,024 by default.
    pub requests: usize,
    /// How long the head of a request may take to come. 10 s by default.
    pub head_within: Duration,
    /// How long the body and the answer may take. 30 s by default, as long as providers wait.
    pub request_within: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        let (head_within, request_within) = (Duration::from_secs(10), Duration::from_secs(30));
        Self { requests: 1_024, head_within, request_within }
    }
}

impl Limits {
    /// With so many requests at once.
    pub fn requests(mut self, requests: usize) -> Self {
        self.requests = requests;
        self
    }

    /// With so much time for the head of a request.
    pub fn head_within(mut self, time: Duration) -> Self {
        self.head_within = time;
        self
    }

    /// With so much time for the rest.
    pub fn request_within(mut self, time: Duration) -> Self {
        self.request_within = time;
        self
    }
}

/// The limits at work.
#[derive(Debug, Clone)]
pub(super) struct Guard {
    room: Arc<Semaphore>,
    within: Duration,
}

impl Guard {
    pub(super) fn new(limits: &Limits) -> Self {
        let most = limits.requests.min(Semaphore::MAX_PERMITS);
        Self { room: Arc::new(Semaphore::new(most)), within: limits.request_within }
    }
}

pub(super) async fn limit(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    let Ok(_room) = guard.room.try_acquire() else {
        return (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, "1")]).into_response();
    };
    match tokio::time::timeout(guard.within, next.run(request)).await {
        Ok(response) => response,
        Err(_) => StatusCode::REQUEST_TIMEOUT.into_response(),
    }
}
