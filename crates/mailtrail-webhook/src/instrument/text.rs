//! The links in a plain text.

use std::borrow::Cow;

use encoding_rs::{Encoding, UTF_8};
use linkify::{Link, LinkFinder, LinkKind};

use super::Left;
use super::edit::{Edit, apply};
use super::link::Links;

/// A plain text with its links changed, and how many they are.
pub(super) fn rewrite(
    bytes: &[u8],
    charset: &'static Encoding,
    links: &Links<'_>,
) -> Result<(Vec<u8>, usize), Left> {
    let text = decode(bytes, charset)?;
    if text.contains(PGP) {
        return Err(Left::Signed);
    }
    let edits = edits(&text, links);
    let count = edits.len();
    let text = apply(text.as_bytes(), edits);
    if charset == UTF_8 || count == 0 {
        return Ok((text, count));
    }
    let text = String::from_utf8(text).map_err(|_| Left::Broken)?;
    let (bytes, _, is_lossy) = charset.encode(&text);
    if is_lossy { Err(Left::Broken) } else { Ok((bytes.into_owned(), count)) }
}

/// The text, if it can be written again as it was.
fn decode<'t>(bytes: &'t [u8], charset: &'static Encoding) -> Result<Cow<'t, str>, Left> {
    // Of those that are not, no two implementations agree on each byte.
    if !charset.is_ascii_compatible() {
        return Err(Left::Charset);
    }
    let text = charset.decode_without_bom_handling_and_without_replacement(bytes);
    let text = text.ok_or(Left::Broken)?;
    let is_same = matches!(text, Cow::Borrowed(_)) || *charset.encode(&text).0 == *bytes;
    if is_same { Ok(text) } else { Err(Left::Broken) }
}

fn edits(text: &str, links: &Links<'_>) -> Vec<Edit> {
    let mut finder = LinkFinder::new();
    finder.kinds(&[LinkKind::Url]);
    // In or before other scripts readers differ on where a link ends.
    let is_plain = |link: &Link<'_>| {
        let next = text.get(link.end()..).and_then(|rest| rest.chars().next());
        link.as_str().is_ascii() && next.is_none_or(|c| c.is_ascii())
    };
    let edit = |link: Link<'_>| {
        let url = links.tracked(link.as_str())?;
        Some(Edit::replace(link.start()..link.end(), url))
    };
    finder.links(text).filter(is_plain).filter_map(edit).collect()
}

/// What begins a text that is signed or encrypted in itself (RFC 9580 §6.2).
const PGP: &str = "-----BEGIN PGP ";
