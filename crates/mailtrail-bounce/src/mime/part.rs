//! A part of a mail, decoded when someone asks for it.

use std::borrow::Cow;

use mail_parser::ContentType;
use mail_parser::decoders::base64::base64_decode;
use mail_parser::decoders::quoted_printable::quoted_printable_decode;

use super::Header;
use crate::charset;
use crate::fields::lossy;

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
        let encoding = self.header.get("Content-Transfer-Encoding").unwrap_or_default().trim();
        let decoded = if encoding.eq_ignore_ascii_case("quoted-printable") {
            quoted_printable_decode(body)
        } else if encoding.eq_ignore_ascii_case("base64") {
            // What no sender of base64 writes is no part of it (RFC 2045 §6.8).
            base64_decode(body).or_else(|| base64_decode(&only_base64(body)))
        } else {
            None
        };
        decoded.map_or(Cow::Borrowed(body), Cow::Owned)
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

fn only_base64(body: &[u8]) -> Vec<u8> {
    let is_base64 = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/=".contains(byte);
    body.iter().copied().filter(is_base64).collect()
}
