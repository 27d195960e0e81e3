//! Which hosts take the mail of a domain, in which order (RFC 5321 §5.1).

use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::{IpAddr, SocketAddr};

use mailtrail_core::diagnosis::{Diagnosis, Fault};
use mailtrail_core::reason::Reason;

use super::failure::Failure;
use super::resolver::{Mx, ResolveError, Resolver};

/// A host, and where it listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Host {
    pub(super) name: Box<str>,
    pub(super) addresses: Vec<SocketAddr>,
}

/// The hosts of a domain, those first that are to be tried first. `seed` shuffles those of one preference.
///
/// At least one of them has an address.
pub(super) async fn hosts(
    resolver: &dyn Resolver,
    domain: &str,
    port: u16,
    seed: u64,
) -> Result<Vec<Host>, Box<Failure>> {
    if let Some(address) = literal(domain) {
        let addresses = vec![SocketAddr::new(address, port)];
        return Ok(vec![Host { name: domain.into(), addresses }]);
    }
    let mut exchangers = match resolver.mx(domain).await {
        Ok(exchangers) => exchangers,
        Err(error) => return Err(of_domain(domain, &error)),
    };
    if exchangers.iter().any(|mx| mx.host.is_empty()) {
        return Err(no_mail(domain));
    }
    if exchangers.is_empty() {
        // The domain itself is its exchanger.
        exchangers.push(Mx::new(0, domain));
    }
    exchangers.sort_by_cached_key(|mx| (mx.preference, shuffled(&mx.host, seed)));
    let mut hosts = Vec::new();
    let (mut failed, mut left) = (None, MAX_ADDRESSES);
    for mx in exchangers.into_iter().take(MAX_HOSTS) {
        if left == 0 {
            break;
        }
        match resolver.addresses(&mx.host).await {
            Ok(found) if !found.is_empty() => {
                let all = found.into_iter().map(|ip| SocketAddr::new(ip, port));
                let addresses: Vec<_> = all.take(left).collect();
                left = left.saturating_sub(addresses.len());
                hosts.push(Host { name: mx.host, addresses });
            }
            Ok(_) | Err(ResolveError::NoSuchName) => {}
            Err(error) => failed = Some(of_host(&mx.host, &error)),
        }
    }
    match (hosts.is_empty(), failed) {
        (false, _) => Ok(hosts),
        (true, Some(failure)) => Err(failure),
        (true, None) => Err(nowhere(domain)),
    }
}

/// The address in an address literal (RFC 5321 §4.1.3).
fn literal(domain: &str) -> Option<IpAddr> {
    let inner = domain.strip_prefix('[')?.strip_suffix(']')?;
    let tagged = inner.get(..5).is_some_and(|tag| tag.eq_ignore_ascii_case("ipv6:"));
    if tagged {
        return inner.get(5..)?.parse().ok().map(IpAddr::V6);
    }
    inner.parse().ok().map(IpAddr::V4)
}

fn shuffled(host: &str, seed: u64) -> u64 {
    let mut hasher = DefaultHasher::new();
    (host, seed).hash(&mut hasher);
    hasher.finish()
}

fn of_domain(domain: &str, error: &ResolveError) -> Box<Failure> {
    match error {
        ResolveError::NoSuchName => {
            let text = format!("the domain {domain} does not exist");
            Failure::lasting(of_the_address(Reason::HostUnknown), text)
        }
        ResolveError::Failed(cause) => unanswered(domain, cause),
    }
}

fn of_host(host: &str, error: &ResolveError) -> Box<Failure> {
    match error {
        ResolveError::NoSuchName => nowhere(host),
        ResolveError::Failed(cause) => unanswered(host, cause),
    }
}

fn unanswered(name: &str, cause: &dyn std::fmt::Display) -> Box<Failure> {
    let mut diagnosis = Diagnosis::because(Reason::DnsError);
    diagnosis.rule = Some("dns".into());
    Failure::passing(diagnosis, format!("the name servers gave no answer about {name}: {cause}"))
}

fn no_mail(domain: &str) -> Box<Failure> {
    let text = format!("the domain {domain} says that it takes no mail (null MX, RFC 7505)");
    Failure::lasting(of_the_address(Reason::DomainAcceptsNoMail), text)
}

fn nowhere(domain: &str) -> Box<Failure> {
    let text = format!("no mail server of {domain} has an address");
    Failure::lasting(of_the_address(Reason::HostUnknown), text)
}

fn of_the_address(reason: Reason) -> Diagnosis {
    let mut diagnosis = Diagnosis::because(reason);
    diagnosis.fault = Fault::Recipient;
    diagnosis.rule = Some("dns".into());
    diagnosis
}

