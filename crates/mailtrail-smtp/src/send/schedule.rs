//! When to try again.

use std::str::FromStr;

use chrono::{DateTime, TimeDelta, Utc};

/// The waits after each failed attempt; when they are used up, it is given up.
///
/// The next attempt follows from events alone, so a restart goes on exactly there.
///
/// ```
/// use mailtrail_smtp::send::Schedule;
/// let schedule: Schedule = "1m,5m,30m".parse()?;
/// assert_eq!(schedule.attempts(), 4);
/// let now = chrono::DateTime::UNIX_EPOCH;
/// assert_eq!(schedule.next(1, now).unwrap().timestamp(), 60);
/// assert_eq!(schedule.next(4, now), None);
/// # Ok::<(), mailtrail_smtp::send::ParseScheduleError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule(Vec<TimeDelta>);

impl Schedule {
    /// With these waits.
    pub fn new(waits: impl IntoIterator<Item = TimeDelta>) -> Self {
        Self(waits.into_iter().collect())
    }

    /// How many attempts there are at most.
    pub fn attempts(&self) -> usize {
        self.0.len().saturating_add(1)
    }

    /// When to try again after this attempt (counted from 1) failed; `None` gives up.
    pub fn next(&self, attempt: u32, failed_at: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let index = usize::try_from(attempt.checked_sub(1)?).ok()?;
        failed_at.checked_add_signed(*self.0.get(index)?)
    }
}

impl Default for Schedule {
    /// 1, 5 and 30 minutes.
    fn default() -> Self {
        Self::new([1, 5, 30].map(TimeDelta::minutes))
    }
}

/// A text is no schedule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a schedule is a list of waits such as 30s,1m,5m,2h,1d")]
#[non_exhaustive]
pub struct ParseScheduleError;

impl FromStr for Schedule {
    type Err = ParseScheduleError;
    fn from_str(text: &str) -> Result<Self, ParseScheduleError> {
        let wait = |part: &str| {
            let part = part.trim();
            let digits = part.trim_end_matches(|c: char| c.is_ascii_alphabetic());
            let count: i64 = digits.parse().ok().filter(|count| *count >= 0)?;
            let seconds: i64 = match part.strip_prefix(digits)? {
                "s" => 1,
                "m" => 60,
                "h" => 3_600,
                "d" => 86_400,
                _ => return None,
            };
            TimeDelta::try_seconds(count.checked_mul(seconds)?)
        };
        let parts = text.split(',').filter(|part| !part.trim().is_empty());
        parts.map(wait).collect::<Option<_>>().map(Self).ok_or(ParseScheduleError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_schedule_is_refused() {
        for text in ["1", "m", "1x", "-1m", "1m 5m", "99999999999999999999d", "é"] {
            assert_eq!(text.parse::<Schedule>(), Err(ParseScheduleError), "{text}");
        }
        assert_eq!("".parse::<Schedule>().unwrap().attempts(), 1);
    }
}
