//! A host of the recipient's side that does by the letter what it is told, stage by stage.

mod conduct;
mod dialogue;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::JoinSet;

pub use conduct::{Act, Conduct, Stage};
use dialogue::Dialogue;

use crate::server::BindError;

/// A mail server that misbehaves as its script says, down to single bytes: refuses at any stage, is
/// slow, sends what is no reply, hangs up. A [`Sink`](super::Sink) looks at who the mail is for; this
/// one treats all alike, also those who have only just connected. Dropped, it stops.
///
/// Its script is one [`Conduct`] an attempt, the last one again and again. A connection is an attempt,
/// and so is each further `MAIL` of it.
///
/// # Example
/// ```
/// use mailtrail_smtp::sink::{Act, Conduct, Mx, Stage};
/// # use tokio::io::{AsyncReadExt, AsyncWriteExt};
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let busy = Conduct::polite().at(Stage::Connect, Act::say("421 4.3.2 too busy").then_hang_up());
/// let mx = Mx::start(([127, 0, 0, 1], 0).into(), vec![busy, Conduct::polite()]).await?;
///
/// // … someone tries twice …
/// # for _ in 0..2 {
/// #     let mut client = tokio::net::TcpStream::connect(mx.addr()).await?;
/// #     let session = "EHLO x\r\nMAIL FROM:<b@bounces.example> ENVID=7\r\n\
/// #         RCPT TO:<ann@school.example>\r\nDATA\r\nHi.\r\n.\r\nQUIT\r\n";
/// #     drop(client.write_all(session.as_bytes()).await);
/// #     drop(client.read_to_end(&mut Vec::new()).await);
/// # }
/// let mail = mx.message(0).await;
/// assert_eq!((mx.attempts(), mail.mail_from.as_str()), (2, "b@bounces.example"));
/// assert_eq!((mail.envid.as_deref(), &mail.bytes[..]), (Some("7"), &b"Hi.\r\n"[..]));
/// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
/// ```
#[derive(Debug)]
pub struct Mx {
    addr: SocketAddr,
    shared: Arc<Shared>,
    _listening: JoinSet<()>,
}

/// A message that an [`Mx`] has taken.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Taken {
    /// The return path without brackets.
    pub mail_from: String,
    /// `ENVID` as on the wire, where a client that was offered `DSN` gives one.
    pub envid: Option<String>,
    /// Who it is for, without brackets.
    pub recipients: Vec<String>,
    /// The message with its dots undone.
    pub bytes: Bytes,
}

#[derive(Debug)]
struct Shared {
    script: Vec<Conduct>,
    polite: Conduct,
    attempts: AtomicUsize,
    taken: Mutex<Vec<Taken>>,
    arrived: Notify,
}

impl Mx {
    /// Listens on this address; port 0 takes any free one. Without a script it is polite.
    ///
    /// # Errors
    /// If the address can't be listened on.
    pub async fn start(addr: SocketAddr, script: Vec<Conduct>) -> Result<Self, BindError> {
        let listen = |cause| BindError::Listen { addr, cause };
        let listener = TcpListener::bind(addr).await.map_err(listen)?;
        let addr = listener.local_addr().map_err(listen)?;
        let shared = Arc::new(Shared {
            script,
            polite: Conduct::polite(),
            attempts: AtomicUsize::new(0),
            taken: Mutex::default(),
            arrived: Notify::new(),
        });
        let mut listening = JoinSet::new();
        listening.spawn(accept(listener, Arc::clone(&shared)));
        Ok(Self { addr, shared, _listening: listening })
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// How often someone has tried.
    pub fn attempts(&self) -> usize {
        self.shared.attempts.load(Ordering::SeqCst)
    }

    /// All messages that it has taken so far, in order.
    pub fn messages(&self) -> Vec<Taken> {
        self.shared.taken().clone()
    }

    /// Waits for the message with this number, counted from 0.
    ///
    /// # Cancellation
    /// A dropped future takes no message away.
    pub async fn message(&self, number: usize) -> Taken {
        loop {
            let arrived = self.shared.arrived.notified();
            tokio::pin!(arrived);
            // From here on no arrival is missed.
            arrived.as_mut().enable();
            if let Some(taken) = self.shared.taken().get(number) {
                return taken.clone();
            }
            arrived.await;
        }
    }
}

impl Taken {
    fn of(mail: &str, recipients: &[String], bytes: Bytes) -> Self {
        let mut words = mail.split_ascii_whitespace();
        let envid = words.find_map(|word| word.strip_prefix("ENVID=")).map(str::to_owned);
        let recipients = recipients.iter().map(|line| path(line)).collect();
        Self { mail_from: path(mail), envid, recipients, bytes }
    }
}

impl Shared {
    fn next_attempt(&self) -> &Conduct {
        let attempt = self.attempts.fetch_add(1, Ordering::SeqCst);
        self.script.get(attempt).or(self.script.last()).unwrap_or(&self.polite)
    }

    fn take(&self, taken: Taken) {
        self.taken().push(taken);
        self.arrived.notify_waiters();
    }

    fn taken(&self) -> MutexGuard<'_, Vec<Taken>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            Ok((stream, _)) = listener.accept() => {
                let shared = Arc::clone(&shared);
                connections.spawn(async move { Dialogue::new(&shared, stream).run().await });
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// What stands in the brackets of a command.
fn path(line: &str) -> String {
    let inner = line.split_once('<').and_then(|(_, rest)| rest.split_once('>'));
    inner.map(|(path, _)| path.to_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests;
