//! The next server, and whether it is the recipient's own.

use std::net::IpAddr;
use std::str::FromStr;

/// Whom a message was handed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Hop<'a> {
    /// Its name, or that of the local service.
    pub(crate) host: &'a str,
    pub(crate) address: Option<&'a str>,
    pub(crate) port: Option<u16>,
}

impl<'a> Hop<'a> {
    /// `host[address]:port`, `host [address]:port` or a bare name.
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        let text = text.trim();
        let Some((host, rest)) = text.split_once('[') else {
            return (!text.is_empty()).then_some(Self { host: text, address: None, port: None });
        };
        let (address, port) = rest.split_once(']')?;
        let port = port.strip_prefix(':').and_then(|port| port.parse().ok());
        Some(Self { host: host.trim(), address: Some(address), port })
    }

    /// The name of a server that was spoken to; a local service or a domain is none.
    pub(crate) fn server(&self) -> Option<&'a str> {
        self.address.map(|_| self.host)
    }

    /// Whether it is known to be no recipient's server, whatever is configured: messages are submitted
    /// at these ports (RFC 8314 §3.3), and never to an MX; and content filters listen on this host.
    pub(crate) fn is_on_the_way(&self) -> bool {
        let port = |wanted: &dyn Fn(u16) -> bool| self.port.is_some_and(wanted);
        let local = || {
            let ip = self.address.and_then(|address| address.parse::<IpAddr>().ok());
            ip.is_some_and(|ip| ip.is_loopback())
        };
        let lower = self.host.to_ascii_lowercase();
        port(&|port| matches!(port, 465 | 587))
            || (port(&|port| FILTER_PORTS.contains(&port)) && local())
            || (self.address.is_none() && FILTERS.iter().any(|name| lower.contains(name)))
    }
}

/// Where amavis and the filters of Postfix's `FILTER_README` listen.
const FILTER_PORTS: std::ops::RangeInclusive<u16> = 10_000..=10_999;

/// What local services that pass mail on are called.
const FILTERS: [&str; 5] = ["filter", "amavis", "spam", "clam", "uucp"];

/// A server of ours that takes mail and passes it on: its 250 is no word from the recipient's server.
///
/// A name, an address, or `.example.net` for all hosts below a domain; with `:PORT` only there. The
/// name of a local service (a Postfix transport that pipes mail into a gateway) will do too.
///
/// ```
/// use mailtrail_maillog::{OwnRelay, OwnRelayError};
/// let relay: OwnRelay = "smtp.provider.example:587".parse()?;
/// assert_eq!(relay.to_string(), "smtp.provider.example:587");
/// assert_eq!("".parse::<OwnRelay>(), Err(OwnRelayError::NoHost));
/// # Ok::<(), OwnRelayError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnRelay {
    host: Box<str>,
    port: Option<u16>,
}

impl OwnRelay {
    pub(crate) fn is(&self, hop: &Hop<'_>) -> bool {
        let host = hop.host.trim_end_matches('.').to_ascii_lowercase();
        let named = if self.host.starts_with('.') {
            host.ends_with(&*self.host)
        } else {
            host == *self.host || hop.address.is_some_and(|address| self.is_at(address))
        };
        named && (self.port.is_none() || hop.port.is_none() || self.port == hop.port)
    }

    fn is_at(&self, address: &str) -> bool {
        match (address.parse::<IpAddr>(), self.host.parse::<IpAddr>()) {
            (Ok(address), Ok(own)) => address == own,
            _ => address.eq_ignore_ascii_case(&self.host),
        }
    }
}

impl FromStr for OwnRelay {
    type Err = OwnRelayError;

    fn from_str(text: &str) -> Result<Self, OwnRelayError> {
        let text = text.trim();
        let (host, port) = if let Some(bracketed) = text.strip_prefix('[') {
            let (host, port) = bracketed.split_once(']').ok_or(OwnRelayError::NoHost)?;
            (host, port.strip_prefix(':'))
        } else {
            match text.split_once(':') {
                // More than one colon is an IPv6 address.
                Some((host, port)) if !port.contains(':') => (host, Some(port)),
                _ => (text, None),
            }
        };
        if host.trim_matches('.').is_empty() {
            return Err(OwnRelayError::NoHost);
        }
        let port = port.map(str::parse).transpose().map_err(|_| OwnRelayError::Port)?;
        Ok(Self { host: host.trim_end_matches('.').to_ascii_lowercase().into(), port })
    }
}

impl std::fmt::Display for OwnRelay {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.port {
            Some(port) if self.host.contains(':') => write!(f, "[{}]:{port}", self.host),
            Some(port) => write!(f, "{}:{port}", self.host),
            None => f.write_str(&self.host),
        }
    }
}

/// Why a text names no relay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OwnRelayError {
    /// There is no host in it.
    #[error("no host: write HOST, .DOMAIN or HOST:PORT")]
    NoHost,
    /// What follows the colon is no port.
    #[error("what follows the colon is no port")]
    Port,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_relays_are_known_by_name_address_domain_and_port() {
        let hop = Hop::parse("smtp3.provider.example[2001:db8::1]:25").unwrap();
        assert_eq!((hop.address, hop.port), (Some("2001:db8::1"), Some(25)));
        for (relay, expected) in [
            ("SMTP3.provider.example", true),
            (".provider.example", true),
            ("provider.example", false),
            ("2001:db8:0::1", true),
            ("[2001:db8::1]:25", true),
            ("[2001:db8::1]:26", false),
            ("smtp3.provider.example:587", false),
        ] {
            assert_eq!(relay.parse::<OwnRelay>().unwrap().is(&hop), expected, "{relay}");
        }
        let piped = Hop::parse("fax").unwrap();
        assert!("fax".parse::<OwnRelay>().unwrap().is(&piped));
        assert_eq!("host:smtp".parse::<OwnRelay>(), Err(OwnRelayError::Port));
    }

    #[test]
    fn filters_and_submission_are_on_the_way() {
        for (hop, expected) in [
            ("127.0.0.1[127.0.0.1]:10024", true),
            ("127.0.0.1[127.0.0.1]:40123", false),
            ("mx.a.example[192.0.2.1]:10024", false),
            ("smtp.provider.example[192.0.2.1]:587", true),
            ("mx.a.example[192.0.2.1]:25", false),
            ("spamfilter", true),
            ("spamfilter.a.example[192.0.2.1]:25", false),
            ("dovecot", false),
        ] {
            assert_eq!(Hop::parse(hop).unwrap().is_on_the_way(), expected, "{hop}");
        }
    }
}
