//! How long something takes, of many.

use chrono::{DateTime, Utc};

use crate::sheet::{Cell, Column, Kind};

/// Times that something took, in seconds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Spread(Vec<u64>);

impl Spread {
    /// Adds a time from one moment to another, if both are known and in this order.
    pub(crate) fn add(&mut self, from: Option<DateTime<Utc>>, to: Option<DateTime<Utc>>) {
        let took = from.zip(to).map(|(from, to)| to.signed_duration_since(from).num_seconds());
        self.0.extend(took.and_then(|seconds| u64::try_from(seconds).ok()));
    }

    /// The least time that so many of a hundred did not exceed: one that there was. `None` of nothing.
    pub(crate) fn percentile(&self, percent: usize) -> Option<u64> {
        let mut times = self.0.clone();
        times.sort_unstable();
        let rank = times.len().saturating_mul(percent).div_ceil(100).max(1);
        times.get(rank.saturating_sub(1)).copied()
    }

    /// The columns of median and nine of ten.
    pub(crate) fn columns(name: &str, title: &str) -> [Column; 2] {
        [("median", "median"), ("p90", "9 of 10")].map(|(short, words)| {
            Column::new(&format!("{name}_{short}"), &format!("{title} ({words})"), Kind::Seconds)
        })
    }

    /// Their cells.
    pub(crate) fn cells(&self) -> [Cell; 2] {
        [50, 90].map(|percent| self.percentile(percent).map_or(Cell::Empty, Cell::Seconds))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_a_time_that_there_was() {
        let of = |times: &[u64], percent| Spread(times.to_vec()).percentile(percent);
        assert_eq!(of(&[], 50), None);
        assert_eq!((of(&[7], 50), of(&[7], 90)), (Some(7), Some(7)));
        assert_eq!((of(&[4, 1, 3, 2], 50), of(&[4, 1, 3, 2], 90)), (Some(2), Some(4)));
        let hundred: Vec<u64> = (1..=100).collect();
        assert_eq!((of(&hundred, 50), of(&hundred, 90)), (Some(50), Some(90)));
    }
}
