use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{sleep, timeout};

use super::envelope::{Envelope, Protocol, Recipient};
use super::handler::{Answer, Handler};
use super::limits::Limits;
use super::peers::Peers;
use super::reply::Reply;
use super::session::{Session, Shared, stopped};
use super::tally::{Connections, Tally, one};

/// A server that is not listening yet: what it speaks, to whom it gives the mail, and its limits.
///
/// The [module](super) has an example.
#[derive(Debug)]
pub struct Server {
    shared: Shared,
}

impl Server {
    /// A server with the default [`Limits`].
    pub fn new(protocol: Protocol, handler: impl Handler) -> Self {
        let hostname = "localhost".to_owned();
        Self {
            shared: Shared {
                protocol,
                limits: Limits::default(),
                hostname,
                handler: Box::new(handler),
                tally: Tally::default(),
            },
        }
    }

    /// Other limits.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.shared.limits = limits;
        self
    }

    /// What the server calls itself in its greeting; `localhost` if not told.
    pub fn hostname(mut self, hostname: impl Into<String>) -> Self {
        self.shared.hostname = hostname.into();
        self
    }

    /// Listens, and serves until stopped. Port 0 takes any free one.
    ///
    /// # Errors
    /// If the address can't be listened on.
    ///
    /// # Panics
    /// Outside a tokio runtime with I/O and time.
    #[expect(clippy::unused_async, reason = "only on a runtime there is a listener")]
    pub async fn bind(self, addr: SocketAddr) -> Result<Running, BindError> {
        let listen = |cause| BindError::Listen { addr, cause };
        let listener = self::listen(addr).map_err(listen)?;
        let local_addr = listener.local_addr().map_err(listen)?;
        let (stop, stopping) = watch::channel(false);
        let shared = Arc::new(self.shared);
        let task = tokio::spawn(serve(listener, Arc::clone(&shared), stopping));
        Ok(Running { local_addr, shared, stop, task })
    }
}

/// A server that listens. Dropped, it stops as with [`stop`](Self::stop), in the background.
#[derive(Debug)]
pub struct Running {
    local_addr: SocketAddr,
    shared: Arc<Shared>,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Running {
    /// Where it listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// What became of the connections so far.
    pub fn connections(&self) -> Connections {
        self.shared.tally.read()
    }

    /// The same, for who looks again and again; it goes on after the server has stopped.
    pub fn watch(&self) -> impl Fn() -> Connections + Send + Sync + use<> {
        let shared = Arc::clone(&self.shared);
        move || shared.tally.read()
    }

    /// Takes no more clients, tells those who are idle to go (421), and waits for messages under way,
    /// at most [`stop_grace`](Limits::stop_grace) long.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        // It ends by itself; an error would be a panic of it, and then it has stopped too.
        drop(self.task.await);
    }
}

/// Why a server doesn't listen.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BindError {
    /// The address is taken, or not ours. Choose another one.
    #[error("can't listen on {addr}: choose another address or port, or stop what has it")]
    Listen {
        /// The address asked for.
        addr: SocketAddr,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
}

#[async_trait]
impl<H: Handler + ?Sized> Handler for Arc<H> {
    async fn recipient(&self, envelope: &Envelope, recipient: &Recipient) -> Reply {
        (**self).recipient(envelope, recipient).await
    }

    async fn message(&self, envelope: Envelope, message: Bytes) -> Answer {
        (**self).message(envelope, message).await
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("protocol", &self.protocol)
            .field("limits", &self.limits)
            .field("hostname", &self.hostname)
            .finish_non_exhaustive()
    }
}

/// Many servers may come at once after a broadcast. Whom the queue has no room for tries again after a second.
fn listen(addr: SocketAddr) -> io::Result<TcpListener> {
    let socket = if addr.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // Else a server that is started again waits for the connections of the one before.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.bind(addr)?;
    socket.listen(WAITING)
}

