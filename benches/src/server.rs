//! What a server that is measured gets from outside.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use chrono::{DateTime, Utc};
use mailtrail::serve::{Running, Server};
use ring::rand::{SecureRandom, SystemRandom};

/// A router, served on a free port of this host as `serve` does it.
#[derive(Debug)]
pub struct Served {
    /// Where.
    pub address: SocketAddr,
    running: Running,
}

impl Served {
    /// Serves a router.
    ///
    /// # Panics
    /// If there is no port: a bench stops where it can't measure.
    pub fn start(router: Router) -> Self {
        let running = Server::new(router).bind(([127, 0, 0, 1], 0).into()).unwrap();
        Self { address: running.local_addr(), running }
    }

    /// Ends it: afterwards no connection holds on to what it served.
    ///
    /// # Panics
    /// If a client holds it up.
    pub async fn end(self) {
        assert!(self.running.stop(Duration::from_secs(10)).await, "all was answered");
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
