//! Automatic answers: those that follow RFC 3834, and those that only sound like it.

use crate::address;
use crate::mail::Mail;
use crate::notice::Notice;
use crate::phrases::{Phrases, Says, normal};
use crate::recipient::{Action, Recipient};
use crate::status::bounded;

/// Reads a mail as an automatic answer. None if it is none.
pub(crate) fn read(mail: Mail<'_>, notice: &Notice<'_>, phrases: &Phrases) -> Option<Recipient> {
    let subject = normal(mail.subject());
    let in_subject = |what| phrases.find(&subject).iter().any(|hit| hit.says == what);
    let challenges = in_subject(Says::Challenge) || notice.says(Says::Challenge);
    let automatic = is_automatic(mail);
    let away = in_subject(Says::Away) || (automatic && notice.says(Says::Away));
    let moved = (automatic || in_subject(Says::Moved)) && notice.says(Says::Moved);
    // A person who answers by hand may write of holidays, too: then the subject is a reply's.
    let by_hand = !automatic && (subject.starts_with("re:") || subject.starts_with("fw"));
    if by_hand || !(challenges || away || moved || replies(mail)) {
        return None;
    }
    let from = mail.from().map(str::to_owned);
    let is_new = |address: &String| from.as_ref().is_none_or(|own| !address::same(own, address));
    let new_address =
        if moved { notice.mentioned(phrases, &mail.to()).into_iter().find(is_new) } else { None };
    Some(Recipient {
        recipient: from,
        action: Action::AutoReplied,
        diagnostic: Some(bounded(&notice.shared)).filter(|text| !text.is_empty()),
        address_change: moved,
        new_address,
        rule: if challenges { "challenge" } else { "auto_reply" },
        ..Recipient::default()
    })
}

/// Whether a text sounds like an automatic answer. For texts without the mail that they were in:
/// providers hand on what they took for a bounce.
///
/// ```
/// assert!(mailtrail_bounce::is_auto_reply("I am out of the office until Monday."));
/// assert!(!mailtrail_bounce::is_auto_reply("550 5.1.1 no such user"));
/// ```
pub fn is_auto_reply(text: &str) -> bool {
    Phrases::builtin().find(&normal(text)).iter().any(|hit| hit.says == Says::Away)
}

/// Whether a program sent it by itself.
fn is_automatic(mail: Mail<'_>) -> bool {
    let is = |name, value: &str| {
        mail.header(name).is_some_and(|own| own.to_ascii_lowercase().starts_with(value))
    };
    replies(mail)
        || is("Auto-Submitted", "auto-generated")
        || is("Precedence", "auto_reply")
        || is("Precedence", "auto-reply")
        || is("Precedence", "junk")
        || ["X-Autoreply", "X-Autorespond", "X-Auto-Reply-From", "X-Mail-Autoreply"]
            .iter()
            .any(|name| mail.header(name).is_some())
}

/// Whether it says that it is the answer of a program (RFC 3834 §5).
fn replies(mail: Mail<'_>) -> bool {
    let field = mail.header("Auto-Submitted").unwrap_or_default().to_ascii_lowercase();
    field.starts_with("auto-replied") || field.starts_with("auto-notified")
}
