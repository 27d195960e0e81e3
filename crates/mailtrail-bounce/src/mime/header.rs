//! The header of a mail or of a part of one: its fields as they are written.

use std::ops::Range;

use mail_parser::parsers::MessageStream;
use mail_parser::{ContentType, HeaderValue};

/// The fields of a header, in their order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Header<'m> {
    /// All of it, with the blank line that ends it.
    bytes: &'m [u8],
    /// The same, if it is UTF-8.
    text: Option<&'m str>,
    fields: Vec<Field>,
}

/// Where a field stands: its name, and its value with all line ends in and behind it.
#[derive(Debug, Clone)]
struct Field {
    name: Range<usize>,
    value: Range<usize>,
}

impl<'m> Header<'m> {
    /// Takes a header from the front of a mail or part; the second is what follows.
    pub(crate) fn of(mail: &'m [u8]) -> (Self, &'m [u8]) {
        let mut fields = Vec::with_capacity(ROOM);
        let mut at = 0_usize;
        loop {
            let rest = mail.get(at..).unwrap_or_default();
            let is_blank = |byte: &u8| *byte != b'\n' && byte.is_ascii_whitespace();
            let start = rest.iter().position(|byte| !is_blank(byte)).unwrap_or(rest.len());
            let rest = rest.get(start..).unwrap_or_default();
            at = at.saturating_add(start);
            if matches!(rest, [] | [b'\n', ..]) {
                let end = at.saturating_add(1).min(mail.len());
                let (bytes, body) = mail.split_at_checked(end).unwrap_or((mail, &[]));
                return (Self { bytes, text: std::str::from_utf8(bytes).ok(), fields }, body);
            }
            // A line without a colon is none of it, and ends nothing.
            let mark = memchr::memchr2(b':', b'\n', rest).unwrap_or(rest.len());
            let (name, value) = rest.split_at_checked(mark).unwrap_or((rest, &[]));
            let colon = at.saturating_add(mark);
            let mut end = colon.saturating_add(1);
            if value.first() == Some(&b':') {
                end = colon.saturating_add(end_of_field(value));
                let name = at..at.saturating_add(name.trim_ascii_end().len());
                fields.push(Field { name, value: colon.saturating_add(1)..end });
            }
            at = end;
        }
    }

    /// All of it as written; none if it isn't UTF-8.
    pub(crate) fn text(&self) -> &'m str {
        self.text.unwrap_or_default()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// The names and values of all fields that are UTF-8.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&'m str, &'m str)> {
        let own = self.fields.iter();
        own.filter_map(|field| Some((self.part(&field.name)?, self.part(&field.value)?)))
    }

    /// The values of a field, the last of them first: it is the one that counts.
    pub(crate) fn all(&self, name: &str) -> impl DoubleEndedIterator<Item = &'m [u8]> {
        self.places(name).map(|place| self.bytes.get(place.clone()).unwrap_or_default())
    }

    /// The value of a field as written, if it is UTF-8.
    pub(crate) fn get(&self, name: &str) -> Option<&'m str> {
        self.places(name).next().and_then(|place| self.part(place))
    }

    fn places(&self, name: &str) -> impl DoubleEndedIterator<Item = &Range<usize>> {
        let is_it = move |field: &&Field| {
            let own = Some(&field.name).filter(|own| own.len() == name.len());
            let own = own.and_then(|own| self.bytes.get(own.clone()));
            own.is_some_and(|own| own.eq_ignore_ascii_case(name.as_bytes()))
        };
        self.fields.iter().rev().filter(is_it).map(|field| &field.value)
    }

    fn part(&self, place: &Range<usize>) -> Option<&'m str> {
        match self.text {
            Some(text) => text.get(place.clone()),
            None => std::str::from_utf8(self.bytes.get(place.clone())?).ok(),
        }
    }

    /// The value of a field as the mail parser reads it.
    pub(crate) fn parsed(
        &self,
        name: &str,
        read: fn(&mut MessageStream<'m>) -> HeaderValue<'m>,
    ) -> Option<HeaderValue<'m>> {
        self.all(name).next().map(|value| read(&mut MessageStream::new(value)))
    }

    /// Its media type (RFC 2045 §5).
    pub(crate) fn content_type(&self, name: &str) -> Option<ContentType<'m>> {
        let value = self.all(name).next()?;
        if let Some((c_type, c_subtype)) = bare_type(value) {
            let (c_type, c_subtype) = (c_type.into(), Some(c_subtype.into()));
            return Some(ContentType { c_type, c_subtype, attributes: None });
        }
        match MessageStream::new(value).parse_content_type() {
            HeaderValue::ContentType(content_type) => Some(content_type),
            _ => None,
        }
    }
}

/// A type and subtype without anything else: most parts of a report have no more.
fn bare_type(value: &[u8]) -> Option<(&str, &str)> {
    let value = std::str::from_utf8(value.trim_ascii()).ok()?;
    let (kind, subtype) = value.split_once('/')?;
    let is_plain = |text: &str| {
        !text.is_empty()
            && text
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    (is_plain(kind) && is_plain(subtype)).then_some((kind, subtype))
}

/// Where a field ends: at the first line end that no blank follows.
fn end_of_field(field: &[u8]) -> usize {
    for line in memchr::memchr_iter(b'\n', field) {
        let next = line.saturating_add(1);
        if !matches!(field.get(next), Some(b' ' | b'\t')) {
            return next;
        }
    }
    field.len()
}

/// Fields of most headers.
const ROOM: usize = 32;
