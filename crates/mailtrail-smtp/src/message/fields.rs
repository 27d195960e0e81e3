//! The fields at the start of a message, as places in its bytes.

use std::ops::Range;

use mail_builder::headers::Header as _;
use mail_builder::headers::date::Date;

use super::Letter;

/// A header, read up to its empty line.
#[derive(Debug)]
pub(super) struct Fields {
    list: Vec<Field>,
    /// Where its lines end: before the empty line.
    pub(super) end: usize,
    /// Where the body begins: after the empty line, if there is one.
    pub(super) body: usize,
}

/// One field with the lines that continue it.
#[derive(Debug, Clone)]
pub(super) struct Field {
    name: Range<usize>,
    value: Range<usize>,
}

/// The line, counted from 1, that is no field and continues none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NoField(pub(super) usize);

impl Fields {
    /// Reads the header of a message. A line that is no field is an error: readers differ on what it means.
    pub(super) fn read(message: &[u8]) -> Result<Self, NoField> {
        let mut fields = Self { list: Vec::new(), end: 0, body: 0 };
        for (number, line) in (1..).zip(lines(message)) {
            let text = message.get(line.clone()).unwrap_or_default();
            fields.body = line.end;
            if matches!(text, b"\r\n" | b"\n") {
                return Ok(fields);
            }
            fields.end = line.end;
            match (text, fields.list.last_mut()) {
                ([b' ' | b'\t', ..], Some(field)) if is_text(text) => field.value.end = line.end,
                _ => fields.list.push(Field::read(text, &line).ok_or(NoField(number))?),
            }
        }
        Ok(fields)
    }

    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = &Field> {
        self.list.iter()
    }

    /// The fields of this name, from the top.
    pub(super) fn named(
        &self,
        message: &[u8],
        name: &str,
    ) -> impl DoubleEndedIterator<Item = &Field> {
        self.iter().filter(move |field| field.is(message, name))
    }

    pub(super) fn has(&self, message: &[u8], name: &str) -> bool {
        self.named(message, name).next().is_some()
    }
}

impl Field {
    /// Blanks before the colon are obsolete, and read all the same (RFC 5322 §4.5).
    fn read(text: &[u8], line: &Range<usize>) -> Option<Self> {
        let colon = memchr::memchr(b':', text)?;
        let name = text.get(..colon)?.trim_ascii_end();
        let is_name = !name.is_empty() && name.iter().all(u8::is_ascii_graphic);
        let name = line.start..line.start.saturating_add(name.len());
        let value = line.start.saturating_add(colon).saturating_add(1)..line.end;
        (is_name && is_text(text)).then_some(Self { name, value })
    }

    pub(super) fn is(&self, message: &[u8], name: &str) -> bool {
        self.name(message).eq_ignore_ascii_case(name.as_bytes())
    }

    pub(super) fn name<'m>(&self, message: &'m [u8]) -> &'m [u8] {
        message.get(self.name.clone()).unwrap_or_default()
    }

    /// What follows the colon, to the end of its last line.
    #[cfg(any(feature = "dkim", test))]
    pub(super) fn value<'m>(&self, message: &'m [u8]) -> &'m [u8] {
        message.get(self.value.clone()).unwrap_or_default()
    }

    /// All of its lines.
    pub(super) fn lines<'m>(&self, message: &'m [u8]) -> &'m [u8] {
        message.get(self.name.start..self.value.end).unwrap_or_default()
    }
}

/// How the lines of a message end: as its first one does.
pub(super) fn line_end(message: &[u8]) -> &'static [u8] {
    match memchr::memchr(b'\n', message).map(|at| message.get(..at).unwrap_or_default()) {
        Some([.., b'\r']) | None => b"\r\n",
        Some(_) => b"\n",
    }
}

/// Text as a header can hold it: on one line, and nowhere like an encoded word (RFC 2047), which many readers
/// decode even between quotes.
pub(super) fn one_line(text: &str) -> String {
    let words = text.split(|c: char| c.is_control() || c.is_whitespace());
    let line = words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    line.replace("=?", "= ?")
}

