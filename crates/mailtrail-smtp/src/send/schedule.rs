//! When to try again.

use std::collections::BTreeMap;
use std::str::FromStr;

use chrono::{DateTime, TimeDelta, Utc};
use mailtrail_core::DeliveryId;

/// The waits after each failed attempt; when they are used up, it is given up.
///
/// The next attempt follows from events alone, so a restart goes on exactly there.
///
/// # As text
/// A list of waits, or how they grow; and how far each is spread, so that those that failed together
/// don't come back together:
/// ```
/// use mailtrail_core::DeliveryId;
/// use mailtrail_smtp::send::Schedule;
/// let list: Schedule = "1m,5m,30m".parse()?;
/// assert_eq!(list.attempts(), 4);
/// let (now, delivery) = (chrono::DateTime::UNIX_EPOCH, DeliveryId::from_bytes([7; 16]));
/// assert_eq!(list.next(1, now, delivery).unwrap().timestamp(), 60);
/// assert_eq!(list.next(4, now, delivery), None);
///
/// // 1, 2, 4, 8 … minutes, at most 4 hours each, for 2 days in all; each up to a fifth longer or shorter.
/// let growing: Schedule = "first=1m,factor=2,most=4h,until=2d,jitter=20%".parse()?;
/// assert_eq!(growing.attempts(), 19);
/// # Ok::<(), mailtrail_smtp::send::ParseScheduleError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    waits: Vec<TimeDelta>,
    /// In hundredths of a wait.
    jitter: u8,
}

impl Schedule {
    /// With these waits.
    pub fn new(waits: impl IntoIterator<Item = TimeDelta>) -> Self {
        Self { waits: waits.into_iter().collect(), jitter: 0 }
    }

    /// Waits that begin with the first, each `factor` times as long as the one before but none longer than
    /// `most`, as long as all together are at most `until`. There are at most 1,000.
    pub fn growing(first: TimeDelta, factor: u32, most: TimeDelta, until: TimeDelta) -> Self {
        let mut waits = Vec::new();
        let factor = i32::try_from(factor).unwrap_or(i32::MAX);
        let (mut wait, mut all) = (first.max(TimeDelta::seconds(1)).min(most), TimeDelta::zero());
        while let Some(sum) = all.checked_add(&wait).filter(|sum| *sum <= until) {
            waits.push(wait);
            all = sum;
            wait = wait.checked_mul(factor).unwrap_or(most).min(most);
            if waits.len() == MOST_WAITS || wait <= TimeDelta::zero() {
                break;
            }
        }
        Self { waits, jitter: 0 }
    }

    /// With each wait up to so many percent longer or shorter, at most 100.
    pub fn jitter(mut self, percent: u8) -> Self {
        self.jitter = percent.min(100);
        self
    }

    /// How many attempts there are at most.
    pub fn attempts(&self) -> usize {
        self.waits.len().saturating_add(1)
    }

    /// When to try again after this attempt (counted from 1) of a delivery failed; `None` gives up.
    pub fn next(
        &self,
        attempt: u32,
        failed_at: DateTime<Utc>,
        delivery: DeliveryId,
    ) -> Option<DateTime<Utc>> {
        let index = usize::try_from(attempt.checked_sub(1)?).ok()?;
        let wait = *self.waits.get(index)?;
        failed_at.checked_add_signed(wait.checked_add(&self.spread(wait, attempt, delivery)?)?)
    }

    /// Ids are hashes: their bits are as good as drawn, and the same for everyone who asks again.
    fn spread(&self, wait: TimeDelta, attempt: u32, delivery: DeliveryId) -> Option<TimeDelta> {
        let range =
            wait.num_milliseconds().checked_mul(i64::from(self.jitter))?.checked_div(100)?;
        if range == 0 {
            return Some(TimeDelta::zero());
        }
        let [.., a, b, c, d] = *delivery.as_bytes();
        let mixed = u32::from_be_bytes([a, b, c, d]) ^ attempt.wrapping_mul(0x9E37_79B9);
        let part = i64::from(mixed % 2_001).checked_sub(1_000)?;
        TimeDelta::try_milliseconds(range.checked_mul(part)?.checked_div(1_000)?)
    }
}

impl Default for Schedule {
    /// 1, 5 and 30 minutes.
    fn default() -> Self {
        Self::new([1, 5, 30].map(TimeDelta::minutes))
    }
}

/// A schedule for each domain of recipients.
///
/// ```
/// use mailtrail_smtp::send::{Schedule, Schedules};
/// let schedules = Schedules::from(Schedule::default()).domain("slow.example", "1h,4h".parse()?);
/// assert_eq!(schedules.of("slow.example").attempts(), 3);
/// assert_eq!(schedules.of("other.example").attempts(), 4);
/// # Ok::<(), mailtrail_smtp::send::ParseScheduleError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Schedules {
    others: Schedule,
    domains: BTreeMap<Box<str>, Schedule>,
}

impl Schedules {
    /// With another for addresses of this domain.
    pub fn domain(mut self, domain: &str, schedule: Schedule) -> Self {
        self.domains.insert(domain.to_ascii_lowercase().into(), schedule);
        self
    }

