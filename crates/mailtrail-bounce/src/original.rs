//! The message that a report is about: what names it, as far as it came back.

use mailtrail_core::correlation::{Correlation, CorrelationKey};
use mailtrail_core::id::Endpoint;
use mailtrail_core::token::{Keys, Purpose, SeenIn, Verified};
use serde::Serialize;

use crate::address;
use crate::fields::Fields;

/// What a report returns of the message that it is about.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
pub struct Original {
    /// Its Message-ID, without angle brackets.
    pub message_id: Option<String>,
    /// Its envelope sender.
    pub return_path: Option<String>,
    /// Whom it was sent to: by its envelope if that is known, else by its header.
    pub recipients: Vec<String>,
    /// Its subject, as written.
    pub subject: Option<String>,
}

/// A valid token of ours, and where it was.
pub(crate) type Token = (Verified, SeenIn);

impl Original {
    /// By its header.
    pub(crate) fn of(header: &Fields) -> Self {
        let first = |name: &str| {
            header
                .get(name)
                .and_then(|text| address::found(text).next())
                .map(|f| f.address.to_owned())
        };
        Self {
            message_id: header.get("message-id").and_then(Self::message_id),
            return_path: ["return-path", "x-envelope-from"].iter().find_map(|name| first(name)),
            recipients: recipients(header),
            subject: header.get("subject").map(str::to_owned),
        }
    }
}

impl Original {
    /// The first Message-ID in a field.
    pub(crate) fn message_id(text: &str) -> Option<String> {
        let text = text.trim();
        let inner = text.split_once('<').and_then(|(_, rest)| rest.split_once('>'));
        Some(inner.map_or(text, |(inner, _)| inner).to_owned()).filter(|id| !id.is_empty())
    }
}

/// Whom a message was sent to: what the envelope says goes before what its author wrote.
fn recipients(header: &Fields) -> Vec<String> {
    let mut named: Vec<String> = Vec::new();
    for name in ["x-envelope-to", "x-original-to", "x-actual-recipient", "to", "cc"] {
        for value in header.all(name) {
            for found in address::found(value) {
                if named.len() < MOST && !named.iter().any(|own| address::same(own, found.address))
                {
                    named.push(found.address.to_owned());
                }
            }
        }
        if !named.is_empty() {
            return named;
        }
    }
    // `Received: … for <ann@a.example>; …` names the envelope recipient of that hop (RFC 5321 §4.4).
    let hops = header.all("received").filter_map(|hop| {
        let at = memchr::memmem::find(hop.as_bytes(), b" for ")?;
        let found = hop.get(at..).and_then(|rest| address::found(rest.get(5..)?).next())?;
        found.before.trim_matches(['<', ' ']).is_empty().then(|| found.address.to_owned())
    });
    hops.last().into_iter().collect()
}

/// The first valid token: in the envelope recipient, else in one of these texts. That of a Reply-To is
/// known to whoever saw the message, wherever it stands.
pub(crate) fn token(
    keys: &Keys,
    envelope_recipient: Option<&str>,
    texts: [&str; 3],
) -> Option<Token> {
    let proven = envelope_recipient.and_then(|text| keys.find(Purpose::ReturnPath, text));
    if let Some(verified) = proven {
        return Some((verified, SeenIn::ReturnPath));
    }
    let answered = envelope_recipient.and_then(|text| keys.find(Purpose::Reply, text));
    if let Some(verified) = answered {
        return Some((verified, SeenIn::Quoted));
    }
    texts.into_iter().flat_map(candidates).find_map(|word| {
        let purposes = [Purpose::ReturnPath, Purpose::MessageId, Purpose::Reply];
        let verified = purposes.iter().find_map(|purpose| keys.verify(*purpose, word).ok())?;
        Some((verified, SeenIn::Quoted))
    })
}

/// Words that are as long as a token. Such a word covers one of the blocks that stand a step apart, so
/// nothing else need be looked at.
fn candidates(text: &str) -> impl Iterator<Item = &str> {
    let bytes = text.as_bytes();
    let mut next = 0_usize;
    std::iter::from_fn(move || {
        loop {
            let (before, behind) = bytes.split_at_checked(next)?;
            let block = behind.first_chunk::<BLOCK>()?;
            next = next.saturating_add(STEP);
            if !is_of_word(block) {
                continue;
            }
            let is_word = |byte: &u8| byte.is_ascii_alphanumeric();
            let head = before.iter().rev().take(TOKEN).take_while(|byte| is_word(byte)).count();
            let (blocks, _) = behind.as_chunks::<BLOCK>();
            let whole = blocks.iter().take_while(|block| is_of_word(block)).count();
            let tail = behind.iter().skip(whole.saturating_mul(BLOCK));
            let tail = tail.take_while(|byte| is_word(byte)).count();
            let tail = tail.saturating_add(whole.saturating_mul(BLOCK));
            let (start, end) =
                (before.len().saturating_sub(head), before.len().saturating_add(tail));
            next = next.max(end);
            if head.saturating_add(tail) == TOKEN {
                return text.get(start..end);
            }
        }
    })
}

/// Whether a block is a part of one word: all of its bytes at once.
fn is_of_word(block: &[u8; BLOCK]) -> bool {
    block.iter().fold(true, |all, byte| all & byte.is_ascii_alphanumeric())
}

/// How a report names the delivery that it speaks of.
pub(crate) fn correlation(
    token: Option<Token>,
    recipient: Option<&str>,
    message_id: Option<&str>,
    own_name: impl FnOnce() -> String,
) -> Correlation {
    if let Some((Verified { delivery, key_id, .. }, seen_in)) = token {
        return Correlation::Token { delivery, key_id, seen_in };
    }
    match (message_id, recipient) {
        (Some(id), Some(to)) => {
            Correlation::Key(CorrelationKey::new(Endpoint::message_id(), id, to))
        }
        (Some(id), None) => Correlation::message(Endpoint::message_id(), id),
        // Nothing names a message: the report itself is all that there is to name.
        (None, _) => Correlation::message(Endpoint::message_id(), &own_name()),
    }
}

/// Characters of a token.
const TOKEN: usize = 48;
/// Characters that are looked at together.
const BLOCK: usize = 16;
/// From one such block to the next: a token covers one of them wherever it stands.
const STEP: usize = TOKEN - BLOCK;
/// Recipients of a returned message that are looked at.
const MOST: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn words_as_long_as_a_token_are_found(text in "([a-z]{46,50}[ .@+]{1,2}|[a-zé]{0,60}[ .]){0,6}") {
            let found: Vec<&str> = candidates(&text).collect();
            let words = text.split(|c: char| !c.is_ascii_alphanumeric());
            prop_assert_eq!(found, words.filter(|word| word.len() == TOKEN).collect::<Vec<_>>());
        }
    }
}
