//! Automatic answers: those that follow RFC 3834, and those that only sound like it.

use mailtrail_classify::normal;

use crate::address;
use crate::head::Head;
use crate::mail::Mail;
use crate::notice::Notice;
use crate::phrases::{Phrases, Says};
use crate::recipient::{Action, Recipient};
use crate::status::bounded;

/// Reads a mail as an automatic answer. None if it is none.
pub(crate) fn read(head: &Head<'_>, notice: &Notice<'_>, phrases: &Phrases) -> Option<Recipient> {
    let mail = head.mail;
    let answers = ["In-Reply-To", "References"].iter().any(|name| mail.raw_header(name).is_some());
    let by_nobody =
        mail.headers("Return-Path").any(|path| path.trim().trim_matches(['<', '>']).is_empty());
    let by_program = by_nobody || is_generated(mail);
    // A person who answers writes of holidays, too: below `Re:`, or with nothing that answers.
    let labelled =
        head.subject.contains(':') || (head.says(Says::Automatic) && head.says(Says::Away));
    let headed =
        head.starts_with(&[Says::Automatic, Says::Away]) && (answers || by_program || labelled);
    let says = |what| notice.says(what) || head.says(what);
    let told = (answers && !head.by_hand() && notice.says(Says::Automatic))
        || (answers && by_program && (says(Says::Away) || says(Says::Moved)));
    let challenges = says(Says::Challenge) && (by_program || replies(mail));
    if !(replies(mail) || headed || told || challenges) {
        return None;
    }
    let moved = notice.says(Says::Moved);
    let from = head.from.map(str::to_owned);
    let is_new = |address: &&str| from.as_ref().is_none_or(|own| !address::same(own, address));
    // A machine that asks writes from an address of its own, and names the one that it guards.
    let asked_for = || {
        let domain = head.from?.rsplit_once('@')?.1;
        let named = notice.mentioned(phrases, &mail.to()).into_iter().map(|(address, _)| address);
        let beside = |address: &&str| {
            is_new(address)
                && address.rsplit_once('@').is_some_and(|(_, own)| address::same(own, domain))
        };
        named.into_iter().find(beside).map(str::to_owned)
    };
    let guarded = if challenges { asked_for() } else { None };
    let named = if moved { notice.mentioned(phrases, &mail.to()) } else { Vec::new() };
    let new_address = named.into_iter().map(|(address, _)| address).find(is_new).map(str::to_owned);
    Some(Recipient {
        recipient: guarded.or(from.clone()),
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
    let of_answer = |says| matches!(says, Says::Automatic | Says::Away);
    Phrases::builtin().find(&normal(text)).iter().any(|hit| of_answer(hit.says))
}

/// Whether a program sent it, for whatever cause.
fn is_generated(mail: &Mail<'_>) -> bool {
    let is = |name, value: &str| {
        mail.header(name).is_some_and(|own| own.to_ascii_lowercase().starts_with(value))
    };
    is("Auto-Submitted", "auto-generated")
        || ["auto", "junk", "bulk"].iter().any(|value| is("Precedence", value))
}

/// Whether it says that it is the answer of a program (RFC 3834 §5).
fn replies(mail: &Mail<'_>) -> bool {
    let field = mail.header("Auto-Submitted").unwrap_or_default().to_ascii_lowercase();
    let marks = ["X-Autoreply", "X-Autorespond", "X-Auto-Reply-From", "X-Mail-Autoreply"];
    field.starts_with("auto-replied") || marks.iter().any(|name| mail.raw_header(name).is_some())
}