async fn serve(listener: TcpListener, shared: Arc<Shared>, mut stop: watch::Receiver<bool>) {
    let mut sessions = JoinSet::new();
    let (peers, tally, limits) = (Peers::default(), &shared.tally, &shared.limits);
    loop {
        tokio::select! {
            biased;
            () = stopped(&mut stop) => break,
            Some(_) = sessions.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) if sessions.len() >= limits.connections => {
                    one(&tally.too_many);
                    refuse(stream, TOO_MANY).await;
                }
                Ok((stream, peer)) => {
                    let Some(place) = peers.admit(peer.ip(), limits.connections_per_peer) else {
                        one(&tally.too_many_of_peer);
                        refuse(stream, TOO_MANY_OF_PEER).await;
                        continue;
                    };
                    one(&tally.served);
                    let session = Session::new(Arc::clone(&shared), stream, peer, stop.clone());
                    sessions.spawn(async move {
                        let ended = session.run().await;
                        drop(place);
                        ended
                    });
                }
                // Out of descriptors, for one: wait for some to be closed instead of spinning.
                Err(_) => sleep(ACCEPT_PAUSE).await,
            },
        }
    }
    drop(listener);
    let ended = async { while sessions.join_next().await.is_some() {} };
    if timeout(limits.stop_grace, ended).await.is_err() {
        sessions.shutdown().await;
    }
}

/// A new connection's buffer is empty, so this doesn't wait for the client.
async fn refuse(mut stream: TcpStream, reply: &str) {
    drop(timeout(ACCEPT_PAUSE, stream.write_all(reply.as_bytes())).await);
}

const TOO_MANY: &str = "421 4.3.2 too many clients, come again\r\n";
const TOO_MANY_OF_PEER: &str = "421 4.7.0 too many connections of yours, come again\r\n";

/// So many connections may wait to be accepted.
const WAITING: u32 = 1_024;
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;

    use super::*;

    struct Nobody;

    #[async_trait]
    impl Handler for Nobody {
        async fn recipient(&self, _: &Envelope, _: &Recipient) -> Reply {
            Reply::NO_SUCH_USER
        }

        async fn message(&self, _: Envelope, _: Bytes) -> Answer {
            Answer::HangUp
        }
    }

    async fn serve_one() -> Running {
        let limits = Limits { connections: 1, ..Limits::default() };
        let server = Server::new(Protocol::Smtp, Nobody).limits(limits).hostname("mx.example");
        server.bind(([127, 0, 0, 1], 0).into()).await.unwrap()
    }

    async fn greeted(server: &Running) -> TcpStream {
        let mut client = TcpStream::connect(server.local_addr()).await.unwrap();
        let mut greeting = *b"220 mx.example ESMTP Mailtrail\r\n";
        let expected = greeting;
        client.read_exact(&mut greeting).await.unwrap();
        assert_eq!(greeting, expected);
        client
    }

    async fn rest(mut client: TcpStream) -> String {
        let mut text = String::new();
        client.read_to_string(&mut text).await.unwrap();
        text
    }

    #[tokio::test]
    async fn one_client_too_many_is_sent_away() {
        let server = serve_one().await;
        let _first = greeted(&server).await;
        let second = TcpStream::connect(server.local_addr()).await.unwrap();
        assert_eq!(rest(second).await, "421 4.3.2 too many clients, come again\r\n");
    }

    /// The test has the only thread: the server accepts nobody before it waits.
    #[tokio::test]
    async fn a_burst_waits_to_be_accepted_and_not_for_a_second_try() {
        let server = serve_one().await;
        let (addr, soon) = (server.local_addr(), Duration::from_millis(900));
        let burst: Vec<_> =
            (0..200).map(|_| std::net::TcpStream::connect_timeout(&addr, soon)).collect();
        assert!(burst.iter().all(Result::is_ok), "{burst:?}");
    }

    #[tokio::test]
    async fn a_stopped_server_lets_clients_know_and_the_port_go() {
        let server = serve_one().await;
        let addr = server.local_addr();
        let idle = greeted(&server).await;
        server.stop().await;
        assert!(rest(idle).await.ends_with("421 4.3.2 stopping, come again\r\n"));
        TcpListener::bind(addr).await.unwrap();
    }

    #[tokio::test]
    async fn a_dropped_server_stops_too() {
        let server = serve_one().await;
        let idle = greeted(&server).await;
        drop(server);
        assert!(rest(idle).await.ends_with("421 4.3.2 stopping, come again\r\n"));
    }

    #[tokio::test]
    async fn a_taken_port_is_said_to_be() {
        let server = serve_one().await;
        let again = Server::new(Protocol::Smtp, Nobody).bind(server.local_addr()).await;
        let BindError::Listen { addr, cause } = again.unwrap_err();
        assert_eq!((addr, cause.kind()), (server.local_addr(), io::ErrorKind::AddrInUse));
    }
}
