//! What is in a ring, and what has to go when one more comes.

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, Ipv6Addr};

use chrono::{DateTime, Utc};
use mailtrail_core::id::Endpoint;

use super::{Kept, RefusedId};
use crate::provider::Refused;

/// How much is kept of each endpoint. A tenth of it may be one peer's.
///
/// ```
/// use mailtrail_webhook::refused::Limits;
/// assert_eq!(Limits::default().bodies, 1_000);
/// assert_eq!(Limits::default().bytes, 64 * 1024 * 1024);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// How many requests.
    pub bodies: usize,
    /// How many bytes: bodies with their header fields and queries.
    pub bytes: u64,
}

impl Limits {
    /// These.
    pub fn new(bodies: usize, bytes: u64) -> Self {
        Self { bodies, bytes }
    }

    /// What one peer may have of it.
    #[must_use]
    pub fn of_a_peer(self) -> Self {
        Self { bodies: self.bodies / SHARE, bytes: self.bytes / SHARE_OF_BYTES }
    }

    fn allow<'a>(self, kept: impl Iterator<Item = &'a Kept>) -> bool {
        let add = |(bodies, bytes): (usize, u64), kept: &Kept| {
            (bodies.saturating_add(1), bytes.saturating_add(kept.bytes))
        };
        let (bodies, bytes) = kept.fold((0, 0), add);
        bodies <= self.bodies && bytes <= self.bytes
    }
}

impl Default for Limits {
    /// 64 MiB and 1,000 requests.
    fn default() -> Self {
        Self { bodies: 1_000, bytes: 64 * 1024 * 1024 }
    }
}

/// What is in a ring. Whoever keeps the requests asks it what has to go.
///
/// A network that gives one customer a whole /64 of IPv6 addresses counts as one peer.
///
/// # Example
/// ```
/// use mailtrail_core::id::Endpoint;
/// use mailtrail_webhook::Request;
/// use mailtrail_webhook::provider::Refused;
/// use mailtrail_webhook::refused::{Index, Limits, RefusedId, RefusedRequest};
/// let now = chrono::DateTime::UNIX_EPOCH;
/// let request = RefusedRequest::new(Endpoint::new("a")?, &Request::new(b"[]", now), Refused::Stale);
/// let mut index = Index::new(Limits::new(20, 1_000));
/// let mut admit = |number| index.admit(request.kept(RefusedId::new(number)));
/// assert_eq!((admit(1), admit(2)), (Some(vec![]), Some(vec![])));
/// assert_eq!(admit(3), Some(vec![RefusedId::new(1)]));             // two of twenty are one peer's
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Default)]
pub struct Index {
    limits: Limits,
    endpoints: BTreeMap<Endpoint, VecDeque<Kept>>,
}

impl Index {
    /// An empty ring of these limits.
    pub fn new(limits: Limits) -> Self {
        Self { limits, endpoints: BTreeMap::new() }
    }

    /// Takes one more in, and says which have to go for it: its peer's oldest while the peer has more than its
    /// share, the oldest of all while there are too many. `None` if it is itself too large, and not taken in.
    pub fn admit(&mut self, kept: Kept) -> Option<Vec<RefusedId>> {
        let (all, share) = (self.limits, self.limits.of_a_peer());
        if !share.allow(std::iter::once(&kept)) {
            return None;
        }
        let peer = network(kept.peer);
        let of_the_peer = |kept: &&Kept| network(kept.peer) == peer;
        let ring = self.endpoints.entry(kept.endpoint.clone()).or_default();
        ring.push_back(kept);
        let mut gone = Vec::new();
        loop {
            let over = if !share.allow(ring.iter().filter(of_the_peer)) {
                ring.iter().position(|kept| of_the_peer(&kept))
            } else if !all.allow(ring.iter()) {
                Some(0)
            } else {
                None
            };
            let Some(oldest) = over.and_then(|place| ring.remove(place)) else { return Some(gone) };
            gone.push(oldest.id);
        }
    }

    /// What is in it, of one endpoint or of all, the oldest first.
    pub fn list(&self, endpoint: Option<&Endpoint>) -> Vec<Kept> {
        let asked = |of: &Endpoint| endpoint.is_none_or(|asked| asked == of);
        let rings = self.endpoints.iter().filter(|(of, _)| asked(of)).map(|(_, ring)| ring);
        let mut all: Vec<Kept> = rings.flatten().cloned().collect();
        all.sort_by_key(|kept| kept.id);
        all
    }

    /// Notes why one is refused now.
    pub fn refuse_again(&mut self, id: RefusedId, cause: Refused) {
        let all = self.endpoints.values_mut().flatten();
        all.filter(|kept| kept.id == id).for_each(|kept| kept.cause = cause);
    }

    /// Takes one out.
    pub fn remove(&mut self, id: RefusedId) {
        self.take_out(|kept| kept.id == id);
    }

    /// Takes out what came before this time.
    pub fn expire(&mut self, before: DateTime<Utc>) -> Vec<RefusedId> {
        self.take_out(|kept| kept.received_at < before)
    }

    fn take_out(&mut self, goes: impl Fn(&Kept) -> bool) -> Vec<RefusedId> {
        let mut gone = Vec::new();
        self.endpoints.retain(|_, ring| {
            gone.extend(ring.iter().filter(|kept| goes(kept)).map(|kept| kept.id));
            ring.retain(|kept| !goes(kept));
            !ring.is_empty()
        });
        gone
    }
}

/// Whom an address belongs to.
fn network(peer: Option<IpAddr>) -> Option<IpAddr> {
    Some(match peer?.to_canonical() {
        IpAddr::V6(address) => {
            let bits = u128::from(address) & (u128::MAX << 64);
            Ipv6Addr::from(bits).into()
        }
        address @ IpAddr::V4(_) => address,
    })
}

/// One peer has at most a tenth.
const SHARE: usize = 10;
const SHARE_OF_BYTES: u64 = 10;
