//! Header-like fields (RFC 5322 §2.2), folded or not, with any line ends.

use std::ops::Range;

use crate::mime::Header;

/// The fields of one block. All names and values lie in one text, so that a header of fifty fields
/// costs two allocations.
#[derive(Debug, Clone, Default)]
pub(crate) struct Fields {
    text: String,
    spans: Vec<(Range<usize>, Range<usize>)>,
}

impl Fields {
    /// The first value of a field, by its name in lower case.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.all(name).next().filter(|value| !value.is_empty())
    }

    /// The value of a field behind its type, as in `dns; mx.example` (RFC 3464 §2.1.2).
    pub(crate) fn typed(&self, name: &str) -> Option<&str> {
        let value = self.get(name)?;
        let value = value.split_once(';').map_or(value, |(_, rest)| rest).trim();
        (!value.is_empty()).then_some(value)
    }

    /// Room for the fields of a text of this length; most blocks are those of one recipient.
    fn with_room(length: usize) -> Self {
        let text = String::with_capacity(length.clamp(ROOM, MOST_ROOM));
        Self { text, spans: Vec::with_capacity(ROOM_FIELDS) }
    }

    /// The header of a mail.
    pub(crate) fn of_header(header: &Header<'_>) -> Self {
        let mut fields = Self::with_room(header.text().len());
        for (name, value) in header.iter() {
            let mut lines = lines(value);
            fields.push(name, lines.next().unwrap_or_default());
            lines.filter(|line| !is_blank(line)).for_each(|line| fields.fold(line));
        }
        fields
    }

    /// Adds a field.
    pub(crate) fn push(&mut self, name: &str, value: &str) {
        self.text.push('\n');
        let start = self.text.len();
        self.text.push_str(trimmed(name));
        if let Some(own) = self.text.get_mut(start..) {
            own.make_ascii_lowercase();
        }
        let name = start..self.text.len();
        // Names and values stay apart, so that the text can be searched as a whole.
        self.text.push('\n');
        let middle = self.text.len();
        self.text.push_str(trimmed(value));
        self.spans.push((name, middle..self.text.len()));
    }

    /// Adds the fields of another block.
    pub(crate) fn append(&mut self, other: &Self) {
        other.pairs().for_each(|(name, value)| self.push(name, value));
    }

    /// Adds to the last field.
    fn fold(&mut self, line: &str) {
        if let Some((_, value)) = self.spans.last_mut() {
            if value.start < value.end {
                self.text.push(' ');
            }
            self.text.push_str(trimmed(line));
            value.end = self.text.len();
        }
    }

    /// All values of a field, by its name in lower case.
    pub(crate) fn all<'f>(&'f self, name: &str) -> impl Iterator<Item = &'f str> {
        let is_it = move |(own, _): &&(Range<usize>, Range<usize>)| {
            // The length alone rules out most names.
            own.len() == name.len() && self.text.get(own.clone()) == Some(name)
        };
        let found = self.spans.iter().filter(is_it);
        found.map(|(_, value)| self.text.get(value.clone()).unwrap_or_default())
    }

    /// All names and values, to search in.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        let text = |range: &Range<usize>| self.text.get(range.clone()).unwrap_or_default();
        self.spans.iter().map(move |(name, value)| (text(name), text(value)))
    }

    /// The same fields, with a new block wherever one of these names comes again.
    pub(crate) fn split_at_repeated(self, names: &[&str]) -> Vec<Self> {
        if names.iter().all(|name| self.all(name).count() < 2) {
            return vec![self];
        }
        let mut blocks = vec![Self::default()];
        for (name, value) in self.pairs() {
            let repeats = |block: &Self| block.all(name).next().is_some();
            if names.contains(&name) && blocks.last().is_some_and(repeats) {
                blocks.push(Self::default());
            }
            if let Some(block) = blocks.last_mut() {
                block.push(name, value);
            }
        }
        blocks
    }

    /// Whether it is the header of a mail.
    pub(crate) fn is_mail_header(&self) -> bool {
        let marks =
            ["received", "return-path", "message-id", "dkim-signature", "from", "to", "date"];
        marks.iter().filter(|name| self.get(name).is_some()).count() >= 2
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }
}

/// The blocks of fields of a text: separated by empty lines.
pub(crate) fn blocks(text: &str) -> impl Iterator<Item = Fields> {
    let mut lines = lines(text).skip_while(|line| is_blank(line)).peekable();
    std::iter::from_fn(move || {
        lines.peek()?;
        let mut block = Fields::with_room(text.len());
        for line in lines.by_ref().take_while(|line| !is_blank(line)) {
            if line.starts_with([' ', '\t']) {
                block.fold(line);
            } else if let Some((name, value)) = line.split_once(':') {
                block.push(name, value);
            }
        }
        Some(block)
    })
    .filter(|block| !block.is_empty())
}

/// Lines, whether they end in CR LF, LF or CR.
pub(crate) fn lines(text: &str) -> impl Iterator<Item = &str> + Clone {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let Some(end) = memchr::memchr2(b'\n', b'\r', text.as_bytes()) else {
            return rest.take();
        };
        let (line, more) = text.split_at_checked(end)?;
        rest = match more.as_bytes() {
            // A CR that ends the text has no line behind it.
            [b'\r'] => None,
            [b'\r', b'\n', ..] => more.get(2..),
            _ => more.get(1..),
        };
        Some(line)
    })
}

/// A line without the blanks around it. Most lines have none, or those of ASCII.
pub(crate) fn trimmed(line: &str) -> &str {
    let line = line.trim_ascii();
    let is_plain = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_graphic);
    let plain = is_plain(line.as_bytes().first()) && is_plain(line.as_bytes().last());
    if plain { line } else { line.trim() }
}

/// Whether there is nothing but blanks in a line.
pub(crate) fn is_blank(line: &str) -> bool {
    trimmed(line).is_empty()
}

/// A text of bytes that should be UTF-8.
pub(crate) fn lossy(bytes: &[u8]) -> std::borrow::Cow<'_, str> {
    // The check alone is much faster than the repair.
    match std::str::from_utf8(bytes) {
        Ok(text) => text.into(),
        Err(_) => String::from_utf8_lossy(bytes),
    }
}

const ROOM: usize = 512;
const MOST_ROOM: usize = 2_048;
const ROOM_FIELDS: usize = 12;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_line_end_is_one(text in "[ab\r\n]{0,12}") {
            let found: Vec<&str> = lines(&text).collect();
            let strip = |line| str::strip_suffix(line, '\r').unwrap_or(line);
            let expected: Vec<&str> = text.split('\n').flat_map(|line| strip(line).split('\r')).collect();
            prop_assert_eq!(found, expected);
        }
    }
}
