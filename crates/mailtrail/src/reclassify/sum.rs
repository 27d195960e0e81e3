//! What reading again comes to, in numbers.

use std::collections::BTreeMap;

use mailtrail_core::Status;

use super::change::Change;
use super::reread::Outcome;

/// Changes in sum.
///
/// ```
/// let sum = mailtrail::reclassify::Sum::default();
/// assert!(sum.moved.is_empty());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Sum {
    /// All changes: events that are read otherwise, or for the first time.
    pub changes: u64,
    /// How many rows move from which status to which.
    pub moved: BTreeMap<(Status, Status), u64>,
    /// How many rows keep their status, and give another reason for it.
    pub another_reason: u64,
    /// How many of these stay Failed although the address is no longer thought invalid.
    pub corrected: u64,
    /// How many rows keep status and reason, and count their opens or clicks otherwise.
    pub other_opens: u64,
    /// How many changes no row shows: of attempts before the one that decided, of feedback that matches
    /// no delivery.
    pub unseen: u64,
    /// How many of the changes are what mails say that were kept unread.
    pub from_mails: u64,
}

impl Sum {
    /// Counts a change.
    pub fn count(&mut self, change: &Change) {
        let mut seen = false;
        for row in &change.rows {
            if row.before != row.after {
                add(self.moved.entry((row.before, row.after)).or_default());
            } else if row.another_reason {
                add(&mut self.another_reason);
                if row.corrected {
                    add(&mut self.corrected);
                }
            } else if row.other_opens {
                add(&mut self.other_opens);
            } else {
                continue;
            }
            seen = true;
        }
        add(&mut self.changes);
        if !seen {
            add(&mut self.unseen);
        }
        if change.is_new() {
            add(&mut self.from_mails);
        }
    }
}

/// What stays as it is, and why.
///
/// ```
/// assert_eq!(mailtrail::reclassify::LeftAlone::default().same, 0);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct LeftAlone {
    /// Failures, and verdicts on hits by an older table, that are read as before.
    pub same: u64,
    /// Failures whose reason a port or provider gave by itself: no rules of ours.
    pub not_by_rules: u64,
    /// Failures and verdicts on hits of erased people, where what was erased decided.
    pub erased: u64,
    /// What would be read otherwise, but were read again already by rules of a higher sequence
    /// or digest: that reading counts.
    pub outranked: u64,
    /// Unread mails that still are no feedback.
    pub mails: u64,
    /// Unread mails whose bytes are gone or damaged.
    pub mails_gone: u64,
}

impl LeftAlone {
    pub(super) fn count(&mut self, outcome: &Outcome) {
        match outcome {
            Outcome::Same => add(&mut self.same),
            Outcome::NotByRules => add(&mut self.not_by_rules),
            Outcome::Erased => add(&mut self.erased),
            Outcome::Outranked => add(&mut self.outranked),
            Outcome::Changed(_) => {}
        }
    }
}

fn add(count: &mut u64) {
    *count = count.saturating_add(1);
}
