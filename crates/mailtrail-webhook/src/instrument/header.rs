//! The header of a message or of a part of it: where each field stands.

use std::ops::Range;

/// A header, as places in the bytes of the message.
#[derive(Debug, Default)]
pub(super) struct Header {
    fields: Vec<Field>,
    /// All of its lines.
    pub(super) lines: Range<usize>,
    /// Where the body begins: after the empty line, if there is one.
    pub(super) body: usize,
}

#[derive(Debug)]
struct Field {
    name: Range<usize>,
    value: Range<usize>,
}

impl Header {
    /// Reads the header at the start of a place. A line that is no field ends it.
    pub(super) fn read(bytes: &[u8], place: Range<usize>) -> Self {
        let mut header =
            Self { lines: place.start..place.start, body: place.start, ..Self::default() };
        for line in lines(bytes, place) {
            let text = bytes.get(line.clone()).unwrap_or_default();
            header.body = line.start;
            match text {
                b"\r\n" | b"\n" => {
                    header.body = line.end;
                    return header;
                }
                [b' ' | b'\t', ..] => match header.fields.last_mut() {
                    Some(field) => field.value.end = line.end,
                    None => return header,
                },
                _ => match name(text) {
                    Some(length) => {
                        let colon = line.start.saturating_add(length);
                        let value = colon.saturating_add(1)..line.end;
                        header.fields.push(Field { name: line.start..colon, value });
                    }
                    None => return header,
                },
            }
            (header.lines.end, header.body) = (line.end, line.end);
        }
        header
    }

    pub(super) fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// Whether an empty line ends it, so that a field can be added.
    pub(super) fn is_closed(&self) -> bool {
        self.body > self.lines.end
    }

    /// The values of the fields of this name.
    pub(super) fn values<'m>(&self, bytes: &'m [u8], name: &str) -> impl Iterator<Item = &'m [u8]> {
        self.named(bytes, name).filter_map(|field| bytes.get(field.value.clone()))
    }

    pub(super) fn has(&self, bytes: &[u8], name: &str) -> bool {
        self.named(bytes, name).next().is_some()
    }

    /// The lines of the last field of this name.
    pub(super) fn place(&self, bytes: &[u8], name: &str) -> Option<Range<usize>> {
        self.named(bytes, name).last().map(|field| field.name.start..field.value.end)
    }

    fn named(&self, bytes: &[u8], name: &str) -> impl Iterator<Item = &Field> {
        self.fields.iter().filter(move |field| {
            let own = bytes.get(field.name.clone()).unwrap_or_default();
            own.trim_ascii_end().eq_ignore_ascii_case(name.as_bytes())
        })
    }
}

/// The lines in a place, each with what ends it.
pub(super) fn lines(bytes: &[u8], place: Range<usize>) -> impl Iterator<Item = Range<usize>> {
    let mut start = place.start;
    std::iter::from_fn(move || {
        let rest = bytes.get(start..place.end).filter(|rest| !rest.is_empty())?;
        let length = memchr::memchr(b'\n', rest).map_or(rest.len(), |at| at.saturating_add(1));
        let line = start..start.saturating_add(length);
        start = line.end;
        Some(line)
    })
}

/// How the lines of a message end: as its first one does.
pub(super) fn line_end(bytes: &[u8]) -> &'static [u8] {
    match memchr::memchr(b'\n', bytes).map(|at| bytes.get(..at).unwrap_or_default()) {
        Some([.., b'\r']) | None => b"\r\n",
        Some(_) => b"\n",
    }
}

/// How long the name at the start of a line is (RFC 5322 §2.2; blanks before the colon: §4.5).
fn name(line: &[u8]) -> Option<usize> {
    let colon = memchr::memchr(b':', line)?;
    let name = line.get(..colon)?.trim_ascii_end();
    (!name.is_empty() && name.iter().all(u8::is_ascii_graphic)).then_some(colon)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folded_fields_are_read_and_the_header_ends_at_the_empty_line() {
        let bytes = b"A: 1\r\nb : 2\r\n  3\r\n\r\nC: 4\r\n";
        let header = Header::read(bytes, 0..bytes.len());
        assert_eq!(header.values(bytes, "B").collect::<Vec<_>>(), [b" 2\r\n  3\r\n"]);
        assert!(header.has(bytes, "a") && !header.has(bytes, "c") && header.is_closed());
        assert_eq!(bytes[header.body..], *b"C: 4\r\n");
        assert_eq!(header.place(bytes, "a"), Some(0..6));
    }

    #[test]
    fn what_is_no_field_ends_it() {
        let bytes = b"A: 1\nno field\n\n";
        let header = Header::read(bytes, 0..bytes.len());
        assert!(!header.is_closed());
        assert_eq!((header.lines, header.body), (0..5, 5));
        assert!(Header::read(b" x", 0..2).is_empty());
        assert!(Header::read(b"", 0..0).is_empty());
    }
}