/// The field `To` of a letter, with CR LF.
pub(super) fn to(letter: &Letter<'_>) -> Vec<u8> {
    let address = super::on_the_wire(letter.address);
    let mailbox = super::mailbox(letter.private.name.as_deref(), &address);
    let mut field = b"To: ".to_vec();
    let column = field.len();
    mailbox.write_header(&mut field, column);
    field
}

/// The field `Date` of a letter, with CR LF.
pub(super) fn date(letter: &Letter<'_>) -> Vec<u8> {
    let mut field = b"Date: ".to_vec();
    let column = field.len();
    Date::new(letter.date.timestamp()).write_header(&mut field, column);
    field
}

/// The field `Message-ID` of a letter, with CR LF. It stays on one line: readers of folded ones are rare.
pub(super) fn message_id(letter: &Letter<'_>) -> Vec<u8> {
    let id: String = letter.message_id.chars().filter(|c| !c.is_control()).collect();
    format!("Message-ID: <{id}>\r\n").into_bytes()
}

/// Bytes with CR LF, with the line ends of a message.
pub(super) fn with_line_end(bytes: Vec<u8>, line_end: &[u8]) -> Vec<u8> {
    if line_end == b"\r\n" {
        return bytes;
    }
    bytes.into_iter().filter(|byte| *byte != b'\r').collect()
}

/// Whether a line has none of what readers differ on: a CR within, which some take for its end, a NUL, and
/// the tabs and feeds that are blanks to some, also to some of those who verify a signature.
fn is_text(line: &[u8]) -> bool {
    let end = line.strip_suffix(b"\r\n").or_else(|| line.strip_suffix(b"\n"));
    let text = end.unwrap_or(line);
    !text.iter().any(|byte| matches!(byte, b'\r' | b'\0' | b'\x0b' | b'\x0c'))
}

/// The lines of a message, each with what ends it.
fn lines(message: &[u8]) -> impl Iterator<Item = Range<usize>> {
    let mut start = 0_usize;
    std::iter::from_fn(move || {
        let rest = message.get(start..).filter(|rest| !rest.is_empty())?;
        let length = memchr::memchr(b'\n', rest).map_or(rest.len(), |at| at.saturating_add(1));
        let line = start..start.saturating_add(length);
        start = line.end;
        Some(line)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folded_fields_are_read_and_the_header_ends_at_the_empty_line() {
        let bytes = b"A: 1\r\nb : 2\r\n  3\r\n\r\nC: 4\r\n";
        let fields = Fields::read(bytes).unwrap();
        assert_eq!(fields.named(bytes, "B").next().unwrap().value(bytes), b" 2\r\n  3\r\n");
        assert!(fields.has(bytes, "a") && !fields.has(bytes, "c"));
        assert_eq!((&bytes[..fields.end], &bytes[fields.body..]), (&bytes[..18], &b"C: 4\r\n"[..]));
    }

    #[test]
    fn what_is_no_field_is_told_by_its_line() {
        assert_eq!(Fields::read(b"A: 1\nno field\n\n").unwrap_err(), NoField(2));
        assert_eq!(Fields::read(b" x").unwrap_err(), NoField(1));
        for bare in [&b"A: 1\r2\r\n"[..], b"A: 1\r"] {
            assert_eq!(Fields::read(bare).unwrap_err(), NoField(1));
        }
        for control in [b"A: 1\n \0\n", b"A: 1\n \x0b\n", b"A: 1\n \x0c\n"] {
            assert_eq!(Fields::read(control).unwrap_err(), NoField(2));
        }
    }

    #[test]
    fn a_header_may_be_all_there_is() {
        let fields = Fields::read(b"A: 1").unwrap();
        assert_eq!((fields.end, fields.body), (4, 4));
        assert!(Fields::read(b"").unwrap().iter().next().is_none());
    }

    #[test]
    fn text_on_one_line_has_no_controls() {
        assert_eq!(one_line("=?utf-8?Q?Ann?="), "= ?utf-8?Q?Ann?=");
        assert_eq!(one_line(" Ann\r\nBcc: x@y.example\t\0"), "Ann Bcc: x@y.example");
    }
}
