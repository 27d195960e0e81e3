//! Why a page can't be shown.

use axum::Json;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use mailtrail_core::projection::StateError;
use mailtrail_core::store::ReadError;
use mailtrail_report::QueryError;
use maud::html;
use serde_json::json;

use super::frame;
use super::session::TokenError;
use crate::tracker::RecordError;

/// Why a page can't be shown, or an action not be done.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    /// There is no such thing.
    #[error("nothing is known about this {what}")]
    NotFound {
        /// A word for it.
        what: &'static str,
    },
    /// A part of the address or the form can't be read.
    #[error("{what} can't be read: {why}")]
    Malformed {
        /// Which part.
        what: &'static str,
        /// What is wrong.
        why: Box<str>,
    },
    /// Too many pages are open, or too many logins failed.
    #[error("too many at once: try again in a minute")]
    TooMany,
    /// The report is being built for the first time, or anew.
    #[error("the report is being built: try again soon")]
    BeingBuilt,
    /// The kept state can't be read.
    #[error("the report can't be read")]
    State(#[from] StateError),
    /// The events can't be read.
    #[error("the events can't be read")]
    Read(#[from] ReadError),
    /// Nothing was recorded.
    #[error("nothing has changed")]
    Record(#[from] RecordError),
    /// A report of an integrator can't be made.
    #[error("the report can't be made")]
    Sheet(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Nobody can be let in.
    #[error("nobody can log in now")]
    Token(#[from] TokenError),
    /// The making of a page ended before its time.
    #[error("the page could not be made")]
    Panicked,
}

impl Fault {
    pub(super) fn malformed(what: &'static str, why: &impl ToString) -> Self {
        Self::Malformed { what, why: why.to_string().into() }
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::NotFound { .. } => StatusCode::NOT_FOUND,
            Self::Malformed { .. } => StatusCode::BAD_REQUEST,
            Self::TooMany => StatusCode::TOO_MANY_REQUESTS,
            Self::BeingBuilt | Self::State(_) | Self::Read(_) | Self::Record(_) => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::Sheet(_) | Self::Token(_) | Self::Panicked => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn answer(&self, body: impl IntoResponse) -> Response {
        let mut response = (self.status(), body).into_response();
        if matches!(self, Self::TooMany | Self::BeingBuilt) {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, header::HeaderValue::from_static("5"));
        }
        response
    }
}

impl From<QueryError> for Fault {
    fn from(error: QueryError) -> Self {
        match error {
            QueryError::State(error) => Self::State(error),
            error @ QueryError::UnknownCursor { .. } => Self::malformed("after", &error),
            error => Self::malformed("a column", &error),
        }
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let said = html! {
            h1 { "This can't be shown" }
            p role="alert" { (frame::safe(&self.to_string())) "." }
            p { a href="/" { "All broadcasts" } }
        };
        self.answer(frame::bare("This can't be shown", &said))
    }
}

/// The same for programs.
#[derive(Debug)]
pub(super) struct ApiFault(Fault);

impl<F: Into<Fault>> From<F> for ApiFault {
    fn from(fault: F) -> Self {
        Self(fault.into())
    }
}

impl IntoResponse for ApiFault {
    fn into_response(self) -> Response {
        self.0.answer(Json(json!({ "error": self.0.to_string() })))
    }
}