    /// That of a domain in normal form.
    pub fn of(&self, domain: &str) -> &Schedule {
        self.domains.get(domain).unwrap_or(&self.others)
    }
}

impl From<Schedule> for Schedules {
    fn from(others: Schedule) -> Self {
        Self { others, domains: BTreeMap::new() }
    }
}

/// A text is no schedule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "a schedule is a list of waits such as 30s,1m,5m,2h,1d or how they grow, such as \
     first=1m,factor=2,most=4h,until=2d; either may end with jitter=20%"
)]
#[non_exhaustive]
pub struct ParseScheduleError;

impl FromStr for Schedule {
    type Err = ParseScheduleError;
    fn from_str(text: &str) -> Result<Self, ParseScheduleError> {
        parse(text).ok_or(ParseScheduleError)
    }
}

fn parse(text: &str) -> Option<Schedule> {
    let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
    let (mut named, mut waits) = (BTreeMap::new(), Vec::new());
    for part in parts {
        match part.split_once('=') {
            Some((name, value)) => {
                if named.insert(name.trim(), value.trim()).is_some() {
                    return None;
                }
            }
            None => waits.push(wait(part)?),
        }
    }
    let jitter = named.remove("jitter").map(percent);
    let schedule = if named.is_empty() {
        Schedule::new(waits)
    } else {
        let (first, until) = (wait(named.remove("first")?)?, wait(named.remove("until")?)?);
        let factor = named.remove("factor").map_or(Some(2), |factor| factor.parse().ok())?;
        let most = named.remove("most").map_or(Some(until), wait)?;
        if !named.is_empty() || !waits.is_empty() || factor == 0 {
            return None;
        }
        Schedule::growing(first, factor, most, until)
    };
    match jitter {
        Some(percent) => Some(schedule.jitter(percent?)),
        None => Some(schedule),
    }
}

fn percent(text: &str) -> Option<u8> {
    text.trim_end_matches('%').trim().parse().ok().filter(|percent| *percent <= 100)
}

fn wait(text: &str) -> Option<TimeDelta> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let count: i64 = digits.parse().ok().filter(|count| *count >= 0)?;
    let seconds: i64 = match text.strip_prefix(digits)? {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return None,
    };
    TimeDelta::try_seconds(count.checked_mul(seconds)?)
}

const MOST_WAITS: usize = 1_000;

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "small numbers of a test")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_no_schedule_is_refused() {
        for text in [
            "1",
            "m",
            "1x",
            "-1m",
            "1m 5m",
            "99999999999999999999d",
            "é",
            "first=1m",
            "until=2d",
            "first=1m,until=2d,often=3",
            "first=1m,first=2m,until=1d",
            "1m,first=1m,until=2d",
            "1m,jitter=101",
            "1m,jitter=x",
            "first=1m,factor=0,until=1d",
        ] {
            assert_eq!(text.parse::<Schedule>(), Err(ParseScheduleError), "{text}");
        }
        assert_eq!("".parse::<Schedule>().unwrap().attempts(), 1);
    }

    proptest! {
        #[test]
        fn waits_grow_to_the_most_and_stay_within_all(
            first in 0_i64..10_000, factor in 1_u32..5, most in 0_i64..100_000, until in 0_i64..1_000_000,
        ) {
            let [first, most, until] = [first, most, until].map(TimeDelta::seconds);
            let Schedule { waits, .. } = Schedule::growing(first, factor, most, until);
            prop_assert!(waits.is_sorted());
            prop_assert!(waits.iter().all(|wait| *wait <= most));
            prop_assert!(waits.iter().sum::<TimeDelta>() <= until);
            prop_assert!(waits.len() <= MOST_WAITS);
        }

        #[test]
        fn a_wait_is_spread_within_its_jitter_and_never_otherwise(
            id: [u8; 16], attempt in 1_u32..4, jitter in 0_u8..=100,
        ) {
            let exact = Schedule::new([60, 300, 1_800].map(TimeDelta::seconds));
            let spread = exact.clone().jitter(jitter);
            let (now, delivery) = (DateTime::UNIX_EPOCH, DeliveryId::from_bytes(id));
            let middle = exact.next(attempt, now, delivery).unwrap() - now;
            let actual = spread.next(attempt, now, delivery).unwrap() - now;
            let most = middle * i32::from(jitter) / 100;
            prop_assert!((actual - middle).abs() <= most);
            prop_assert_eq!(spread.next(attempt, now, delivery), Some(now + actual));
        }
    }

    #[test]
    fn those_that_failed_together_come_back_apart() {
        let schedule: Schedule = "10m,jitter=50".parse().unwrap();
        let times: std::collections::BTreeSet<_> = (0..100_u8)
            .map(|n| {
                let id = uuid(n);
                schedule.next(1, DateTime::UNIX_EPOCH, DeliveryId::from_bytes(id)).unwrap()
            })
            .collect();
        let (first, last) = (times.first().unwrap(), times.last().unwrap());
        assert!(times.len() > 80 && *last - *first > TimeDelta::minutes(8), "{times:?}");
    }

    /// Ids are hashes.
    fn uuid(n: u8) -> [u8; 16] {
        let word = u128::from(n).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835);
        (word ^ (word >> 61)).to_be_bytes()
    }
}
