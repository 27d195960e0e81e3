//! What a server that is measured gets from outside.

use std::net::SocketAddr;

use axum::Router;
use chrono::{DateTime, Utc};
use ring::rand::{SecureRandom, SystemRandom};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// A router, served on a free port of this host.
#[derive(Debug)]
pub struct Served {
    /// Where.
    pub address: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Served {
    /// Serves a router.
    ///
    /// # Panics
    /// If there is no port: a bench stops where it can't measure.
    pub async fn start(router: Router) -> Self {
        let app = router.into_make_service_with_connect_info::<SocketAddr>();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let stopped = async { stopped.await.unwrap_or_default() };
        let serve = axum::serve(listener, app).with_graceful_shutdown(stopped);
        Self { address, stop, task: tokio::spawn(async move { serve.await.unwrap() }) }
    }

    /// Ends it: afterwards no connection holds on to what it served.
    ///
    /// # Panics
    /// If it has failed.
    pub async fn end(self) {
        drop(self.stop);
        self.task.await.unwrap();
    }
}

/// The present time.
#[expect(clippy::disallowed_methods, reason = "a bench has no other clock")]
pub fn now() -> DateTime<Utc> {
    Utc::now()
}

/// Ten random bytes.
///
/// # Panics
/// If the operating system gives none.
pub fn random() -> [u8; 10] {
    let mut bytes = [0; 10];
    SystemRandom::new().fill(&mut bytes).unwrap();
    bytes
}
