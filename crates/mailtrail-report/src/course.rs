//! How the rows of a broadcast came to their statuses, minute by minute.

use std::collections::BTreeMap;

use mailtrail_core::Status;
use mailtrail_core::projection::{StateError, TableValue};
use serde::{Deserialize, Serialize};

use crate::trail::{read, written};

/// How many rows have each status now, and how that came to be.
///
/// It grows with the minutes in which something changed, not with the rows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Course {
    present: [u64; 10],
    /// By minute and place of the status: how many more rows have it than the minute before. None of these is zero.
    changes: BTreeMap<(i64, u8), i64>,
}

/// What one row adds to a course.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Life {
    /// The place of its status.
    pub(crate) status: u8,
    /// Since which minute it had which status, in order; empty if no time is known.
    pub(crate) steps: Vec<(i64, u8)>,
}

/// The beginning of a time, in minutes since 1970, and the rows by status at its end.
pub(crate) type Counts = (i64, [u64; 10]);

impl Course {
    /// With one more row.
    pub(crate) fn add(&mut self, life: &Life) {
        self.count(life, 1);
    }

    /// Without a row that it was counted with.
    pub(crate) fn remove(&mut self, life: &Life) {
        self.count(life, -1);
    }

    /// The rows by status, as they are now.
    pub(crate) fn present(&self) -> [u64; 10] {
        self.present
    }

    /// The rows by status at the end of each span of so many minutes in which something changed, up to this minute.
    pub(crate) fn by(&self, span: i64, until: i64) -> Vec<Counts> {
        let span = span.max(1);
        let mut all: Vec<Counts> = Vec::new();
        let mut counts = [0_u64; 10];
        for ((minute, place), change) in self.changes.range(..=(until, u8::MAX)) {
            if let Some(count) = counts.get_mut(usize::from(*place)) {
                *count = count.saturating_add_signed(*change);
            }
            let begins = minute.div_euclid(span).saturating_mul(span);
            match all.last_mut() {
                Some((begun, last)) if *begun == begins => *last = counts,
                _ => all.push((begins, counts)),
            }
        }
        all
    }

    fn count(&mut self, life: &Life, by: i64) {
        if let Some(count) = self.present.get_mut(usize::from(life.status)) {
            *count = count.saturating_add_signed(by);
        }
        let mut held = None;
        for (minute, place) in &life.steps {
            if let Some(held) = held {
                self.change((*minute, held), by.saturating_neg());
            }
            self.change((*minute, *place), by);
            held = Some(*place);
        }
    }

    fn change(&mut self, at: (i64, u8), by: i64) {
        let change = self.changes.entry(at).or_default();
        *change = change.saturating_add(by);
        if *change == 0 {
            self.changes.remove(&at);
        }
    }
}

impl Life {
    /// Of a row that was planned then, and reached these statuses first at these times, in microseconds since 1970. A row
    /// counts from when it was planned; what has no time changes nothing but the status.
    pub(crate) fn of(
        planned: Option<i64>,
        reached: impl Iterator<Item = (u8, Option<i64>)>,
    ) -> Self {
        let mut life = Self::default();
        let mut timed = Vec::new();
        for (place, at) in reached {
            life.status = life.status.max(place);
            timed.extend(planned.zip(at).map(|(planned, at)| (at.max(planned), place)));
        }
        timed.sort_unstable();
        let mut held = None;
        for (at, place) in timed {
            if held.is_none_or(|held| place > held) {
                life.steps.push((at.div_euclid(MINUTE), place));
                held = Some(place);
            }
        }
        life
    }
}

/// The place of a status among all of them.
pub(crate) fn place(status: Status) -> u8 {
    let found = (0_u8..).zip(Status::ALL).find(|(_, other)| *other == status);
    found.map_or(0, |(place, _)| place)
}

impl TableValue for Course {
    fn encode(&self) -> Result<Vec<u8>, StateError> {
        written(self)
    }

    fn decode(bytes: &[u8]) -> Result<Self, StateError> {
        read(bytes)
    }
}

/// In microseconds.
const MINUTE: i64 = 60_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_away_leaves_nothing() {
        let reached = [(0, Some(0)), (3, Some(61 * MINUTE)), (9, Some(60 * MINUTE))];
        let life = Life::of(Some(0), reached.into_iter());
        assert_eq!((life.status, &*life.steps), (9, &[(0, 0), (60, 9)][..]));
        let mut course = Course::default();
        course.add(&life);
        assert_eq!(course.by(60, 59).len(), 1, "what is still to come is not told");
        let hours = course.by(60, i64::MAX);
        assert_eq!(hours.iter().map(|(hour, _)| *hour).collect::<Vec<_>>(), [0, 60]);
        assert_eq!(hours.last().unwrap().1, course.present());
        course.remove(&life);
        assert_eq!(course, Course::default());
    }
}
