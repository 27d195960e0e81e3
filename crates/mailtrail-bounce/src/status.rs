//! The machine-readable part of a delivery report (RFC 3464 §2).

use chrono::{DateTime, Utc};
use mailtrail_classify::Reply;
use mailtrail_core::diagnosis::EnhancedCode;

use crate::address;
use crate::fields::{Fields, blocks, lossy};
use crate::recipient::{Action, Recipient};

/// Reads the text of a `message/delivery-status` part.
pub(crate) fn recipients(text: &str) -> Vec<Recipient> {
    // Some leave out the blank lines between recipients.
    let names = ["final-recipient", "original-recipient"];
    let split = blocks(text).flat_map(|block| block.split_at_repeated(&names));
    let mut blocks: Vec<Fields> = Vec::new();
    for block in split {
        match blocks.last_mut() {
            // Others have too many of them, in the middle of a recipient's fields.
            Some(last) if names.iter().any(|name| last.get(name).is_some()) && is_rest(&block) => {
                last.append(&block);
            }
            _ => blocks.push(block),
        }
    }
    let message = blocks.iter().find(|block| !is_of_recipient(block));
    // Some also put the fields of the message and of its first recipient into one block.
    let Some(message) = message.or(blocks.first()) else { return Vec::new() };
    let of_recipients = blocks.iter().filter(|block| is_of_recipient(block));
    of_recipients.take(MOST_RECIPIENTS).filter_map(|block| of_block(block, message)).collect()
}

/// Whether a part begins with such fields, whatever it calls itself.
pub(crate) fn is_status(front: &[u8]) -> bool {
    let starts = memchr::memchr2_iter(b'\n', b'\r', front).map(|end| end.saturating_add(1));
    let mut lines = std::iter::once(0).chain(starts).filter_map(|start| front.get(start..));
    if !lines.any(|line| FIELDS.iter().any(|name| starts_with(line, name))) {
        return false;
    }
    let Some(fields) = blocks(&lossy(front)).next() else { return false };
    let of_message = fields.get("reporting-mta").is_some() && fields.get("received").is_none();
    of_message || (fields.get("final-recipient").is_some() && fields.get("action").is_some())
}

/// Whether a line is a field that only a delivery report has.
pub(crate) fn is_field(line: &str) -> bool {
    FIELDS.iter().any(|name| starts_with(line, name))
}

/// Whether a text starts with another, in any case.
pub(crate) fn starts_with(text: impl AsRef<[u8]>, start: &str) -> bool {
    let (text, start) = (text.as_ref(), start.as_bytes());
    // The first letter alone rules out most lines.
    let begins =
        text.first().map(u8::to_ascii_lowercase) == start.first().map(u8::to_ascii_lowercase);
    begins && text.get(..start.len()).is_some_and(|head| head.eq_ignore_ascii_case(start))
}

const FIELDS: [&str; 5] =
    ["reporting-mta:", "final-recipient:", "original-recipient:", "action:", "diagnostic-code:"];

/// Whether these are the fields of a recipient, without the recipient.
fn is_rest(block: &Fields) -> bool {
    let named = ["final-recipient", "original-recipient", "reporting-mta"];
    let rest = ["action", "status", "diagnostic-code"];
    named.iter().all(|name| block.get(name).is_none())
        && rest.iter().any(|name| block.get(name).is_some())
}

fn is_of_recipient(block: &Fields) -> bool {
    ["final-recipient", "original-recipient", "action"].iter().any(|name| block.get(name).is_some())
}

fn of_block(fields: &Fields, message: &Fields) -> Option<Recipient> {
    let final_recipient = fields.get("final-recipient").and_then(address::typed);
    let original = fields.get("original-recipient").and_then(address::typed);
    // Some hide the address, and give it in a field of their own.
    let own = || fields.get("x-actual-recipient").and_then(address::typed);
    let is_address = |text: &String| text.contains('@');
    let recipient = original
        .clone()
        .filter(is_address)
        .or_else(|| final_recipient.clone().filter(is_address))
        .or_else(|| own().filter(is_address))
        .or(original)
        .or_else(|| final_recipient.clone());
    let diagnostic = fields.typed("diagnostic-code").map(bounded);
    let status_field = fields.get("status").and_then(first_code);
    let reply = Reply::parse(diagnostic.as_deref().unwrap_or_default());
    let action = action(fields.get("action"), status_field.or(reply.enhanced_code))?;
    let date = |fields: &Fields, name: &str| fields.get(name).and_then(date);
    let typed = |name: &str| fields.typed(name).or_else(|| message.typed(name));
    Some(Recipient {
        recipient,
        final_recipient,
        action,
        reply_code: reply.reply_code,
        // The server's own words go before what the reporting host made of them.
        enhanced_code: specific(reply.enhanced_code)
            .or(specific(status_field))
            .or(reply.enhanced_code)
            .or(status_field),
        status_field,
        diagnostic,
        remote_host: fields.typed("remote-mta").map(str::to_owned),
        reporting_host: typed("reporting-mta").map(str::to_owned),
        arrival: date(message, "arrival-date").or_else(|| date(fields, "arrival-date")),
        last_attempt: date(fields, "last-attempt-date"),
        will_retry_until: date(fields, "will-retry-until"),
        rule: "dsn",
        ..Recipient::default()
    })
}

/// A code that says more than its class.
pub(crate) fn specific(code: Option<EnhancedCode>) -> Option<EnhancedCode> {
    code.filter(|code| code.subject() != 0 || code.detail() != 0)
}

/// Without a readable action the class of the code says what was done, as far as it can.
fn action(field: Option<&str>, code: Option<EnhancedCode>) -> Option<Action> {
    let word = field.map(|text| {
        text.chars().take_while(char::is_ascii_alphabetic).collect::<String>().to_ascii_lowercase()
    });
    let by_class = || match code?.class() {
        5 => Some(Action::Failed),
        4 => Some(Action::Delayed),
        _ => Some(Action::Relayed),
    };
    match word.as_deref() {
        Some("failed" | "failure") => Some(Action::Failed),
        Some("delayed") => Some(Action::Delayed),
        Some("delivered") => Some(Action::Delivered),
        Some("relayed") => Some(Action::Relayed),
        Some("expanded") => Some(Action::Expanded),
        _ => by_class(),
    }
}

fn first_code(text: &str) -> Option<EnhancedCode> {
    text.split_whitespace()
        .find_map(|word| word.trim_matches(|c: char| !c.is_ascii_digit()).parse().ok())
}

fn date(text: &str) -> Option<DateTime<Utc>> {
    // The comment behind the offset, as in `+0000 (UTC)`, is not chrono's.
    let text = text.split_once('(').map_or(text, |(date, _)| date).trim();
    DateTime::parse_from_rfc2822(text).ok().map(|date| date.to_utc())
}

/// A diagnostic text, cut.
pub(crate) fn bounded(text: &str) -> String {
    crate::mail::cut(text, MOST_DIAGNOSTIC).to_owned()
}

/// More recipients of one report are not read.
pub(crate) const MOST_RECIPIENTS: usize = 10_000;
/// Bytes of one diagnostic text that are kept.
pub(crate) const MOST_DIAGNOSTIC: usize = 8_192;
/// Bytes of a part that show whether it holds such fields.
pub(crate) const FRONT: usize = 2_048;
