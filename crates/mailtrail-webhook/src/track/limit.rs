//! How many hits are kept: enough to know, too few to fill a disk.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use chrono::{DateTime, TimeDelta, Utc};
use mailtrail_core::DeliveryId;

/// What is to be done with a hit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Admission {
    /// Record it.
    Keep,
    /// Drop it, and record that hits of this delivery are dropped.
    FirstDropped,
    /// Drop it.
    Drop,
}

/// Keeps at most one hit a minute of a delivery, link and user agent, and 200 of a delivery.
///
/// # Limits
/// It remembers the 20,000 deliveries that were hit last, at most 200 times 16 bytes of each. A
/// delivery that it has forgotten starts anew.
///
/// ```
/// use mailtrail_core::DeliveryId;
/// use mailtrail_webhook::track::{Admission, HitLimiter};
/// let mut limiter = HitLimiter::default();
/// let (delivery, now) = (DeliveryId::from_bytes([1; 16]), chrono::DateTime::UNIX_EPOCH);
/// let mut ask = || limiter.admit(delivery, None, Some("Mozilla/5.0"), now);
/// assert_eq!([ask(), ask(), ask()], [Admission::Keep, Admission::FirstDropped, Admission::Drop]);
/// ```
#[derive(Debug, Default)]
pub struct HitLimiter {
    /// Deliveries hit lately, and those hit before them: when the first is full, it takes the
    /// place of the second.
    young: HashMap<DeliveryId, Seen>,
    old: HashMap<DeliveryId, Seen>,
    hasher: RandomState,
}

#[derive(Debug, Default)]
struct Seen {
    kept: usize,
    dropped: bool,
    /// Link and user agent, hashed, with the time of the last hit that was kept.
    recent: Vec<(u64, DateTime<Utc>)>,
}

impl HitLimiter {
    /// Decides about a hit.
    pub fn admit(
        &mut self,
        delivery: DeliveryId,
        link: Option<&str>,
        user_agent: Option<&str>,
        now: DateTime<Utc>,
    ) -> Admission {
        let who = self.hasher.hash_one((link, user_agent));
        if self.young.len() >= GENERATION && !self.young.contains_key(&delivery) {
            self.old = std::mem::take(&mut self.young);
        }
        let seen = match self.old.remove(&delivery) {
            Some(seen) => self.young.entry(delivery).or_insert(seen),
            None => self.young.entry(delivery).or_default(),
        };
        seen.admit(who, now)
    }

    /// Takes back that it was to be said that hits of a delivery are dropped: it was not stored.
    pub(super) fn say_again(&mut self, delivery: DeliveryId) {
        for seen in [&mut self.young, &mut self.old] {
            if let Some(seen) = seen.get_mut(&delivery) {
                seen.dropped = false;
            }
        }
    }

    /// Takes back that a hit was to be kept: it was not stored, and the next one may be.
    pub(super) fn forget(
        &mut self,
        delivery: DeliveryId,
        link: Option<&str>,
        user_agent: Option<&str>,
    ) {
        let who = self.hasher.hash_one((link, user_agent));
        for seen in [&mut self.young, &mut self.old] {
            if let Some(seen) = seen.get_mut(&delivery) {
                let before = seen.recent.len();
                seen.recent.retain(|(known, _)| *known != who);
                seen.kept = seen.kept.saturating_sub(before.saturating_sub(seen.recent.len()));
            }
        }
    }
}

impl Seen {
    fn admit(&mut self, who: u64, now: DateTime<Utc>) -> Admission {
        let within_a_minute = |at: DateTime<Utc>| now.signed_duration_since(at) < MINUTE;
        self.recent.retain(|(_, at)| within_a_minute(*at));
        if self.kept < PER_DELIVERY && !self.recent.iter().any(|(known, _)| *known == who) {
            self.kept = self.kept.saturating_add(1);
            self.recent.push((who, now));
            return Admission::Keep;
        }
        if std::mem::replace(&mut self.dropped, true) {
            Admission::Drop
        } else {
            Admission::FirstDropped
        }
    }
}

const GENERATION: usize = 10_000;
const PER_DELIVERY: usize = 200;
const MINUTE: TimeDelta = TimeDelta::minutes(1);

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "small numbers of a test")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn never_more_than_the_limits(steps in prop::collection::vec((0_u8..3, 0_i64..40), 0..600)) {
            let mut limiter = HitLimiter::default();
            let delivery = DeliveryId::from_bytes([1; 16]);
            let (mut at, mut kept) = (0, Vec::new());
            let mut said = 0;
            for (agent, wait) in steps {
                at += wait;
                let now = DateTime::from_timestamp(at, 0).unwrap();
                match limiter.admit(delivery, None, Some(&agent.to_string()), now) {
                    Admission::Keep => kept.push((agent, at)),
                    Admission::FirstDropped => said += 1,
                    Admission::Drop => prop_assert_eq!(said, 1),
                }
            }
            prop_assert!(said <= 1 && kept.len() <= PER_DELIVERY);
            for (i, (agent, at)) in kept.iter().enumerate() {
                let next = kept[i + 1..].iter().find(|(other, _)| other == agent);
                prop_assert!(next.is_none_or(|(_, next)| next - at >= 60));
            }
        }
    }

    #[test]
    fn memory_is_bounded() {
        let mut limiter = HitLimiter::default();
        for n in 0..50_000_u32 {
            let mut id = [0; 16];
            id[..4].copy_from_slice(&n.to_be_bytes());
            limiter.admit(DeliveryId::from_bytes(id), None, None, DateTime::UNIX_EPOCH);
        }
        assert!(limiter.young.len() + limiter.old.len() <= 2 * GENERATION);
    }
}