/// Whoever lists more exchangers than this can't make us try them all.
const MAX_HOSTS: usize = 10;
/// Each may take as long as a connection is waited for.
const MAX_ADDRESSES: usize = 5;

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use async_trait::async_trait;
    use proptest::prelude::*;

    use super::*;

    /// What the name servers say: of a name without an entry that it doesn't exist.
    #[derive(Debug, Default, Clone)]
    struct Zone {
        mx: BTreeMap<String, Option<Vec<Mx>>>,
        addresses: BTreeMap<String, Option<Vec<IpAddr>>>,
    }

    fn answer<T: Clone>(of: Option<&Option<Vec<T>>>) -> Result<Vec<T>, ResolveError> {
        match of {
            None => Err(ResolveError::NoSuchName),
            Some(None) => Err(ResolveError::Failed("SERVFAIL".into())),
            Some(Some(records)) => Ok(records.clone()),
        }
    }

    #[async_trait]
    impl Resolver for Zone {
        async fn mx(&self, domain: &str) -> Result<Vec<Mx>, ResolveError> {
            answer(self.mx.get(domain))
        }

        async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, ResolveError> {
            answer(self.addresses.get(host))
        }
    }

    fn find(zone: &Zone, domain: &str, seed: u64) -> Result<Vec<Host>, Box<Failure>> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(hosts(zone, domain, 25, seed))
    }

    fn one(address: [u8; 4]) -> Vec<IpAddr> {
        vec![address.into()]
    }

    proptest! {
        #[test]
        fn hosts_come_by_preference_and_only_those_of_one_are_shuffled(
            preferences in proptest::collection::vec(0_u16..4, 1..=MAX_ADDRESSES), seed: u64,
        ) {
            let mut zone = Zone::default();
            let mut exchangers = Vec::new();
            for (n, preference) in preferences.iter().enumerate() {
                exchangers.push(Mx::new(*preference, &format!("mx{n}.a.example.")));
                zone.addresses.insert(format!("mx{n}.a.example"), Some(one([192, 0, 2, 1])));
            }
            zone.mx.insert("a.example".into(), Some(exchangers));
            let found = find(&zone, "a.example", seed).unwrap();
            prop_assert_eq!(found.len(), preferences.len(), "each once");
            let number = |host: &Host| host.name.get(2..3).unwrap().parse::<usize>().unwrap();
            let order: Vec<_> = found.iter().map(|host| preferences[number(host)]).collect();
            prop_assert!(order.is_sorted(), "{:?}", order);
        }
    }

    #[test]
    fn those_of_one_preference_share_the_load() {
        let mut zone = Zone::default();
        for n in 0..2 {
            zone.addresses.insert(format!("mx{n}.a.example"), Some(one([192, 0, 2, n])));
        }
        let both = (0..2).map(|n| Mx::new(10, &format!("mx{n}.a.example"))).collect();
        zone.mx.insert("a.example".into(), Some(both));
        let first = |seed| find(&zone, "a.example", seed).unwrap()[0].name.clone();
        let firsts: std::collections::BTreeSet<_> = (0..20).map(first).collect();
        assert_eq!(firsts.len(), 2);
    }

    #[test]
    fn what_the_name_servers_say_decides_whose_fault_it_is() {
        let mut zone = Zone::default();
        let records = [
            ("null.example", Some(vec![Mx::new(0, ".")])),
            ("silent.example", None),
            ("plain.example", Some(vec![])),
            ("bare.example", Some(vec![])),
            ("lost.example", Some(vec![Mx::new(1, "gone.example")])),
            ("sick.example", Some(vec![Mx::new(1, "gone.example"), Mx::new(2, "mute.example")])),
            ("half.example", Some(vec![Mx::new(1, "mute.example"), Mx::new(2, "mx.example")])),
        ];
        zone.mx.extend(records.map(|(domain, records)| (domain.to_owned(), records)));
        zone.addresses.insert("plain.example".into(), Some(one([192, 0, 2, 1])));
        zone.addresses.insert("mx.example".into(), Some(one([192, 0, 2, 2])));
        zone.addresses.insert("bare.example".into(), Some(vec![]));
        zone.addresses.insert("mute.example".into(), None);
        for (domain, expected) in [
            ("nowhere.example", Err((Reason::HostUnknown, false))),
            ("null.example", Err((Reason::DomainAcceptsNoMail, false))),
            ("silent.example", Err((Reason::DnsError, true))),
            ("plain.example", Ok("plain.example")),
            ("bare.example", Err((Reason::HostUnknown, false))),
            ("lost.example", Err((Reason::HostUnknown, false))),
            ("sick.example", Err((Reason::DnsError, true))),
            ("half.example", Ok("mx.example")),
            ("[192.0.2.9]", Ok("[192.0.2.9]")),
            ("[ipv6:2001:db8::1]", Ok("[ipv6:2001:db8::1]")),
        ] {
            let found = find(&zone, domain, 1);
            let actual = found.as_ref().map(|hosts| &*hosts[0].name);
            let actual = actual.map_err(|failure| (failure.diagnosis.reason, failure.passing));
            assert_eq!(actual, expected, "{domain}");
        }
    }
}
