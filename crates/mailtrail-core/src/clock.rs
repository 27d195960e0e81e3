//! Where time comes from.

use chrono::{DateTime, TimeDelta, Utc};

/// A source of the present time. Any `Fn() -> DateTime<Utc>` is one.
///
/// ```
/// use mailtrail_core::clock::Clock;
/// let fixed = || chrono::DateTime::UNIX_EPOCH;
/// assert_eq!(fixed.now().timestamp(), 0);
/// ```
pub trait Clock: Send + Sync {
    /// The present time. It may go back; stores never do (`recorded_at` is never decreasing).
    fn now(&self) -> DateTime<Utc>;
}

impl<F: Fn() -> DateTime<Utc> + Send + Sync> Clock for F {
    fn now(&self) -> DateTime<Utc> {
        self()
    }
}

/// The time that a source claims, if it is one that can be true: within \[2000, now + 1 day\].
///
/// What lies outside is no time of a fact; the caller keeps its text instead.
pub fn plausible(claimed: DateTime<Utc>, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    // Nearly all lie in the past: the day is added only for the rest.
    if claimed > now && claimed > now.checked_add_signed(TimeDelta::days(1))? {
        return None;
    }
    (claimed >= EARLIEST?).then_some(claimed)
}

/// 2000-01-01T00:00:00Z.
const EARLIEST: Option<DateTime<Utc>> = DateTime::from_timestamp(946_684_800, 0);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_outside_of_reason_is_no_time() {
        let now = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
        let claims = [
            (946_684_799, false),
            (946_684_800, true),
            (1_700_086_400, true),
            (1_700_086_401, false),
        ];
        for (seconds, expected) in claims {
            let claimed = DateTime::from_timestamp(seconds, 0).unwrap();
            assert_eq!(plausible(claimed, now).is_some(), expected, "{seconds}");
        }
    }
}
