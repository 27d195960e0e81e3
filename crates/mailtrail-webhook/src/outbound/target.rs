//! Where messages are sent.

use std::fmt;
use std::net::IpAddr;

use url::{Host, Url};

use super::guard::Guard;

/// A URL that messages are sent to: `https`, or `http`, with a host, and without a user.
///
/// ```
/// use mailtrail_webhook::outbound::{Guard, Target, TargetError};
/// let target = Target::parse("https://crm.school.example/hooks")?;
/// assert_eq!(target.as_str(), "https://crm.school.example/hooks");
/// for tricked in ["http://2130706433/", "http://0x7f.1/", "http://017700000001/", "http://[::ffff:7f00:1]/"] {
///     assert!(!Target::parse(tricked)?.is_permitted(&Guard::default()));
/// }
/// assert_eq!(Target::parse("ftp://a.example/").unwrap_err(), TargetError::Scheme);
/// # Ok::<(), TargetError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Target {
    url: Url,
}

impl Target {
    /// Reads a URL as browsers do, so that every way to write an address means that address.
    ///
    /// # Errors
    /// [`TargetError`].
    pub fn parse(text: &str) -> Result<Self, TargetError> {
        let mut url = Url::parse(text.trim()).map_err(TargetError::Url)?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(TargetError::Scheme);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(TargetError::User);
        }
        url.set_fragment(None);
        Ok(Self { url })
    }

    /// The URL, as it is asked for.
    pub fn as_str(&self) -> &str {
        self.url.as_str()
    }

    /// The address, where the URL has one in place of a name.
    pub fn address(&self) -> Option<IpAddr> {
        match self.url.host()? {
            Host::Ipv4(address) => Some(address.into()),
            Host::Ipv6(address) => Some(address.into()),
            Host::Domain(_) => None,
        }
    }

    /// Whether it may be reached, as far as the URL alone says: a name has to be looked up, and each address of it be
    /// [permitted](Guard::permits) when it is connected to.
    pub fn is_permitted(&self, guard: &Guard) -> bool {
        self.address().is_none_or(|address| guard.permits(address))
    }
}

/// Its host alone: the path of a webhook is often its password.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.url.scheme(), self.url.host_str().unwrap_or_default())?;
        self.url.port().map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Target({self})")
    }
}

/// Why messages can't be sent there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TargetError {
    /// It is no URL.
    #[error("not a URL")]
    Url(#[source] url::ParseError),
    /// Neither http nor https.
    #[error("a URL of a webhook begins with https:// or http://")]
    Scheme,
    /// It has a user or a password.
    #[error("a URL of a webhook has no user and no password")]
    User,
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use proptest::prelude::*;

    use super::*;

    /// The ways to write an IPv4 address in a URL.
    fn writings(address: Ipv4Addr) -> Vec<String> {
        let number = u32::from(address);
        let [a, b, c, d] = address.octets();
        let low = number & 0x00ff_ffff;
        let mapped = address.to_ipv6_mapped();
        let hosts = [
            address.to_string(),
            number.to_string(),
            format!("{number:#x}"),
            format!("0{number:o}"),
            format!("{a:#x}.{b:#o}.{c}.{d:#x}").replace("0o", "0"),
            format!("{a}.{low}"),
            format!("0{a:o}.{b}.{}", (u32::from(c) << 8) | u32::from(d)),
            format!("{address}."),
            address.to_string().replace('.', "%2e"),
            format!("[{mapped}]"),
            format!("[::ffff:{:x}:{:x}]", number >> 16, number & 0xffff),
        ];
        let ways = [
            "http://HOST/",
            "https://HOST:8443/x",
            "HTTP:\\\\HOST\\",
            "http:HOST/",
            " http://a.example@HOST/",
            "http://a.example:80@HOST/#@b.example",
        ];
        let write = |host: &String| ways.map(|way| way.replace("HOST", host));
        hosts.iter().flat_map(write).collect()
    }

    proptest! {
        #[test]
        fn no_private_address_passes_however_it_is_written(
            address in prop_oneof![
                (any::<u32>(), prop::sample::select(vec![(0x7f00_0000_u32, 8), (0x0a00_0000, 8), (0xc0a8_0000, 16),
                    (0xac10_0000, 12), (0xa9fe_0000, 16), (0x6440_0000, 10), (0, 8), (0xe000_0000, 3)]))
                    .prop_map(|(random, (network, bits))| Ipv4Addr::from(network | (random & (u32::MAX >> bits)))),
                Just(Ipv4Addr::new(169, 254, 169, 254)),
            ],
        ) {
            for text in writings(address) {
                let target = match Target::parse(&text) {
                    Err(TargetError::User) if text.contains('@') => continue,
                    target => target,
                };
                let target = target.unwrap_or_else(|error| panic!("{text}: {error}"));
                prop_assert!(!target.is_permitted(&Guard::default()), "{}", text);
                prop_assert!(target.address().is_some(), "{}", text);
            }
        }

        #[test]
        fn any_text_is_a_target_or_an_error(text in ".{0,60}") {
            if let Ok(target) = Target::parse(&text) {
                prop_assert!(target.as_str().starts_with("http"));
            }
        }
    }
}
