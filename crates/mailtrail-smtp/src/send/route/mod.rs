//! Where messages go: to relays of ours, or to the recipients' own servers.

mod direct;
#[cfg(feature = "dns")]
mod dns;
mod failure;
mod mx;
mod relays;
mod resolver;

use std::collections::HashMap;

use mailtrail_core::EmailAddress;

use super::error::SendError;
use super::relay::Relay;
use super::session::{Session, Terms};
use super::tls::Tls;
pub use direct::Direct;
#[cfg(feature = "dns")]
pub use dns::Dns;
pub(super) use failure::Failure;
use relays::Relays;
pub use resolver::{Mx, ResolveError, Resolver};

/// Where messages go.
///
/// ```
/// use mailtrail_smtp::send::{Relay, Route};
/// let one: Route = Relay::new("smtp.provider.example", 587).into();
/// let second_if_the_first_fails = Route::relays([
///     Relay::new("smtp1.provider.example", 587),
///     Relay::new("smtp2.provider.example", 587),
/// ]);
/// ```
#[derive(Debug)]
pub struct Route(Kind);

#[derive(Debug)]
enum Kind {
    Relays(Relays),
    Direct { direct: Direct, terms: HashMap<Tls, Terms> },
}

/// What shares connections: all recipients of a relay, or those of one domain.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct NextHop(Box<str>);

/// Why there is no connection.
#[derive(Debug)]
pub(super) enum Unreachable {
    /// It is ours to mend: nobody has lost an attempt.
    Ours(SendError),
    /// It is the recipients': their attempts have failed.
    Theirs(Box<Failure>),
}

impl Route {
    /// To the first of these relays that serves us. One that doesn't is left alone for a minute.
    pub fn relays(relays: impl IntoIterator<Item = Relay>) -> Self {
        Self(Kind::Relays(Relays::new(relays)))
    }

    /// To the recipients' own servers.
    pub fn direct(direct: Direct) -> Self {
        let asked = direct.tls_by_domain.values().copied().chain([direct.tls]);
        let terms = asked.map(|tls| (tls, direct.terms(tls))).collect();
        Self(Kind::Direct { direct, terms })
    }

    pub(super) fn next_hop(&self, address: &EmailAddress) -> NextHop {
        match &self.0 {
            Kind::Relays(_) => NextHop("".into()),
            Kind::Direct { .. } => NextHop::of(address),
        }
    }

    /// A new connection to a next hop.
    pub(super) async fn open(&self, next_hop: &NextHop, seed: u64) -> Result<Session, Unreachable> {
        match &self.0 {
            Kind::Relays(relays) => relays.open().await.map_err(Unreachable::Ours),
            Kind::Direct { direct, terms } => {
                let tls = direct.tls_by_domain.get(&next_hop.0).copied().unwrap_or(direct.tls);
                let Some(terms) = terms.get(&tls) else {
                    return Err(Unreachable::Ours(SendError::NoRoute));
                };
                open_direct(direct, &next_hop.0, terms, seed).await
            }
        }
    }
}

impl NextHop {
    /// The servers of the address's domain.
    pub(super) fn of(address: &EmailAddress) -> Self {
        Self(address.domain().into())
    }
}

impl From<Relay> for Route {
    fn from(relay: Relay) -> Self {
        Self::relays([relay])
    }
}

async fn open_direct(
    direct: &Direct,
    domain: &str,
    terms: &Terms,
    seed: u64,
) -> Result<Session, Unreachable> {
    let hosts = mx::hosts(&*direct.resolver, domain, direct.port, seed).await;
    let mut last = None;
    for host in hosts.map_err(Unreachable::Theirs)? {
        match Session::open(&host.name, &host.addresses, terms).await {
            Ok(session) => return Ok(session),
            Err(not) => last = Some(Failure::not_open(&host.name, not)),
        }
    }
    Err(last.map_or(Unreachable::Ours(SendError::NoRoute), Unreachable::Theirs))
}
