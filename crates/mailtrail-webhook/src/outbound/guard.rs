//! Which addresses may be reached: nobody uses us to look into our own network.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

/// Refuses addresses that are not public, unless their network is allowed.
///
/// It is asked with the address that is connected to, after the name was looked up: a name that means another address
/// the second time gets nowhere.
///
/// ```
/// use mailtrail_webhook::outbound::Guard;
/// let guard = Guard::new(["10.1.0.0/16".parse()?]);
/// assert!(guard.permits("93.184.215.14".parse()?));
/// assert!(guard.permits("10.1.2.3".parse()?));                       // allowed
/// for refused in ["127.0.0.1", "10.2.0.1", "169.254.169.254", "::1", "::ffff:192.168.0.1", "fd00::1"] {
///     assert!(!guard.permits(refused.parse()?));
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Guard(Box<[IpNet]>);

impl Guard {
    /// Public addresses, and these networks.
    pub fn new(allow: impl IntoIterator<Item = IpNet>) -> Self {
        Self(allow.into_iter().collect())
    }

    /// Whether this address may be reached.
    pub fn permits(&self, address: IpAddr) -> bool {
        // However it is written, a mapped address reaches what it maps.
        let address = address.to_canonical();
        let allowed = self.0.iter().any(|network| network.contains(&address));
        allowed
            || match address {
                IpAddr::V4(address) => is_public_v4(address),
                IpAddr::V6(address) => is_public_v6(address),
            }
    }
}

/// IANA's registry of special-purpose addresses for IPv4: none of them is a public server's.
fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let special = match a {
        // This network, private, loopback, multicast and what is reserved, with the broadcast address.
        0 | 10 | 127 | 224..=255 => true,
        // Shared by carriers (RFC 6598).
        100 => (64..128).contains(&b),
        // Link-local, where clouds keep their metadata.
        169 => b == 254,
        172 => (16..32).contains(&b),
        // IETF protocols, documentation, AS112, 6to4 relays, private.
        192 => {
            b == 168
                || (b == 0 && (c == 0 || c == 2))
                || (b == 88 && c == 99)
                || (b == 31 && c == 196)
                || (b == 52 && c == 193)
                || (b == 175 && c == 48)
        }
        // Benchmarks, documentation.
        198 => b == 18 || b == 19 || (b == 51 && c == 100),
        203 => b == 0 && c == 113,
        _ => false,
    };
    !special
}

/// Only `2000::/3` is assigned to the public; within it, what carries or means other addresses is none.
fn is_public_v6(address: Ipv6Addr) -> bool {
    // A gateway of 64:ff9b::/96 reaches the IPv4 address in the last four bytes.
    if address.segments().starts_with(&[0x64, 0xff9b, 0, 0, 0, 0]) {
        let embedded = address.octets().last_chunk().copied().map(<[u8; 4]>::into);
        return embedded.is_some_and(is_public_v4);
    }
    let [first, second, ..] = address.segments();
    match first {
        // IETF protocols with Teredo and ORCHID (2001::/23), documentation.
        0x2001 => second >= 0x200 && second != 0xdb8,
        // 6to4.
        0x2002 => false,
        // Documentation (RFC 9637).
        0x3fff => second >= 0x1000,
        0x2000..=0x3fff => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_special_is_refused_and_what_is_public_passes() {
        let refused = [
            "0.0.0.0",
            "10.0.0.1",
            "100.64.0.1",
            "100.127.255.255",
            "127.255.255.255",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.1",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "3fff::1",
            "fc00::1",
            "fdff::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ];
        for text in refused {
            assert!(!Guard::default().permits(text.parse().unwrap()), "{text}");
        }
        let public = [
            "1.1.1.1",
            "100.63.0.1",
            "172.32.0.1",
            "192.0.1.1",
            "198.20.0.1",
            "2606:4700::1111",
            "64:ff9b::101:101",
        ];
        for text in public {
            assert!(Guard::default().permits(text.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn an_allowed_network_is_allowed_in_its_mapped_form_too() {
        let guard = Guard::new(["127.0.0.0/8".parse().unwrap()]);
        assert!(guard.permits("::ffff:127.0.0.1".parse().unwrap()));
        assert!(!guard.permits("10.0.0.1".parse().unwrap()));
    }
}
