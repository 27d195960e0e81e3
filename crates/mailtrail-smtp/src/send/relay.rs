//! The server that we hand messages to.

use std::fmt;
use std::sync::OnceLock;
use std::time::Duration;

use super::session::Terms;
use super::tls::{Authorities, Tls};

/// Who the server is, which decides what its 250 means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum TalksTo {
    /// A relay: it has taken the message, no more (`Sent`).
    #[default]
    Relay,
    /// The recipient's own server: the message is delivered.
    Mx,
}

/// A user name and password (RFC 4954). Never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    pub(super) username: String,
    pub(super) password: String,
}

impl Credentials {
    /// These credentials.
    pub fn new(username: impl Into<String>, password: impl Into<String>) -> Self {
        Self { username: username.into(), password: password.into() }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(…)")
    }
}

/// A server, and how to talk to it.
///
/// ```
/// use mailtrail_smtp::send::{Credentials, Relay, Tls};
/// let relay = Relay::new("smtp.provider.example", 587)
///     .tls(Tls::StartTls)
///     .credentials(Credentials::new("school", "secret"));
/// assert!(!format!("{relay:?}").contains("secret"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Relay {
    /// Its name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is encrypted.
    pub tls: Tls,
    /// Whose certificates are believed; those that the operating system trusts if `None`.
    pub authorities: Option<Authorities>,
    /// How we log in, if at all.
    pub credentials: Option<Credentials>,
    /// Who it is.
    pub talks_to: TalksTo,
    /// What we call ourselves (EHLO).
    pub helo: String,
    /// How long we wait for a reply.
    pub timeout: Duration,
}

impl Relay {
    /// A relay without encryption or login, as there may be one on this machine.
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        Self {
            host: host.into(),
            port,
            tls: Tls::None,
            authorities: None,
            credentials: None,
            talks_to: TalksTo::Relay,
            helo: "localhost".into(),
            // RFC 5321 §4.5.3.2.6: ten minutes after the final dot.
            timeout: Duration::from_secs(600),
        }
    }

    /// Encrypted like this.
    pub fn tls(mut self, tls: Tls) -> Self {
        self.tls = tls;
        self
    }

    /// Believing certificates of these authorities, and no others.
    pub fn authorities(mut self, authorities: Authorities) -> Self {
        self.authorities = Some(authorities);
        self
    }

    /// Logged in with these.
    pub fn credentials(mut self, credentials: Credentials) -> Self {
        self.credentials = Some(credentials);
        self
    }

    /// Being this.
    pub fn talks_to(mut self, who: TalksTo) -> Self {
        self.talks_to = who;
        self
    }

    /// Calling ourselves this.
    pub fn helo(mut self, name: impl Into<String>) -> Self {
        self.helo = name.into();
        self
    }

    /// Waiting so long for a reply.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    pub(super) fn terms(&self) -> Terms {
        Terms {
            tls: self.tls,
            authorities: self.authorities.clone(),
            credentials: self.credentials.clone(),
            talks_to: self.talks_to,
            helo: self.helo.clone(),
            connect_timeout: self.timeout,
            timeout: self.timeout,
            encrypter: OnceLock::new(),
        }
    }
}
