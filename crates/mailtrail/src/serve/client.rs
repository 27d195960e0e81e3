//! Who a request is from, where a proxy stands between.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::HeaderMap;
use axum::middleware::Next;
use axum::response::Response;

use super::{Networks, NetworksError};

/// The proxies whose word is taken for who a request is from.
///
/// Only what a trusted proxy itself has seen counts: of the addresses in `X-Forwarded-For` the last one
/// that is no trusted proxy. What stands before it anybody may have written. Without a proxy in the list
/// the field says nothing.
///
/// ```
/// use mailtrail::serve::TrustedProxies;
/// let proxies: TrustedProxies = "10.0.0.0/8, 2001:db8::1".parse()?;
/// let client = |peer: &str, said: &[&str]| proxies.client(peer.parse().unwrap(), said).to_string();
/// assert_eq!(client("10.0.0.7", &["192.0.2.1, 198.51.100.9"]), "198.51.100.9");
/// assert_eq!(client("10.0.0.7", &["198.51.100.9, 10.0.0.8"]), "198.51.100.9");
/// assert_eq!(client("198.51.100.9", &["192.0.2.1"]), "198.51.100.9");
/// # Ok::<(), mailtrail::serve::NetworksError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrustedProxies(Networks);

impl TrustedProxies {
    /// Whether nobody is trusted.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Who a request is from that came from this peer and says this in `X-Forwarded-For`, in the order
    /// of its fields. What can't be read ends the trust: then it is from whoever said so.
    pub fn client(&self, peer: IpAddr, forwarded_for: &[&str]) -> IpAddr {
        let mut client = peer.to_canonical();
        let said = forwarded_for.iter().rev().flat_map(|field| field.rsplit(','));
        for address in said {
            if !self.0.contains(client) {
                break;
            }
            match address_in(address) {
                Some(before) => client = before,
                None => break,
            }
        }
        client
    }
}

/// An address, with or without a port.
fn address_in(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let with_port = || text.parse::<SocketAddr>().ok().map(|address| address.ip());
    let bracketed = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    let address = text.parse().ok().or_else(with_port).or_else(bracketed)?;
    Some(IpAddr::to_canonical(&address))
}

impl From<Networks> for TrustedProxies {
    fn from(networks: Networks) -> Self {
        Self(networks)
    }
}

impl FromStr for TrustedProxies {
    type Err = NetworksError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

/// Puts the client in the place of the peer, for all that looks at it.
pub(super) async fn resolve(
    State(proxies): State<Arc<TrustedProxies>>,
    mut request: Request,
    next: Next,
) -> Response {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0);
    if let Some(peer) = peer.filter(|peer| proxies.0.contains(peer.ip())) {
        let client = proxies.client(peer.ip(), &forwarded_for(request.headers()));
        request.extensions_mut().insert(ConnectInfo(SocketAddr::new(client, 0)));
    }
    next.run(request).await
}

fn forwarded_for(headers: &HeaderMap) -> Vec<&str> {
    let fields = headers.get_all("x-forwarded-for").iter();
    fields.map(|value| value.to_str().unwrap_or_default()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Whatever a client writes, the proxy's own word stands behind it.
        #[test]
        fn nobody_can_forge_who_he_is(said in "\\PC{0,40}", forged: [u8; 4], own: [u8; 4]) {
            let proxies: TrustedProxies = "203.0.113.0/24".parse().unwrap();
            let own = IpAddr::from(own);
            prop_assume!(!proxies.0.contains(own));
            let field = format!("{said}, {}, {own}", IpAddr::from(forged));
            prop_assert_eq!(proxies.client([203, 0, 113, 7].into(), &[&field]), own);
            prop_assert_eq!(proxies.client(own, &[&field]), own);
        }

        #[test]
        fn reading_is_total(text in "\\PC{0,40}") {
            let proxies: TrustedProxies = "::/0".parse().unwrap();
            proxies.client(IpAddr::from([1, 2, 3, 4]), &[&text]);
            text.parse::<TrustedProxies>().ok();
        }
    }

    #[test]
    fn addresses_have_several_forms() {
        let proxies: TrustedProxies = "10.0.0.0/8,2001:db8::/32".parse().unwrap();
        for (said, client) in [
            ("192.0.2.1:4711", "192.0.2.1"),
            ("[2001:db9::1]:4711", "2001:db9::1"),
            ("[2001:db9::1]", "2001:db9::1"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("unknown", "10.0.0.1"),
            ("", "10.0.0.1"),
            ("192.0.2.1, 2001:db8::5", "192.0.2.1"),
        ] {
            let from = proxies.client("::ffff:10.0.0.1".parse().unwrap(), &[said]);
            assert_eq!(from.to_string(), client, "{said}");
        }
        assert!("10.0.0.0/8, nonsense".parse::<TrustedProxies>().is_err());
    }
}
