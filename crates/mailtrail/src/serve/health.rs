//! Whether the store takes events.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use mailtrail_core::{AppendBatch, EventStore};

/// `GET /health`: 200 if the store takes events, else 503. It says nothing more, so that everybody may ask.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
/// use std::sync::Arc;
/// use mailtrail::{memory::MemoryStore, serve::health};
/// let app = axum::Router::new().merge(health(Arc::new(MemoryStore::new())));
/// # let _: axum::Router = app;
/// # });
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn health(store: Arc<dyn EventStore>) -> Router {
    Router::new().route("/health", get(answer)).with_state(store)
}

async fn answer(State(store): State<Arc<dyn EventStore>>) -> impl IntoResponse {
    // Nothing is written: but who takes no more events, takes not even none.
    let asked = tokio::time::timeout(WITHIN, store.append(AppendBatch::new())).await;
    let status = match asked {
        Ok(Ok(_)) => StatusCode::OK,
        Ok(Err(_)) | Err(_) => StatusCode::SERVICE_UNAVAILABLE,
    };
    (status, [(header::CACHE_CONTROL, "no-store")])
}

const WITHIN: Duration = Duration::from_secs(2);
