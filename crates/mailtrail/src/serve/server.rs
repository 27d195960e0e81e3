//! A router, served.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum_server::Handle;
use axum_server::tls_rustls::RustlsConfig;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::net::TcpSocket;
use tokio::task::JoinHandle;

use super::client::resolve;
use super::limits::{Guard, limit};
use super::{Limits, Tls, TrustedProxies};

/// Serves a router.
///
/// # Guarantees
/// - Handlers see the client's address in `ConnectInfo<SocketAddr>`, also behind a
///   [trusted proxy](TrustedProxies).
/// - Nobody holds it up: [`Limits`] end what is slow.
/// - [`Running::stop`] takes nothing new, and answers what has begun. Afterwards nothing of it holds on to what the router
///   has: a store can be opened again.
///
/// # Example
/// ```
/// # tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(async {
/// use std::{sync::Arc, time::Duration};
/// use mailtrail::{memory::MemoryStore, serve::{Server, health}};
/// let app = health(Arc::new(MemoryStore::new()));
/// let running = Server::new(app).trusted_proxies("10.0.0.0/8".parse()?).bind("127.0.0.1:0".parse()?)?;
/// assert_ne!(running.local_addr().port(), 0);
/// assert!(running.stop(Duration::from_secs(5)).await);                    // all was answered
/// # Ok::<(), Box<dyn std::error::Error>>(()) })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Server {
    router: Router,
    proxies: TrustedProxies,
    limits: Limits,
    tls: Option<Tls>,
}

impl Server {
    /// Serves this, without TLS, and with no proxy in front.
    pub fn new(router: Router) -> Self {
        let (proxies, limits) = (TrustedProxies::default(), Limits::default());
        Self { router, proxies, limits, tls: None }
    }

    /// Behind these proxies.
    pub fn trusted_proxies(mut self, proxies: TrustedProxies) -> Self {
        self.proxies = proxies;
        self
    }

    /// Within these limits.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// With TLS, and nothing else.
    pub fn tls(mut self, tls: Option<Tls>) -> Self {
        self.tls = tls;
        self
    }

    /// Listens, and serves in the background.
    ///
    /// # Errors
    /// [`ServeError`].
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn bind(self, address: SocketAddr) -> Result<Running, ServeError> {
        let bind = |cause| ServeError::Bind { address, cause };
        let listener = listen(address).map_err(bind)?;
        let local = listener.local_addr().map_err(bind)?;
        let guard = Guard::new(&self.limits);
        let service = self
            .router
            .layer(from_fn_with_state(guard, limit))
            .layer(from_fn_with_state(Arc::new(self.proxies), resolve))
            .into_make_service_with_connect_info::<SocketAddr>();
        let (handle, head_within) = (Handle::new(), self.limits.head_within);
        let own = handle.clone();
        let task = if let Some(tls) = self.tls {
            let config = RustlsConfig::from_config(tls.config());
            let mut server = axum_server::from_tcp_rustls(listener, config).map_err(bind)?;
            hurry(server.http_builder(), head_within);
            tokio::spawn(server.handle(own).serve(service))
        } else {
            let mut server = axum_server::from_tcp(listener).map_err(bind)?;
            hurry(server.http_builder(), head_within);
            tokio::spawn(server.handle(own).serve(service))
        };
        Ok(Running { local, handle, task })
    }
}

/// A provider may send much at once. Whom the queue has no room for tries again after a second.
fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // Else a server that is started again waits for the connections of the one before.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(WAITING)?.into_std()
}

/// Waits no longer for the head of a request.
fn hurry(http: &mut Builder<TokioExecutor>, head_within: Duration) {
    http.http1().timer(TokioTimer::new()).header_read_timeout(head_within);
}

/// A server that runs; it ends when it is stopped.
#[derive(Debug)]
pub struct Running {
    local: SocketAddr,
    handle: Handle<SocketAddr>,
    task: JoinHandle<io::Result<()>>,
}

impl Running {
    /// Where it listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// Takes nothing new, and answers what has begun. False if that took longer than this, and was ended:
    /// who has no answer comes again.
    pub async fn stop(self, within: Duration) -> bool {
        self.handle.graceful_shutdown(Some(within));
        let began = tokio::time::Instant::now();
        let ended = self.task.await.is_ok_and(|ended| ended.is_ok());
        let in_time = ended && began.elapsed() < within;
        // What was not answered in time is told to end, and not waited for: it holds the store until it has.
        let gone = async {
            while self.handle.connection_count() > 0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(within, gone).await.is_ok() && in_time
    }
}

/// Why nothing is served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// Nobody can listen there.
    #[error("can't listen on {address}")]
    Bind {
        /// Where.
        address: SocketAddr,
        /// Why.
        #[source]
        cause: io::Error,
    },
}

/// So many connections may wait to be accepted.
const WAITING: u32 = 1_024;

#[cfg(test)]
mod tests {
    use std::net::TcpStream;

    use super::*;

    #[tokio::test]
    async fn a_burst_waits_to_be_accepted_and_not_for_a_second_try() {
        let listener = listen(([127, 0, 0, 1], 0).into()).unwrap();
        let address = listener.local_addr().unwrap();
        let soon = Duration::from_millis(900);
        let burst: Vec<_> = (0..200).map(|_| TcpStream::connect_timeout(&address, soon)).collect();
        assert!(burst.iter().all(Result::is_ok), "{burst:?}");
    }
}
