//! Handing messages over, and keeping connections for the next one.

use mailtrail_core::store::BoxError;
use mailtrail_core::{DeliveryId, EmailAddress};

use super::error::SendError;
use super::facts::Reply;
use super::pool::Pool;
use super::route::{NextHop, Route, Unreachable};
use super::session::{Heard, Session, Transmission, Transmitted};
use crate::message::on_the_wire;

/// Hands messages over without a trail: for what is no delivery, such as a notice to an operator.
///
/// Connections are kept for the next message, and are as many as there are calls at once.
/// ```no_run
/// use mailtrail_smtp::send::{Client, Relay};
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let client = Client::new(Relay::new("127.0.0.1", 25));
/// let operator = "operator@school.example".parse()?;
/// let reply = client.send("mail@school.example", &operator, b"Subject: Full\r\n\r\nThe disk is full.\r\n").await?;
/// assert_eq!(reply.code.get(), 250);
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Client {
    pub(super) route: Route,
    pool: Pool,
}

/// A message was not taken, as far as we know.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The server refused it.
    #[error("the server refused the message with {}", .0.code)]
    Refused(Reply),
    /// There is no connection to send it over.
    #[error("there is no connection: try again later")]
    NotConnected(#[source] BoxError),
    /// The connection broke before it was handed over whole.
    #[error("the connection broke before the message was handed over: try again")]
    Broken(#[source] BoxError),
    /// The reply to it was lost: it was taken, or not.
    #[error("the reply was lost: the message was taken, or not")]
    InDoubt,
}

impl Client {
    /// Over this route.
    pub fn new(route: impl Into<Route>) -> Self {
        Self { route: route.into(), pool: Pool::default() }
    }

    /// Hands a message over to one recipient, and waits for the reply to it.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn send(
        &self,
        mail_from: &str,
        recipient: &EmailAddress,
        message: &[u8],
    ) -> Result<Reply, ClientError> {
        let (next_hop, written) = (self.route.next_hop(recipient), on_the_wire(recipient));
        let envelope_id = None;
        let what = Transmission { mail_from, recipient: &written, envelope_id, message };
        let mut session = match self.waiting(&next_hop) {
            Some(session) => session,
            None => self.open(&next_hop, 0).await.map_err(not_connected)?,
        };
        let used = session.is_used();
        let mut said = session.converse(&what, Heard::default()).await;
        if used && matches!(said.transmitted, Transmitted::Broken(_)) {
            session = self.open(&next_hop, 0).await.map_err(not_connected)?;
            said = session.converse(&what, Heard::default()).await;
        }
        self.give_back(&next_hop, session);
        match said.transmitted {
            Transmitted::Taken(reply) => Ok(reply),
            Transmitted::Refused(reply) => Err(ClientError::Refused(reply)),
            Transmitted::NeedsUtf8 => {
                Err(ClientError::NotConnected("the server does not offer SMTPUTF8".into()))
            }
            Transmitted::Broken(cause) => Err(ClientError::Broken(cause)),
            Transmitted::Unanswered => Err(ClientError::InDoubt),
        }
    }

    /// Closes the connections that wait for a next message.
    pub async fn close(&self) {
        self.pool.close_all().await;
    }

    /// A connection that waits for a next message.
    pub(super) fn waiting(&self, next_hop: &NextHop) -> Option<Session> {
        self.pool.take(next_hop)
    }

    /// A new connection.
    pub(super) async fn open(&self, next_hop: &NextHop, seed: u64) -> Result<Session, Unreachable> {
        self.route.open(next_hop, seed).await
    }

    /// Keeps a connection for the next message, if another can follow on it.
    pub(super) fn give_back(&self, next_hop: &NextHop, session: Session) {
        self.pool.give_back(next_hop, session);
    }
}

/// Which of several equal servers a delivery goes to: ids are hashes, so each gets its part.
pub(super) fn seed(delivery: DeliveryId) -> u64 {
    let [first @ .., _, _, _, _, _, _, _, _] = *delivery.as_bytes();
    u64::from_be_bytes(first)
}

fn not_connected(unreachable: Unreachable) -> ClientError {
    match unreachable {
        Unreachable::Ours(SendError::Connect(cause)) => ClientError::NotConnected(cause),
        Unreachable::Ours(error) => ClientError::NotConnected(error.into()),
        Unreachable::Theirs(failure) => ClientError::NotConnected(failure.text.into()),
    }
}
