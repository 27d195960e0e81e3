//! The time at the front of a line.

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Utc};

use crate::zone::Zone;

/// A time as a log writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp<'a> {
    /// As written: what an event's id is derived from, whatever zone and year we take it for.
    pub(crate) text: &'a str,
    form: Form,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// RFC 3339, or Exim's own with a zone.
    Instant(DateTime<Utc>),
    /// Without a zone.
    Local(NaiveDateTime),
    /// Traditional syslog (RFC 3164 §4.1.2): without zone and year.
    Yearless { month: u32, day: u32, time: NaiveTime },
}

impl<'a> Stamp<'a> {
    /// The stamp at the front of a line, and what follows it.
    pub(crate) fn split(line: &'a str) -> Option<(Self, &'a str)> {
        iso(line).or_else(|| spaced(line)).or_else(|| traditional(line))
    }

    /// The instant that it names, as seen at `now` in the zone of the log.
    pub(crate) fn instant(&self, zone: Zone, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        match self.form {
            Form::Instant(time) => Some(time),
            Form::Local(time) => zone.instant(time),
            Form::Yearless { month, day, time } => {
                // A clock may be a little ahead of ours; what is further ahead is a year old.
                let latest = now.checked_add_signed(AHEAD)?;
                let mut years =
                    (now.year().saturating_sub(OLDEST)..=now.year().saturating_add(1)).rev();
                years.find_map(|year| {
                    let local = NaiveDate::from_ymd_opt(year, month, day)?.and_time(time);
                    zone.instant(local).filter(|instant| *instant <= latest)
                })
            }
        }
    }
}

/// `2026-11-26T12:41:42.123+01:00`, also without the colon (journalctl) or without a zone.
fn iso(line: &str) -> Option<(Stamp<'_>, &str)> {
    let (text, rest) = line.split_once(' ')?;
    let zoned = DateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f%#z");
    let form = match zoned {
        Ok(time) => Form::Instant(time.to_utc()),
        Err(_) => Form::Local(NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f").ok()?),
    };
    Some((Stamp { text, form }, rest))
}

/// `2026-11-26 12:41:42.123`, perhaps with ` +0100`: Exim's own.
fn spaced(line: &str) -> Option<(Stamp<'_>, &str)> {
    let (text, rest) = words(line, 2)?;
    let local = NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f").ok()?;
    let zoned = words(line, 3).and_then(|(text, rest)| {
        let time = DateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f %z").ok()?;
        Some((Stamp { text, form: Form::Instant(time.to_utc()) }, rest))
    });
    Some(zoned.unwrap_or((Stamp { text, form: Form::Local(local) }, rest)))
}

/// `Nov 26 12:41:42` or `Nov  6 12:41:42`.
fn traditional(line: &str) -> Option<(Stamp<'_>, &str)> {
    let (month, after) = line.split_once(' ')?;
    let (day, after) = after.trim_start_matches(' ').split_once(' ')?;
    let (time, rest) = after.split_once(' ')?;
    let text = line.get(..line.len().checked_sub(rest.len())?)?.trim_end();
    let month =
        MONTHS.iter().zip(1..).find(|(name, _)| **name == month).map(|(_, number)| number)?;
    let time = NaiveTime::parse_from_str(time, "%H:%M:%S%.f").ok()?;
    let day = day.parse().ok()?;
    // A leap year has every day that any year has.
    NaiveDate::from_ymd_opt(2000, month, day)?;
    Some((Stamp { text, form: Form::Yearless { month, day, time } }, rest))
}

/// The first words of a line, each followed by one space, and what follows them.
fn words(line: &str, count: usize) -> Option<(&str, &str)> {
    let (end, _) = line.match_indices(' ').nth(count.checked_sub(1)?)?;
    let (text, rest) = line.split_at_checked(end)?;
    Some((text, rest.get(1..)?))
}

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// How far a log's clock may be ahead of ours.
const AHEAD: TimeDelta = TimeDelta::minutes(5);

/// So many years back lies the last 29 February at most (1896 to 1904, 2096 to 2104).
const OLDEST: i32 = 8;

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str, zone: &str, now: &str) -> Option<String> {
        let (stamp, rest) = Stamp::split(line)?;
        assert_eq!(rest, "host rest", "{line}");
        let instant = stamp.instant(zone.parse().unwrap(), now.parse().unwrap())?;
        Some(instant.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true))
    }

    #[test]
    fn every_form_is_read_with_its_zone() {
        let now = "2026-11-26T12:00:00Z";
        for (line, expected) in [
            ("2026-11-26T11:41:42.5+01:00 host rest", "2026-11-26T10:41:42.500Z"),
            ("2026-11-26T10:41:42Z host rest", "2026-11-26T10:41:42Z"),
            ("2026-11-26T11:41:42+0100 host rest", "2026-11-26T10:41:42Z"),
            ("2026-11-26T11:41:42 host rest", "2026-11-26T10:41:42Z"),
            ("2026-11-26 11:41:42 host rest", "2026-11-26T10:41:42Z"),
            ("2026-11-26 11:41:42.123 +0000 host rest", "2026-11-26T11:41:42.123Z"),
            ("Nov 26 11:41:42 host rest", "2026-11-26T10:41:42Z"),
            ("Nov  6 11:41:42.25 host rest", "2026-11-06T10:41:42.250Z"),
            ("Jul 26 11:41:42 host rest", "2026-07-26T09:41:42Z"),
        ] {
            assert_eq!(read(line, "Europe/Berlin", now).as_deref(), Some(expected), "{line}");
        }
    }

    #[test]
    fn a_stamp_that_would_be_in_the_future_is_last_years() {
        for (line, now, expected) in [
            ("Dec 31 23:59:59 host rest", "2027-01-01T00:00:10Z", "2026-12-31T23:59:59Z"),
            ("Nov 26 13:00:00 host rest", "2026-11-26T12:00:00Z", "2025-11-26T13:00:00Z"),
            ("Jan  1 00:00:01 host rest", "2026-12-31T23:59:59Z", "2027-01-01T00:00:01Z"),
            ("Feb 29 08:00:00 host rest", "2026-11-26T12:00:00Z", "2024-02-29T08:00:00Z"),
        ] {
            assert_eq!(read(line, "UTC", now).as_deref(), Some(expected), "{line}");
        }
    }

    #[test]
    fn a_time_that_the_clock_left_out_or_had_twice_is_one_time() {
        let now = "2026-11-26T12:00:00Z";
        let zone = "Europe/Berlin";
        let skipped = read("Mar 29 02:30:00 host rest", zone, now);
        assert_eq!(skipped.as_deref(), Some("2026-03-29T01:30:00Z"));
        let twice = read("Oct 25 02:30:00 host rest", zone, now);
        assert_eq!(twice.as_deref(), Some("2026-10-25T00:30:00Z"));
    }

    #[test]
    fn what_is_no_time_is_none() {
        for line in [
            "",
            "Nov",
            "Nov 31 11:00:00 host rest",
            "Foo 1 11:00:00 host rest",
            "2026-13-01 11:00:00 host rest",
        ] {
            assert_eq!(Stamp::split(line), None, "{line}");
        }
    }
}
