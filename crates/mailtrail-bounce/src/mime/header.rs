//! The header of a mail or of a part of one: its fields as they are written.

use mail_parser::parsers::MessageStream;
use mail_parser::{ContentType, HeaderValue};

/// The fields of a header, in their order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Header<'m> {
    /// All of it, with the blank line that ends it.
    text: &'m [u8],
    fields: Vec<Field<'m>>,
}

/// A field: its name, and its value with all line ends in and behind it.
#[derive(Debug, Clone, Copy)]
struct Field<'m> {
    name: &'m [u8],
    value: &'m [u8],
}

impl<'m> Header<'m> {
    /// Takes a header from the front of a mail or part; the second is what follows.
    pub(crate) fn of(text: &'m [u8]) -> (Self, &'m [u8]) {
        let mut fields = Vec::with_capacity(ROOM);
        let mut rest = text;
        loop {
            let is_blank = |byte: &u8| *byte != b'\n' && byte.is_ascii_whitespace();
            let start = rest.iter().position(|byte| !is_blank(byte)).unwrap_or(rest.len());
            rest = rest.get(start..).unwrap_or_default();
            if let Some(body) = rest.strip_prefix(b"\n").or(rest.is_empty().then_some(rest)) {
                let length = text.len().saturating_sub(body.len());
                return (Self { text: text.get(..length).unwrap_or(text), fields }, body);
            }
            // A line without a colon is none of it, and ends nothing.
            let mark = memchr::memchr2(b':', b'\n', rest).unwrap_or(rest.len());
            let (name, value) = rest.split_at_checked(mark).unwrap_or((rest, &[]));
            let end = if value.first() == Some(&b':') { end_of_field(value) } else { 1 };
            let (value, behind) = value.split_at_checked(end).unwrap_or((value, &[]));
            if let Some(value) = value.strip_prefix(b":").filter(|_| !name.is_empty()) {
                fields.push(Field { name: name.trim_ascii_end(), value });
            }
            rest = behind;
        }
    }

    /// All of it as written; none if it isn't UTF-8.
    pub(crate) fn text(&self) -> &'m str {
        std::str::from_utf8(self.text).unwrap_or_default()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// The names and values of all fields that are UTF-8.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&'m str, &'m str)> {
        let text = |bytes| std::str::from_utf8(bytes).ok();
        self.fields.iter().filter_map(move |field| Some((text(field.name)?, text(field.value)?)))
    }

    /// The values of a field, the last of them first: it is the one that counts.
    pub(crate) fn all(&self, name: &str) -> impl DoubleEndedIterator<Item = &'m [u8]> {
        let is_it = move |field: &&Field<'_>| field.name.eq_ignore_ascii_case(name.as_bytes());
        self.fields.iter().rev().filter(is_it).map(|field| field.value)
    }

    /// The value of a field as written, if it is UTF-8.
    pub(crate) fn get(&self, name: &str) -> Option<&'m str> {
        self.all(name).next().and_then(|value| std::str::from_utf8(value).ok())
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
        match self.parsed(name, MessageStream::parse_content_type)? {
            HeaderValue::ContentType(content_type) => Some(content_type),
            _ => None,
        }
    }
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
const ROOM: usize = 24;
