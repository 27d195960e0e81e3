use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use mailtrail_core::store::Appended;
use mailtrail_core::token::TokenError;

use super::record::{IntakeError, Recorded};
use crate::return_path::ReturnPathError;

/// What came to one intake since it was made. Nothing in it names a person.
///
/// ```
/// use mailtrail_smtp::intake::Counts;
/// assert_eq!(Counts::default().outcomes().map(|(_, count)| count).sum::<u64>(), 0);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Mails whose facts are durable.
    pub feedback: u64,
    /// Of these, mails that said nothing new: they were brought again.
    pub repeated: u64,
    /// Mails to a delivery that are no feedback, kept unread: answers of people, for one.
    pub unread: u64,
    /// Mails that are neither feedback nor to a delivery.
    pub not_feedback: u64,
    /// What is no mail, or too large to be read.
    pub unreadable: u64,
    /// Mails that could not be recorded: they are brought again.
    pub failed: u64,
    /// Events that were new.
    pub new_events: u64,
    /// Events that were known before.
    pub known_events: u64,
    /// Mails that are no evidence, by [cause](super::Unproven::name).
    pub refused: BTreeMap<&'static str, u64>,
    /// Recipients that a listener refused: `foreign` are not ours, `sender` did not come from `<>`;
    /// `malformed`, `unknown_key`, `retired_key` and `forged` are said of their tokens.
    pub refused_recipients: BTreeMap<&'static str, u64>,
}

impl Counts {
    /// What became of mails, by name: each mail once. Refused ones go by their causes.
    pub fn outcomes(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let taken = [
            ("feedback", self.feedback.saturating_sub(self.repeated)),
            ("repeated", self.repeated),
            ("unread", self.unread),
            ("not_feedback", self.not_feedback),
            ("unreadable", self.unreadable),
            ("failed", self.failed),
        ];
        taken.into_iter().chain(self.refused.iter().map(|(cause, count)| (*cause, *count)))
    }
}

/// The same, while it is counted.
#[derive(Debug, Default)]
pub(super) struct Counters(Mutex<Counts>);

impl Counters {
    pub(super) fn read(&self) -> Counts {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn count(&self, result: &Result<Recorded, IntakeError>) {
        self.change(|counts| match result {
            Ok(Recorded::Feedback(appended)) => {
                one(&mut counts.feedback);
                if add(counts, appended) == 0 {
                    one(&mut counts.repeated);
                }
            }
            Ok(Recorded::Unread(appended)) => {
                one(&mut counts.unread);
                add(counts, appended);
            }
            Ok(Recorded::Refused(why)) => one(counts.refused.entry(why.name()).or_default()),
            Ok(Recorded::NotFeedback) => one(&mut counts.not_feedback),
            Err(error) if error.is_of_the_mail() => one(&mut counts.unreadable),
            Err(_) => one(&mut counts.failed),
        });
    }

    pub(super) fn unreadable(&self) {
        self.change(|counts| one(&mut counts.unreadable));
    }

    pub(super) fn refused_sender(&self) {
        self.refused_recipient("sender");
    }

    pub(super) fn refused(&self, error: ReturnPathError) {
        self.refused_recipient(match error {
            ReturnPathError::Token(TokenError::Malformed) => "malformed",
            ReturnPathError::Token(TokenError::UnknownKey { .. }) => "unknown_key",
            ReturnPathError::Token(TokenError::RetiredKey { .. }) => "retired_key",
            ReturnPathError::Token(_) => "forged",
            ReturnPathError::NotOurs => "foreign",
        });
    }

    fn refused_recipient(&self, cause: &'static str) {
        self.change(|counts| one(counts.refused_recipients.entry(cause).or_default()));
    }

    fn change(&self, change: impl FnOnce(&mut Counts)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// How many events were new.
fn add(counts: &mut Counts, appended: &Appended) -> usize {
    let new = appended.new_events();
    let known = appended.events.len().saturating_sub(new);
    let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
    counts.new_events = counts.new_events.saturating_add(number(new));
    counts.known_events = counts.known_events.saturating_add(number(known));
    new
}

fn one(count: &mut u64) {
    *count = count.saturating_add(1);
}
