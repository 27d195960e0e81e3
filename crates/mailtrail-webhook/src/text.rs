//! Texts of others: bounded, and decoded without leniency.

use data_encoding::BASE64;

/// A text cut to a length, at a character's border.
pub(crate) fn cut(text: &str, limit: usize) -> &str {
    let mut end = limit.min(text.len());
    while !text.is_char_boundary(end) {
        end = end.saturating_sub(1);
    }
    text.get(..end).unwrap_or_default()
}

/// The bytes of a Base64 text, padded at its end and nowhere else: what is appended to a good text
/// makes it a bad one.
pub(crate) fn base64(text: &str) -> Option<Vec<u8>> {
    let text = text.trim();
    let body = text.trim_end_matches('=');
    // The decoder takes several padded texts one after another.
    (!body.contains('=')).then(|| BASE64.decode(text.as_bytes()).ok()).flatten()
}

/// The address in a mailbox that may have a display name (RFC 5322 §3.4), as in `Ann <ann@a.example>`.
pub(crate) fn address(mailbox: &str) -> &str {
    let mailbox = mailbox.trim();
    let inner = mailbox.strip_suffix('>').and_then(|text| text.rsplit_once('<'));
    inner.map_or(mailbox, |(_, address)| address.trim())
}
