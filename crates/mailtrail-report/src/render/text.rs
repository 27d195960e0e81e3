//! What stands in a cell, in words.

use chrono::{DateTime, Utc};

use crate::sheet::{Cell, Kind};
use crate::summary::Rate;

/// A cell as people read it. Texts of others are as they are: whoever shows them makes them [safe](super::safe).
///
/// ```
/// use mailtrail_report::render::text;
/// use mailtrail_report::sheet::{Cell, Kind};
/// assert_eq!(text(&Cell::Flag(true), Kind::Flag), "yes");
/// assert_eq!(text(&Cell::Seconds(5_400), Kind::Seconds), "1 h 30 min");
/// ```
pub fn text(cell: &Cell, kind: Kind) -> String {
    match cell {
        Cell::Seconds(seconds) => duration(*seconds),
        Cell::Rate(rate) if kind == Kind::Estimate => estimate(*rate),
        Cell::Rate(rate) => percent(*rate),
        other => plain(other),
    }
}

/// A cell as programs read it: numbers without units, times in ISO 8601.
pub(crate) fn plain(cell: &Cell) -> String {
    match cell {
        Cell::Empty | Cell::Flag(false) => String::new(),
        Cell::Flag(true) => "yes".into(),
        Cell::Text(text) => text.to_string(),
        Cell::Count(count) => count.to_string(),
        Cell::Time(at) => time(*at),
        Cell::Rate(rate) => rate.per_mille().map_or_else(String::new, tenths),
        Cell::Seconds(seconds) => seconds.to_string(),
        Cell::Status(status) => status.label().into(),
    }
}

/// ISO 8601, in UTC, to the second.
pub(super) fn time(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn percent(rate: Rate) -> String {
    let Some(per_mille) = rate.per_mille() else { return format!("{} of {}", rate.count, rate.of) };
    format!("{} % ({} of {})", tenths(per_mille), rate.count, rate.of)
}

fn estimate(rate: Rate) -> String {
    match (rate.per_mille(), rate.interval()) {
        (Some(per_mille), Some((low, high))) => {
            let (low, high) = (low.div_euclid(10), high.div_ceil(10));
            format!("{} % ({low} to {high} %, of {})", tenths(per_mille), rate.of)
        }
        _ => format!("too few to say ({} of {})", rate.count, rate.of),
    }
}

fn tenths(per_mille: u64) -> String {
    format!("{}.{}", per_mille.div_euclid(10), per_mille.rem_euclid(10))
}

fn duration(seconds: u64) -> String {
    let parts = |large: u64, small: u64, names: [&str; 2]| {
        let (whole, rest) =
            (seconds.div_euclid(large), seconds.rem_euclid(large).div_euclid(small));
        let rest = if rest == 0 { String::new() } else { format!(" {rest} {}", names[1]) };
        format!("{whole} {}{rest}", names[0])
    };
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => parts(60, 1, ["min", "s"]),
        3_600..86_400 => parts(3_600, 60, ["h", "min"]),
        _ => parts(86_400, 3_600, ["d", "h"]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_that_something_takes_has_two_units_at_most() {
        for (seconds, words) in [
            (0, "0 s"),
            (59, "59 s"),
            (60, "1 min"),
            (3_599, "59 min 59 s"),
            (3_600, "1 h"),
            (90_061, "1 d 1 h"),
        ] {
            assert_eq!(duration(seconds), words);
        }
    }
}
