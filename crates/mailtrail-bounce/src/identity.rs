//! What names a report, whoever took it in.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use mailtrail_core::id::Identity;
use memchr::memmem::Finder;
use sha2::{Digest, Sha256};

use crate::fields::{lines, lossy};
use crate::mail::Mail;
use crate::recipient::Recipient;

/// The names of the facts of one report.
pub(crate) struct Report {
    message_id: String,
    date: String,
    body: [u8; 32],
    seen: BTreeMap<String, u32>,
}

impl Report {
    /// `bytes` are those of the mail, all of them.
    pub(crate) fn of(mail: &Mail<'_>, bytes: &[u8]) -> Self {
        // Unfolded: where a line is folded, and by which line end, is the transport's.
        let header = |name| mail.header(name).unwrap_or_default();
        Self {
            message_id: header("Message-ID").trim_matches(['<', '>']).to_owned(),
            date: header("Date").into_owned(),
            body: body_hash(bytes),
            seen: BTreeMap::new(),
        }
    }

    /// The name of the next fact.
    pub(crate) fn identity(&mut self, recipient: &Recipient) -> Identity {
        let named = recipient.final_recipient.as_deref().or(recipient.recipient.as_deref());
        let named = named.map(str::to_lowercase).unwrap_or_default();
        let count = self.seen.entry(named.clone()).or_default();
        let index = *count;
        *count = count.saturating_add(1);
        Identity::Mail {
            message_id: self.message_id.as_str().into(),
            date: self.date.as_str().into(),
            body: self.body,
            recipient: named.into(),
            index,
        }
    }

    /// The name of the report itself.
    pub(crate) fn own_name(&self) -> String {
        if self.message_id.is_empty() {
            data_encoding::HEXLOWER.encode(&self.body)
        } else {
            self.message_id.clone()
        }
    }
}

static BLANK: LazyLock<Finder<'_>> = LazyLock::new(|| Finder::new("\n\n"));

/// SHA-256 of the body with LF line ends and without trailing blank lines: two intakes of one mail
/// meet, whatever the transport did to its lines.
fn body_hash(mail: &[u8]) -> [u8; 32] {
    let text = lossy(mail);
    // Blanks at the end of the last line are the mail's; the lines behind it are not.
    let content = text.trim_end().len();
    let blank = text.get(content..).unwrap_or_default();
    let end = content.saturating_add(blank.find(['\n', '\r']).unwrap_or(blank.len()));
    let mut hash = Sha256::new();
    let text = text.get(..end).unwrap_or(&text);
    // Almost all mails have one kind of line end: then the lines need not be looked at one by one.
    let bytes = text.as_bytes();
    let blank = BLANK.find(bytes).filter(|_| memchr::memchr(b'\r', bytes).is_none());
    let body = blank.and_then(|blank| bytes.get(blank.saturating_add(2)..));
    if let Some(body) = body
        && !text.starts_with('\n')
        && !body.is_empty()
    {
        hash.update(body);
        hash.update(b"\n");
        return hash.finalize().into();
    }
    // Many lines at once: the hash takes blocks.
    let mut some = String::with_capacity(text.len().min(ENOUGH));
    for line in lines(text).skip_while(|line| !line.is_empty()).skip(1) {
        some.push_str(line);
        some.push('\n');
        if some.len() >= ENOUGH {
            hash.update(&some);
            some.clear();
        }
    }
    hash.update(&some);
    hash.finalize().into()
}

/// Bytes of lines that are hashed together.
const ENOUGH: usize = 8_192;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The definition, line by line.
    fn slowly(mail: &str) -> [u8; 32] {
        let mut body: Vec<&str> = lines(mail).skip_while(|line| !line.is_empty()).skip(1).collect();
        while body.last().is_some_and(|line| line.trim().is_empty()) {
            body.pop();
        }
        let text: String = body.iter().flat_map(|line| [*line, "\n"]).collect();
        Sha256::digest(text).into()
    }

    proptest! {
        #[test]
        fn the_hash_is_that_of_the_lines(mail in "[ab \n\r]{0,16}") {
            prop_assert_eq!(body_hash(mail.as_bytes()), slowly(&mail));
        }
    }
}
