//! What the header of a mail tells of who wrote it and what about: read once, asked often.

use mailtrail_classify::normal;

use crate::mail::Mail;
use crate::phrases::{Hit, Phrases, Says};

/// The sender and the subject of a mail.
#[derive(Debug)]
pub(crate) struct Head<'m> {
    /// The mail.
    pub(crate) mail: &'m Mail<'m>,
    /// The address that it is from.
    pub(crate) from: Option<&'m str>,
    /// Whether that is a mail system's, or missing.
    pub(crate) by_mailer: bool,
    /// Whether nobody could answer to it, or it says that a program sent it.
    pub(crate) from_nobody: bool,
    /// The subject in lower case, with single spaces, without marks in front.
    pub(crate) subject: String,
    said: Vec<Hit>,
}

impl<'m> Head<'m> {
    /// Reads it.
    pub(crate) fn of(mail: &'m Mail<'m>, phrases: &Phrases) -> Self {
        let from = mail.from();
        let by_mailer = from.is_none_or(|from| phrases.is_mailer(from));
        let subject = normal(&mail.subject());
        let subject = subject.trim_start_matches(|c: char| !c.is_alphanumeric()).to_owned();
        Self {
            mail,
            from,
            by_mailer,
            from_nobody: is_from_nobody(mail, from, phrases),
            said: phrases.find(&subject),
            subject,
        }
    }

    /// Whether a mail system wrote it, as far as its header says.
    pub(crate) fn by_system(&self) -> bool {
        self.by_mailer || self.from_nobody
    }

    /// Whether the subject says something.
    pub(crate) fn says(&self, what: Says) -> bool {
        self.said.iter().any(|hit| hit.says == what)
    }

    /// Whether the subject starts with one of these.
    pub(crate) fn starts_with(&self, what: &[Says]) -> bool {
        self.said.iter().any(|hit| hit.start == 0 && what.contains(&hit.says))
    }

    /// Whether a person's mail program answered or forwarded, and wrote so before the subject.
    pub(crate) fn by_hand(&self) -> bool {
        BY_HAND.iter().any(|mark| self.subject.starts_with(mark))
    }
}

fn is_from_nobody(mail: &Mail<'_>, from: Option<&str>, phrases: &Phrases) -> bool {
    let nobody = |value: &str| {
        let sender = value.trim().trim_matches(['<', '>']).trim();
        sender.is_empty() || phrases.is_mailer(sender)
    };
    mail.headers("Return-Path").any(nobody)
        || mail
            .header("Auto-Submitted")
            .is_some_and(|value| value.to_ascii_lowercase().starts_with("auto-"))
        || from.is_some_and(|from| from.to_ascii_lowercase().starts_with("no-reply@"))
}

const BY_HAND: [&str; 6] = ["re:", "fw:", "fwd:", "aw:", "wg:", "tr:"];
