//! Time that a test moves.

use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use mailtrail_core::clock::Clock;

/// A clock that stands still until it is moved. Clones share their time.
///
/// ```
/// use chrono::TimeDelta;
/// use mailtrail_core::clock::Clock;
/// use mailtrail_testkit::VirtualClock;
/// let clock = VirtualClock::default();
/// let before = clock.now();
/// clock.advance(TimeDelta::minutes(5));
/// assert_eq!(clock.now() - before, TimeDelta::minutes(5));
/// ```
#[derive(Debug, Clone)]
pub struct VirtualClock(Arc<Mutex<DateTime<Utc>>>);

impl VirtualClock {
    /// A clock that shows this time.
    pub fn at(time: DateTime<Utc>) -> Self {
        Self(Arc::new(Mutex::new(time)))
    }

    /// Moves it, forward or back.
    pub fn advance(&self, by: TimeDelta) {
        let mut time = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *time = time.checked_add_signed(by).unwrap_or(*time);
    }
}

impl Default for VirtualClock {
    /// A time in November 2023.
    fn default() -> Self {
        Self::at(DateTime::from_timestamp(1_700_000_000, 0).unwrap_or_default())
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> DateTime<Utc> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
