//! A subscriber's server on loopback, which verifies what comes by the crate of Standard Webhooks itself.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use standardwebhooks::Webhook;
use tokio::runtime::Runtime;

pub(crate) const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
pub(crate) const OLD_SECRET: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX";

/// What it does with an attempt.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Reply {
    Status(u16),
    RetryAfter(u16, u32),
    Redirect,
    /// It takes the message, and answers when nobody waits any more.
    TakeAndHang,
}

/// An attempt that came in, verified.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Came {
    pub(crate) id: String,
    pub(crate) path: String,
    pub(crate) body: Value,
    pub(crate) bytes: Bytes,
    pub(crate) at: std::time::Instant,
    /// Whether the sender was told so, or not told otherwise.
    pub(crate) taken: bool,
}

pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
    _runtime: Runtime,
}

type Replies = Box<dyn FnMut(&Value) -> Reply + Send>;

struct Shared {
    came: Mutex<Vec<Came>>,
    reply: Mutex<Replies>,
    /// Attempts that are open now.
    open: AtomicUsize,
}

impl Receiver {
    pub(crate) fn start(reply: impl FnMut(&Value) -> Reply + Send + 'static) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let reply = Mutex::new(Box::new(reply) as Replies);
        let shared = Arc::new(Shared { came: Mutex::default(), reply, open: AtomicUsize::new(0) });
        let app = Router::new().fallback(take).with_state(shared.clone());
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        runtime.spawn(async move { axum::serve(listener, app).await });
        Self { address, shared, _runtime: runtime }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/hooks", self.address)
    }

    pub(crate) fn replies(&self, reply: impl FnMut(&Value) -> Reply + Send + 'static) {
        *self.shared.reply.lock().unwrap() = Box::new(reply);
    }

    /// Every attempt, in the order in which they came.
    pub(crate) fn came(&self) -> Vec<Came> {
        self.shared.came.lock().unwrap().clone()
    }

    /// What was taken, in order.
    pub(crate) fn taken(&self) -> Vec<Came> {
        self.came().into_iter().filter(|came| came.taken).collect()
    }

    pub(crate) fn open(&self) -> usize {
        self.shared.open.load(Ordering::SeqCst)
    }
}

async fn take(
    State(shared): State<Arc<Shared>>,
    uri: Uri,
    headers: HeaderMap,
    bytes: Bytes,
) -> Response {
    Webhook::new(SECRET).unwrap().verify(&bytes, &headers).unwrap();
    shared.open.fetch_add(1, Ordering::SeqCst);
    let body: Value = serde_json::from_slice(&bytes).unwrap();
    let reply = shared.reply.lock().unwrap()(&body);
    let taken = matches!(reply, Reply::Status(200..300) | Reply::TakeAndHang);
    let id = headers["webhook-id"].to_str().unwrap().to_owned();
    let (path, at) = (uri.path().to_owned(), std::time::Instant::now());
    shared.came.lock().unwrap().push(Came { id, path, body, bytes, at, taken });
    let status = |code| StatusCode::from_u16(code).unwrap();
    let answer = match reply {
        Reply::Status(code) => status(code).into_response(),
        Reply::RetryAfter(code, seconds) => {
            (status(code), [("retry-after", seconds.to_string())]).into_response()
        }
        Reply::Redirect => (StatusCode::FOUND, [("location", "/elsewhere")]).into_response(),
        Reply::TakeAndHang => {
            tokio::time::sleep(Duration::from_secs(60)).await;
            StatusCode::OK.into_response()
        }
    };
    shared.open.fetch_sub(1, Ordering::SeqCst);
    answer
}
