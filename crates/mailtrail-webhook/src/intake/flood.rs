//! Peers that keep sending what does not verify: after a while they are told to come later, unread.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};

/// Counts what failed to verify, by peer. What verified never counts: a provider may send as much as it
/// likes.
///
/// # Limits
/// It remembers the 20,000 peers that failed last; of an IPv6 address the network of 64 bits is the peer.
#[derive(Debug)]
pub(super) struct Flood {
    most: u32,
    peers: Mutex<Peers>,
}

/// When the first is full, it takes the place of the second.
#[derive(Debug, Default)]
struct Peers {
    young: HashMap<IpAddr, Failures>,
    old: HashMap<IpAddr, Failures>,
}

#[derive(Debug, Clone, Copy)]
struct Failures {
    since: DateTime<Utc>,
    count: u32,
}

impl Flood {
    pub(super) fn new(most: u32) -> Self {
        Self { most, peers: Mutex::default() }
    }

    /// Whether a peer has failed too often within this minute to be read.
    pub(super) fn holds_back(&self, peer: Option<IpAddr>, now: DateTime<Utc>) -> bool {
        let Some(peer) = peer.map(network) else { return false };
        let peers = self.peers.lock().unwrap_or_else(PoisonError::into_inner);
        let known = peers.young.get(&peer).or_else(|| peers.old.get(&peer));
        known.is_some_and(|failures| failures.is_of(now) && failures.count >= self.most)
    }

    /// One more failed.
    pub(super) fn failed(&self, peer: Option<IpAddr>, now: DateTime<Utc>) {
        let Some(peer) = peer.map(network) else { return };
        let mut peers = self.peers.lock().unwrap_or_else(PoisonError::into_inner);
        let known = peers.young.get(&peer).or_else(|| peers.old.get(&peer)).copied();
        let known = known.filter(|failures| failures.is_of(now));
        let Failures { since, count } = known.unwrap_or(Failures { since: now, count: 0 });
        if peers.young.len() >= GENERATION && !peers.young.contains_key(&peer) {
            peers.old = std::mem::take(&mut peers.young);
        }
        peers.young.insert(peer, Failures { since, count: count.saturating_add(1) });
    }
}

impl Failures {
    fn is_of(&self, now: DateTime<Utc>) -> bool {
        now.signed_duration_since(self.since).abs() < MINUTE
    }
}

/// Who has one IPv6 address has the whole network.
fn network(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(address) => {
            let network = address.to_bits() & !u128::from(u64::MAX);
            IpAddr::V6(network.into())
        }
        peer @ IpAddr::V4(_) => peer,
    }
}

const MINUTE: TimeDelta = TimeDelta::minutes(1);
const GENERATION: usize = 10_000;

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "small numbers of a test")]
mod tests {
    use super::*;

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_700_000_000, 0).unwrap() + TimeDelta::seconds(second)
    }

    #[test]
    fn a_peer_that_fails_too_often_waits_for_the_next_minute() {
        let flood = Flood::new(3);
        let (one, other) = (Some(IpAddr::from([192, 0, 2, 1])), Some(IpAddr::from([192, 0, 2, 2])));
        for second in 0..3 {
            assert!(!flood.holds_back(one, at(second)));
            flood.failed(one, at(second));
        }
        assert!(flood.holds_back(one, at(3)) && !flood.holds_back(other, at(3)));
        assert!(flood.holds_back(one, at(59)) && !flood.holds_back(one, at(60)));
        flood.failed(one, at(61));
        assert!(!flood.holds_back(one, at(62)));
        flood.failed(None, at(0));
        assert!(!flood.holds_back(None, at(0)));
    }

    #[test]
    fn one_network_is_one_peer() {
        let flood = Flood::new(1);
        flood.failed("2001:db8::1".parse().ok(), at(0));
        assert!(flood.holds_back("2001:db8::ffff:2".parse().ok(), at(0)));
        assert!(!flood.holds_back("2001:db8:0:1::1".parse().ok(), at(0)));
        flood.failed("::ffff:192.0.2.1".parse().ok(), at(0));
        assert!(flood.holds_back("192.0.2.1".parse().ok(), at(0)));
    }

    #[test]
    fn memory_is_bounded() {
        let flood = Flood::new(1);
        for n in 0..50_000_u32 {
            flood.failed(Some(IpAddr::from(n.to_be_bytes())), at(0));
        }
        let peers = flood.peers.lock().unwrap();
        assert!(peers.young.len() + peers.old.len() <= 2 * GENERATION);
    }
}
