//! A part of a mail, decoded when someone asks for it.

use std::borrow::Cow;

use mail_parser::decoders::base64::base64_decode;
use mail_parser::{ContentType, Encoding};

use super::{Header, quoted};
use crate::charset;
use crate::fields::{lossy, trimmed};
use crate::status::starts_with;

/// A part of a mail; the first of them is the mail itself.
#[derive(Debug)]
pub(crate) struct Part<'m> {
    /// All of it, header and body.
    pub(crate) raw: &'m [u8],
    pub(crate) header: Header<'m>,
    /// Its body, as written.
    pub(crate) body: &'m [u8],
    /// Its media type, if it declares one.
    pub(crate) content_type: Option<ContentType<'m>>,
    pub(crate) shape: Shape,
    pub(crate) encoding: Encoding,
    /// Whether it is shown to who reads the mail as plain text (RFC 8621 §4.1.4).
    pub(crate) shown: bool,
}

/// What a part is, as far as MIME is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Only a cover of those that follow it.
    Multipart,
    /// A mail.
    Message,
    /// A text to read.
    Plain,
    /// A page.
    Html,
    /// Another text.
    Text,
    /// A picture, a sound or a film.
    Media,
    /// Anything else.
    Other,
}

impl<'m> Part<'m> {
    /// Its type and subtype.
    pub(crate) fn media_type(&self) -> (&str, &str) {
        self.content_type.as_ref().map_or(("", ""), |content_type| {
            (content_type.ctype().trim(), content_type.subtype().unwrap_or_default().trim())
        })
    }

    pub(crate) fn is_text(&self) -> bool {
        matches!(self.shape, Shape::Plain | Shape::Html | Shape::Text)
    }

    /// What it holds, of so many bytes of its body. What can't be decoded stays as it is.
    pub(crate) fn decoded(&self, most: usize) -> Cow<'m, [u8]> {
        let body = self.body.get(..most).unwrap_or(self.body);
        let decoded = match self.encoding {
            Encoding::None => None,
            Encoding::QuotedPrintable => Some(quoted::decoded(body)),
            Encoding::Base64 => {
                base64_decode(body).or_else(|| base64_decode(&without_strays(body)?))
            }
        };
        decoded.map_or(Cow::Borrowed(body), Cow::Owned)
    }

    /// Its front, of about so many bytes, in a form that shows the names of the fields in it.
    pub(crate) fn front(&self, most: usize) -> Cow<'m, [u8]> {
        // No program encodes letters as quoted-printable.
        if self.encoding == Encoding::Base64 {
            return self.decoded(most.saturating_mul(2));
        }
        Cow::Borrowed(self.body.get(..most).unwrap_or(self.body))
    }

    /// Whether what calls itself a text is none: no text has a NUL, but in UTF-16 and its like.
    pub(crate) fn is_binary(&self) -> bool {
        let declared = self.content_type.as_ref().and_then(|own| own.attribute("charset"));
        let is_wide = |own: &str| WIDE.iter().any(|start| starts_with(own, start));
        memchr::memchr(0, &self.front(FRONT)).is_some() && !declared.is_some_and(is_wide)
    }

    /// The text that it holds, of so many bytes of its body.
    pub(crate) fn text(&self, most: usize) -> Cow<'m, str> {
        let bytes = self.decoded(most);
        if self.is_text() {
            let declared = self.content_type.as_ref().and_then(|own| own.attribute("charset"));
            return charset::text(bytes, declared);
        }
        match bytes {
            Cow::Borrowed(bytes) => lossy(bytes),
            Cow::Owned(bytes) => Cow::Owned(lossy(&bytes).into_owned()),
        }
    }
}

/// How a body is encoded (RFC 2045 §6).
pub(super) fn encoding(header: &Header<'_>) -> Encoding {
    match header.get("Content-Transfer-Encoding").map(trimmed) {
        Some(own) if own.eq_ignore_ascii_case("base64") => Encoding::Base64,
        Some(own) if own.eq_ignore_ascii_case("quoted-printable") => Encoding::QuotedPrintable,
        Some(_) | None => Encoding::None,
    }
}

/// Base64 without what was damaged on the way (RFC 2045 §6.8). None for a text that merely calls itself so:
/// it has blanks between its words.
fn without_strays(body: &[u8]) -> Option<Vec<u8>> {
    let is_base64 = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/=".contains(byte);
    let own: Vec<u8> = body.iter().copied().filter(is_base64).collect();
    let ends = memchr::memchr2_iter(b'\r', b'\n', body).count();
    let strays = body.len().saturating_sub(own.len()).saturating_sub(ends);
    (strays.saturating_mul(FEW) < body.len()).then_some(own)
}

/// How names of charsets start whose characters have several bytes, some of them NUL.
const WIDE: [&str; 4] = ["utf-16", "utf-32", "ucs", "iso-10646"];
/// Bytes that show what a part is.
const FRONT: usize = 64;
/// Bytes of base64 for each that was damaged.
const FEW: usize = 32;
