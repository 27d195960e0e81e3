//! To the recipients' own servers.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::super::relay::TalksTo;
use super::super::session::Terms;
use super::super::tls::{Authorities, Tls};
use super::resolver::Resolver;

/// Sending without a relay: to the exchangers that the domain of each address names.
///
/// By default it encrypts where it can ([`Tls::Opportunistic`]), as others do between servers.
/// ```
/// # use mailtrail_smtp::send::{Direct, Mx, ResolveError, Resolver, Route, Tls};
/// # #[derive(Debug)] struct MyResolver;
/// # #[async_trait::async_trait] impl Resolver for MyResolver {
/// #     async fn mx(&self, _: &str) -> Result<Vec<Mx>, ResolveError> { Ok(vec![]) }
/// #     async fn addresses(&self, _: &str) -> Result<Vec<std::net::IpAddr>, ResolveError> { Ok(vec![]) }
/// # }
/// let direct = Direct::new(MyResolver, "mail.school.example")
///     .tls_of("city.example", Tls::StartTls);
/// assert_eq!((direct.tls, direct.port), (Tls::Opportunistic, 25));
/// let route = Route::direct(direct);
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Direct {
    /// Who knows where the mail of a domain goes.
    pub resolver: Arc<dyn Resolver>,
    /// What we call ourselves (EHLO): our host's name, which should resolve back to it.
    pub helo: String,
    /// Where the servers listen.
    pub port: u16,
    /// How connections are encrypted.
    pub tls: Tls,
    /// How those to certain domains are.
    pub tls_by_domain: BTreeMap<Box<str>, Tls>,
    /// Whose certificates are believed; those that the operating system trusts if `None`.
    pub authorities: Option<Authorities>,
    /// How long we wait for a connection, its greeting and its encryption, for each address.
    pub connect_timeout: Duration,
    /// How long we wait for a reply.
    pub timeout: Duration,
}

impl Direct {
    /// With what this resolver says, calling ourselves `helo`.
    pub fn new(resolver: impl Resolver + 'static, helo: impl Into<String>) -> Self {
        Self {
            resolver: Arc::new(resolver),
            helo: helo.into(),
            port: 25,
            tls: Tls::Opportunistic,
            tls_by_domain: BTreeMap::new(),
            authorities: None,
            connect_timeout: Duration::from_secs(30),
            // RFC 5321 §4.5.3.2: five minutes for a command, ten after the final dot.
            timeout: Duration::from_secs(600),
        }
    }

    /// Encrypted like this.
    pub fn tls(mut self, tls: Tls) -> Self {
        self.tls = tls;
        self
    }

    /// To this domain (of the addresses) encrypted like this.
    pub fn tls_of(mut self, domain: &str, tls: Tls) -> Self {
        self.tls_by_domain.insert(domain.to_ascii_lowercase().into(), tls);
        self
    }

    /// Believing certificates of these authorities, and no others.
    pub fn authorities(mut self, authorities: Authorities) -> Self {
        self.authorities = Some(authorities);
        self
    }

    /// To another port than 25.
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// Waiting so long for a connection, and for a reply.
    pub fn timeouts(mut self, connect: Duration, reply: Duration) -> Self {
        (self.connect_timeout, self.timeout) = (connect, reply);
        self
    }

    pub(super) fn terms(&self, tls: Tls) -> Terms {
        Terms {
            tls,
            authorities: self.authorities.clone(),
            credentials: None,
            talks_to: TalksTo::Mx,
            helo: self.helo.clone(),
            connect_timeout: self.connect_timeout,
            timeout: self.timeout,
            encrypter: OnceLock::new(),
        }
    }
}
