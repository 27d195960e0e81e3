//! The zone of stamps that name none.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, FixedOffset, MappedLocalTime, NaiveDateTime, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;

/// The zone in which a server writes its log: traditional stamps don't say.
///
/// ```
/// use mailtrail_maillog::{Zone, ZoneError};
/// assert_eq!("Europe/Berlin".parse::<Zone>()?.to_string(), "Europe/Berlin");
/// assert_eq!("+02:00".parse::<Zone>()?.to_string(), "+02:00");
/// assert_eq!(Zone::UTC.to_string(), "UTC");
/// assert_eq!("Middle/Earth".parse::<Zone>(), Err(ZoneError::Unknown));
/// # Ok::<(), ZoneError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Zone(Kind);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Named(Tz),
    Fixed(FixedOffset),
}

impl Zone {
    /// Coordinated universal time.
    pub const UTC: Self = Self(Kind::Named(Tz::UTC));

    /// The instant of a local time. Of two that it may be the earlier; one that a clock put forward
    /// has left out counts by the time before.
    pub(crate) fn instant(self, local: NaiveDateTime) -> Option<DateTime<Utc>> {
        match self.0 {
            Kind::Named(zone) => instant(&zone, local),
            Kind::Fixed(zone) => instant(&zone, local),
        }
    }
}

fn instant<Z: TimeZone>(zone: &Z, local: NaiveDateTime) -> Option<DateTime<Utc>> {
    let at = |local: NaiveDateTime| match zone.from_local_datetime(&local) {
        MappedLocalTime::Single(time) | MappedLocalTime::Ambiguous(time, _) => Some(time.to_utc()),
        MappedLocalTime::None => None,
    };
    // No clock was ever put forward by more than a day.
    at(local).or_else(|| {
        let day = TimeDelta::days(1);
        at(local.checked_sub_signed(day)?)?.checked_add_signed(day)
    })
}

impl FromStr for Zone {
    type Err = ZoneError;

    fn from_str(text: &str) -> Result<Self, ZoneError> {
        let offset = || text.parse::<FixedOffset>().map(Kind::Fixed);
        let named = text.parse::<Tz>().map(Kind::Named);
        named.or_else(|_| offset()).map(Self).map_err(|_| ZoneError::Unknown)
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Kind::Named(zone) => f.write_str(zone.name()),
            Kind::Fixed(offset) => offset.fmt(f),
        }
    }
}

/// Why a text names no zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ZoneError {
    /// The IANA database doesn't know it, and it is no offset.
    #[error("not a time zone: write a name such as Europe/Berlin, or an offset such as +02:00")]
    Unknown,
}
