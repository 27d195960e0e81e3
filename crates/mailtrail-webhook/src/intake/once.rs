//! Tokens that sign one request each, where the signature does not cover the events: who has seen a
//! request can't put other events behind its token.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use mailtrail_core::EventId;
use mailtrail_core::id::Endpoint;

/// The tokens of late, and what each was for. In memory: a restart forgets them, and the time that is
/// signed beside them bounds for how long that matters.
#[derive(Debug, Default)]
pub(super) struct Tokens(Mutex<Seen>);

#[derive(Debug, Default)]
struct Seen {
    of: HashMap<Key, Box<[EventId]>>,
    order: VecDeque<(DateTime<Utc>, Key)>,
}

type Key = (Endpoint, Box<str>);

impl Tokens {
    /// Whether the token was for no other events yet. From now on it is for these.
    pub(super) fn admit(
        &self,
        endpoint: &Endpoint,
        token: &str,
        events: &[EventId],
        now: DateTime<Utc>,
    ) -> bool {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_old = |at: DateTime<Utc>| now.signed_duration_since(at) > KEPT_FOR;
        while seen.order.front().is_some_and(|(at, _)| is_old(*at)) || seen.order.len() >= MOST {
            if let Some((_, key)) = seen.order.pop_front() {
                seen.of.remove(&key);
            }
        }
        let key = (endpoint.clone(), token.into());
        if let Some(known) = seen.of.get(&key) {
            return **known == *events;
        }
        seen.of.insert(key.clone(), events.into());
        seen.order.push_back((now, key));
        true
    }
}

/// Twice as long as a signature is taken for fresh.
const KEPT_FOR: TimeDelta = TimeDelta::hours(48);
/// Tokens that are kept, at some hundred bytes each.
const MOST: usize = 100_000;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_token_is_for_the_events_that_it_came_with(
            uses in prop::collection::vec((0_u8..4, 0_u8..3, 0_i64..72), 1..40),
        ) {
            let tokens = Tokens::default();
            let mut model: HashMap<u8, (u8, DateTime<Utc>)> = HashMap::new();
            let mut now = DateTime::<Utc>::UNIX_EPOCH;
            for (token, event, later) in uses {
                now = now.checked_add_signed(TimeDelta::hours(later)).unwrap();
                model.retain(|_, (_, at)| now.signed_duration_since(*at) <= KEPT_FOR);
                let expected = model.entry(token).or_insert((event, now)).0 == event;
                let endpoint = Endpoint::new("mailgun").unwrap();
                let events = [EventId::from_bytes([event; 16])];
                prop_assert_eq!(tokens.admit(&endpoint, &token.to_string(), &events, now), expected);
            }
        }
    }
}
