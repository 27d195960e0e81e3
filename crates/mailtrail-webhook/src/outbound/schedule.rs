//! When a message is tried again.

use std::time::Duration;

/// How long to wait before each attempt.
///
/// ```
/// use mailtrail_webhook::outbound::Schedule;
/// use std::time::Duration;
/// let schedule = Schedule::standard();
/// assert_eq!(schedule.before(0, 0), Some(Duration::ZERO));
/// assert_eq!(schedule.before(1, 0), Some(Duration::from_secs(5)));
/// assert_eq!(schedule.before(10, 0), None);            // given up
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule(Box<[Duration]>);

impl Schedule {
    /// What Standard Webhooks recommends: at once, after 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h, 20 h and 24 h.
    pub fn standard() -> Self {
        Self::new(STANDARD.map(Duration::from_secs))
    }

    /// The waits before the attempts; the first is mostly none.
    pub fn new(waits: impl IntoIterator<Item = Duration>) -> Self {
        Self(waits.into_iter().collect())
    }

    /// How often a message is tried.
    pub fn attempts(&self) -> usize {
        self.0.len()
    }

    /// How long to wait before the attempt after so many; `None`: there is none. `random` adds up to a tenth, so that
    /// what failed together does not come again together.
    pub fn before(&self, attempts: u32, random: u64) -> Option<Duration> {
        let wait = *self.0.get(usize::try_from(attempts).ok()?)?;
        let most = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).checked_div(10).unwrap_or(0);
        let more = random.checked_rem(most.saturating_add(1)).unwrap_or(0);
        Some(wait.saturating_add(Duration::from_millis(more)))
    }
}

impl Default for Schedule {
    fn default() -> Self {
        Self::standard()
    }
}

/// In seconds.
const STANDARD: [u64; 10] = [0, 5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn jitter_adds_a_tenth_at_most(attempts in 0..12_u32, random: u64) {
            let schedule = Schedule::standard();
            let (plain, jittered) = (schedule.before(attempts, 0), schedule.before(attempts, random));
            prop_assert_eq!(plain.is_some(), attempts < 10);
            if let (Some(plain), Some(jittered)) = (plain, jittered) {
                prop_assert!(plain <= jittered && jittered <= plain.mul_f64(1.1001));
            }
        }
    }
}
