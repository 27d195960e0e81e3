//! Why nothing could be said about a delivery.

use mail_send::Error;
use mailtrail_core::event::EncodeError;
use mailtrail_core::store::{AppendError, BoxError, ReadError};
use smtp_proto::Response;
use tokio_rustls::rustls;

/// Why nothing could be said about a delivery. It stays queued: what is wrong between us and the
/// server is never its recipient's bounce.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// The server can't be reached or doesn't serve us: nobody has lost an attempt.
    #[error("the mail server can't be used: check its address, and try again later")]
    Connect(#[source] BoxError),
    /// The server does not offer STARTTLS, which [`Tls::StartTls`](super::Tls::StartTls) demands.
    #[error(
        "the mail server does not offer STARTTLS, so nothing was sent to it: check its port (usually \
         587), or use implicit TLS (usually 465)"
    )]
    StartTlsNotOffered,
    /// The server's certificate is not believed.
    #[error(
        "the mail server's certificate is not trusted, so nothing was sent to it: use the host name \
         that it was made for, or give the authority that signed it"
    )]
    Untrusted(#[source] BoxError),
    /// The server and we can't agree how to encrypt.
    #[error(
        "no encrypted connection to the mail server, so nothing was sent to it: check its port and \
         the TLS mode"
    )]
    Encryption(#[source] BoxError),
    /// The server refuses our credentials.
    #[error("the mail server refuses the login: check the user name and the password")]
    Login(#[source] BoxError),
    /// The server offers no login with a user name and a password.
    #[error(
        "the mail server offers no login with a password on this connection: check its port and the \
         TLS mode, or give no credentials"
    )]
    LoginNotOffered,
    /// The server wants a login or encryption before it takes a message.
    #[error("the mail server wants more of us first: give credentials, or choose a TLS mode")]
    LoginRequired(#[source] BoxError),
    /// There is no server to send to.
    #[error("there is no server to send to: name a relay")]
    NoRoute,
    /// The store refused an event.
    #[error("an event could not be stored")]
    Append(#[from] AppendError),
    /// The store could not be read.
    #[error("the store could not be read")]
    Read(#[from] ReadError),
    /// An event can't be written.
    #[error("an event can't be written")]
    Encode(#[from] EncodeError),
    /// The message can't be written.
    #[error("the message can't be written")]
    Message(#[source] BoxError),
    /// The operating system has no randomness for an id.
    #[error("no randomness for a new id")]
    Random(#[source] BoxError),
}

impl SendError {
    /// Whether it is the relay's doing: one that has served us may do so again.
    pub(super) fn is_the_relays(&self) -> bool {
        match self {
            Self::Connect(_)
            | Self::StartTlsNotOffered
            | Self::Untrusted(_)
            | Self::Encryption(_)
            | Self::Login(_)
            | Self::LoginNotOffered
            | Self::LoginRequired(_) => true,
            Self::NoRoute
            | Self::Append(_)
            | Self::Read(_)
            | Self::Encode(_)
            | Self::Message(_)
            | Self::Random(_) => false,
        }
    }
}

/// Why there is no connection.
pub(super) fn not_connected(error: Error) -> SendError {
    match error {
        Error::MissingStartTls => SendError::StartTlsNotOffered,
        Error::Tls(error) if matches!(*error, rustls::Error::InvalidCertificate(_)) => {
            SendError::Untrusted(error)
        }
        Error::Tls(error) => SendError::Encryption(error),
        Error::InvalidTLSName => {
            SendError::Untrusted("no certificate can be made for its name".into())
        }
        Error::AuthenticationFailed(reply) if reply.code() < 500 => {
            SendError::Connect(said(&reply))
        }
        Error::AuthenticationFailed(reply) => SendError::Login(said(&reply)),
        Error::UnsupportedAuthMechanism => SendError::LoginNotOffered,
        Error::Timeout => no_answer(),
        error => SendError::Connect(error.into()),
    }
}

pub(super) fn no_answer() -> SendError {
    SendError::Connect(
        "no answer in time; a server that expects TLS from the first byte is as silent".into(),
    )
}

/// The reply's codes alone: its text may name the user.
fn said(reply: &Response<String>) -> BoxError {
    let [class, subject, detail] = reply.esc;
    let code = reply.code();
    match class {
        0 => format!("it answered {code}").into(),
        _ => format!("it answered {code} {class}.{subject}.{detail}").into(),
    }
}
