//! The recipient's side, scripted: an SMTP server in this process for demos and tests.
//!
//! It says to each address what its [`Script`] says, attempt by attempt, and keeps every message that
//! it was given, in order. It sends nothing and writes nothing to disk. What
//! no address is asked for, such as a connection that ends, is an [`Mx`]'s.
//!
//! # Example
//! ```
//! use mailtrail_smtp::sink::{Script, Sink};
//! # use tokio::io::{AsyncReadExt, AsyncWriteExt};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! let sink = Sink::builder()
//!     .on("gone@school.example", Script::refuse("550 5.1.1 no such user")?)
//!     .on("grey-*@school.example", Script::refuse("450 4.7.1 greylisted")?.then_accept())
//!     .start()
//!     .await?;
//! # let mut client = tokio::net::TcpStream::connect(sink.addr()).await?;
//! # let recipient = "RCPT TO:<grey-1@school.example> NOTIFY=SUCCESS\r\n";
//! # client.write_all(format!("EHLO x\r\nMAIL FROM:<b@bounces.example>\r\n\
//! #     RCPT TO:<GONE@school.example>\r\n{recipient}{recipient}DATA\r\nHi.\r\n.\r\nQUIT\r\n")
//! #     .as_bytes()).await?;
//! # client.read_to_end(&mut Vec::new()).await?;
//!
//! // … someone sends to both, and again after a 450 …
//! let mail = sink.next_message().await;
//! assert_eq!(mail.envelope.recipients[0].address, "grey-1@school.example");
//! assert_eq!(&mail.bytes[..], b"Hi.\r\n");
//! assert!(mail.is_accepted());
//!
//! let attempts: Vec<String> =
//!     sink.attempts().iter().map(|a| format!("{}: {}", a.address, a.reply.code())).collect();
//! assert_eq!(attempts, [
//!     "GONE@school.example: 550",
//!     "grey-1@school.example: 450",
//!     "grey-1@school.example: 250",
//! ]);
//! sink.stop().await;
//! # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
//! ```

mod mailbox;
mod mx;
mod script;

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::Mutex;

use crate::server::{BindError, Envelope, Limits, Protocol, Reply, Running, Server};
use mailbox::Mailboxes;
pub use mx::{Act, Conduct, Mx, Stage, Taken};
pub use script::Script;

/// A running sink. The [module](self) has an example.
#[derive(Debug)]
pub struct Sink {
    running: Running,
    mailboxes: Arc<Mailboxes>,
    /// How many messages [`next_message`](Self::next_message) has given out.
    given: Mutex<usize>,
}

/// A message that the sink was given, also if it refused it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ReceivedMessage {
    /// Who sent it, and to whom: those recipients that were not refused at `RCPT`.
    pub envelope: Envelope,
    /// The message as sent, with its dots undone.
    pub bytes: Bytes,
    /// What the sink said to it; `None` if it hung up.
    pub reply: Option<Reply>,
}

impl ReceivedMessage {
    /// Whether the sink took it.
    pub fn is_accepted(&self) -> bool {
        self.reply.as_ref().is_some_and(Reply::is_positive)
    }
}

/// One `RCPT` and the sink's reply.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecipientAttempt {
    /// The address as given.
    pub address: String,
    /// What the sink said to `RCPT`; what it said after the data is with the message.
    pub reply: Reply,
}

impl Sink {
    /// A sink that takes everything, until told otherwise.
    pub fn builder() -> SinkBuilder {
        SinkBuilder {
            scripts: Vec::new(),
            limits: Limits::default(),
            hostname: "mx.example".into(),
        }
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.running.local_addr()
    }

    /// All messages so far, in the order in which they were complete.
    pub fn messages(&self) -> Vec<ReceivedMessage> {
        self.mailboxes.messages()
    }

    /// All recipients so far with the replies to them, in order.
    pub fn attempts(&self) -> Vec<RecipientAttempt> {
        self.mailboxes.attempts()
    }

    /// Waits for the next message: the first call gives the first message, and so on.
    ///
    /// # Cancellation
    /// A dropped future takes no message away.
    pub async fn next_message(&self) -> ReceivedMessage {
        let mut given = self.given.lock().await;
        let message = self.mailboxes.message(*given).await;
        *given = given.saturating_add(1);
        message
    }

    /// Stops as [`Running::stop`] does.
    pub async fn stop(self) {
        self.running.stop().await;
    }
}

/// What a sink is to do, before it [starts](Self::start).
#[derive(Debug)]
pub struct SinkBuilder {
    scripts: Vec<(String, Script)>,
    limits: Limits,
    hostname: String,
}

impl SinkBuilder {
    /// What to say to an address. `*` in it stands for any text; case doesn't matter; of several that
    /// fit the first counts. Each address goes through its script on its own.
    pub fn on(mut self, address: impl Into<String>, script: Script) -> Self {
        self.scripts.push((address.into(), script));
        self
    }

    /// Other limits, a smaller message size for one.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// What the sink calls itself; `mx.example` if not told.
    pub fn hostname(mut self, hostname: impl Into<String>) -> Self {
        self.hostname = hostname.into();
        self
    }

    /// Listens on a free port of 127.0.0.1.
    ///
    /// # Errors
    /// If the system gives no port.
    pub async fn start(self) -> Result<Sink, BindError> {
        self.start_on(([127, 0, 0, 1], 0).into()).await
    }

    /// Listens on this address.
    ///
    /// # Errors
    /// If it is taken.
    pub async fn start_on(self, addr: SocketAddr) -> Result<Sink, BindError> {
        let mailboxes = Arc::new(Mailboxes::new(self.scripts));
        let running = Server::new(Protocol::Smtp, Arc::clone(&mailboxes))
            .limits(self.limits)
            .hostname(self.hostname)
            .bind(addr)
            .await?;
        Ok(Sink { running, mailboxes, given: Mutex::new(0) })
    }
}

#[cfg(test)]
mod tests;
