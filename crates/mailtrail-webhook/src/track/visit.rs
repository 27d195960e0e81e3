//! Who makes a request, as far as it tells.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;

/// What a request says of who makes it.
///
/// ```
/// use mailtrail_webhook::track::Visit;
/// let visit = Visit::new().user_agent(Some("Mozilla/5.0 (X11)")).ip("192.0.2.7".parse().ok());
/// assert!(visit.ip.is_some());
/// ```
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct Visit<'a> {
    /// From which address.
    pub ip: Option<IpAddr>,
    /// With which program.
    pub user_agent: Option<&'a str>,
}

impl<'a> Visit<'a> {
    /// By nobody knows whom.
    pub fn new() -> Self {
        Self::default()
    }

    /// From this address.
    pub fn ip(mut self, ip: Option<IpAddr>) -> Self {
        self.ip = ip;
        self
    }

    /// By this program.
    pub fn user_agent(mut self, user_agent: Option<&'a str>) -> Self {
        self.user_agent = user_agent;
        self
    }
}

/// The proxies before us whose word on where a request comes from is taken.
///
/// ```
/// use mailtrail_webhook::track::Proxies;
/// let ours = Proxies::new(["10.0.0.0/8".parse()?]);
/// let peer = "10.0.0.1".parse().ok();
/// // The proxy adds what it saw at the end; before that anybody may have written anything.
/// assert_eq!(ours.client(peer, ["203.0.113.9, 192.0.2.7"]), "192.0.2.7".parse().ok());
/// assert_eq!(Proxies::default().client(peer, ["192.0.2.7"]), peer);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Proxies(Vec<IpNet>);

impl Proxies {
    /// Those of these networks.
    pub fn new(networks: impl IntoIterator<Item = IpNet>) -> Self {
        Self(networks.into_iter().collect())
    }

    /// Where a request comes from: the peer, or what our proxies say in `X-Forwarded-For`, whose lines are
    /// given in their order.
    pub fn client<'a>(
        &self,
        peer: Option<IpAddr>,
        forwarded_for: impl IntoIterator<Item = &'a str>,
    ) -> Option<IpAddr> {
        let mut client = peer?;
        let lines: Vec<&str> = forwarded_for.into_iter().collect();
        let mut hops = lines.iter().flat_map(|line| line.split(',')).rev();
        while self.0.iter().any(|ours| ours.contains(&client.to_canonical())) {
            let Some(before) = hops.next().and_then(|hop| address(hop.trim())) else { break };
            client = before;
        }
        Some(client)
    }
}

/// An address that may have a port.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.trim_matches(['[', ']']);
    bare.parse().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|socket| socket.ip()))
}

/// Whether a request says that nobody looks yet: a browser fetches what it may need later.
///
/// ```
/// use mailtrail_webhook::{Headers, track::is_prefetch};
/// assert!(is_prefetch(&Headers::new().with("Sec-Purpose", "prefetch;prerender")));
/// assert!(!is_prefetch(&Headers::new().with("Sec-Fetch-Mode", "navigate")));
/// ```
pub fn is_prefetch(headers: &crate::Headers) -> bool {
    let says = |(name, value): (&str, &[u8])| {
        let says = |word: &[u8]| {
            value.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word))
        };
        PREFETCH.iter().any(|(known, word)| name.eq_ignore_ascii_case(known) && says(word))
    };
    headers.iter().any(says)
}

/// The first is the standard's (fetch.spec.whatwg.org), the others what older browsers say.
const PREFETCH: &[(&str, &[u8])] = &[
    ("sec-purpose", b"prefetch"),
    ("purpose", b"prefetch"),
    ("x-purpose", b"preview"),
    ("x-moz", b"prefetch"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_proxies_are_believed() {
        let ours = Proxies::new(["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()]);
        for (peer, lines, client) in [
            ("192.0.2.1", &["198.51.100.1"][..], "192.0.2.1"),
            ("10.0.0.1", &["198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1", &["6.6.6.6, 198.51.100.1, 10.0.0.2"], "198.51.100.1"),
            ("10.0.0.1", &["6.6.6.6", "198.51.100.1:4711"], "198.51.100.1"),
            ("fd00::1", &["[2001:db8::7]:80"], "2001:db8::7"),
            ("::ffff:10.0.0.1", &["2001:db8::7"], "2001:db8::7"),
            ("10.0.0.1", &["unknown"], "10.0.0.1"),
            ("10.0.0.1", &[], "10.0.0.1"),
        ] {
            let found = ours.client(peer.parse().ok(), lines.iter().copied());
            assert_eq!(found, client.parse().ok(), "{peer} {lines:?}");
        }
    }
}
