//! The HTTP server of everything that listens: webhooks, hits, health and metrics.
//!
//! [`mailtrail_webhook::router`] only routes. This serves a router to the world: with TLS or behind a
//! proxy, within [limits](Limits), and so that what was accepted is durable when it stops.

mod client;
mod health;
mod limits;
#[cfg(feature = "smtp")]
mod mails;
mod metrics;
mod networks;
mod server;
mod tls;

pub use client::TrustedProxies;
pub use health::health;
pub use limits::Limits;
pub use metrics::Metrics;
pub use networks::{Networks, NetworksError};
pub use server::{Running, ServeError, Server};
pub use tls::{Tls, TlsError};
