//! Lists of addresses and networks, as a configuration writes them.

use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;

/// Addresses and networks.
///
/// ```
/// use mailtrail::serve::Networks;
/// let networks: Networks = "10.0.0.0/8, 2001:db8::1".parse()?;
/// assert!(networks.contains("10.1.2.3".parse().unwrap()));
/// assert!(networks.contains("::ffff:10.1.2.3".parse().unwrap()));         // the same address
/// assert!(!networks.contains("2001:db8::2".parse().unwrap()));
/// assert!("10.0.0.0/8; ::1".parse::<Networks>().is_err());
/// # Ok::<(), mailtrail::serve::NetworksError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Networks(Vec<IpNet>);

/// Why a text is no list of networks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NetworksError {
    /// A part of it is neither an address nor a network.
    #[error("{0:?} is neither an address nor a network such as 10.0.0.0/8")]
    Malformed(String),
}

impl Networks {
    /// None.
    pub fn none() -> Self {
        Self::default()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &IpNet> {
        self.0.iter()
    }

    /// Whether one of them has this address.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }
}

impl FromStr for Networks {
    type Err = NetworksError;

    /// Addresses and networks, separated by commas.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        let network = |part: &str| {
            let alone = || part.parse::<IpAddr>().ok().map(IpNet::from);
            let network = part.parse::<IpNet>().ok().or_else(alone);
            network.ok_or_else(|| NetworksError::Malformed(part.to_owned()))
        };
        parts.map(network).collect::<Result<_, _>>().map(Self)
    }
}
