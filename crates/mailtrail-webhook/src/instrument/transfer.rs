//! How the bytes of a part are written in a message (RFC 2045 §6).

use data_encoding::{BASE64, BASE64_MIME_PERMISSIVE, HEXUPPER};

/// A Content-Transfer-Encoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Transfer {
    /// `7bit` and `8bit`: as it is, in lines.
    Lines,
    /// `binary`: as it is.
    Binary,
    QuotedPrintable,
    Base64,
}

impl Transfer {
    pub(super) fn named(name: &str) -> Option<Self> {
        match name {
            "7bit" | "8bit" => Some(Self::Lines),
            "binary" => Some(Self::Binary),
            "quoted-printable" => Some(Self::QuotedPrintable),
            "base64" => Some(Self::Base64),
            _ => None,
        }
    }

    /// What is written; `None` if it is not written as it should be.
    pub(super) fn decode(self, body: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::Lines | Self::Binary => Some(body.to_vec()),
            Self::QuotedPrintable => quoted_printable(body),
            Self::Base64 => BASE64_MIME_PERMISSIVE.decode(body.trim_ascii()).ok(),
        }
    }

    /// How bytes can be written: as before, but for lines that are too long for it.
    pub(super) fn for_bytes(self, bytes: &[u8]) -> Self {
        let is_long = |line: &[u8]| line.strip_suffix(b"\r").unwrap_or(line).len() > LINE;
        match self {
            Self::Lines if bytes.split(|byte| *byte == b'\n').any(is_long) => Self::QuotedPrintable,
            same => same,
        }
    }

    /// The bytes as they are written, with lines that end so.
    pub(super) fn encode(self, bytes: &[u8], line_end: &[u8]) -> Vec<u8> {
        match self {
            Self::Lines | Self::Binary => bytes.to_vec(),
            Self::QuotedPrintable => to_quoted_printable(bytes, line_end),
            Self::Base64 => to_base64(bytes, line_end),
        }
    }
}

fn to_base64(bytes: &[u8], line_end: &[u8]) -> Vec<u8> {
    let text = BASE64.encode(bytes);
    let lines: Vec<&[u8]> = text.as_bytes().chunks(SHORT_LINE).collect();
    lines.join(line_end)
}

/// Reads quoted-printable (RFC 2045 §6.7); `None` if a `=` begins nothing.
fn quoted_printable(body: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(body.len());
    for line in body.split_inclusive(|byte| *byte == b'\n') {
        let text = line.strip_suffix(b"\n").unwrap_or(line);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        let end = line.get(text.len()..).unwrap_or_default();
        // Blanks at the end of a line were added on the way.
        if !read_line(trim_blanks(text), &mut bytes)? {
            bytes.extend_from_slice(end);
        }
    }
    Some(bytes)
}

/// Reads a line without its end, and says whether it goes on in the next.
fn read_line(mut line: &[u8], bytes: &mut Vec<u8>) -> Option<bool> {
    while let Some(at) = memchr::memchr(b'=', line) {
        let (plain, quoted) = line.split_at_checked(at)?;
        bytes.extend_from_slice(plain);
        match quoted {
            [_] => return Some(true),
            [_, high, low, after @ ..] => {
                bytes.push(hex(*high)?.checked_mul(16)?.checked_add(hex(*low)?)?);
                line = after;
            }
            _ => return None,
        }
    }
    bytes.extend_from_slice(line);
    Some(false)
}

fn trim_blanks(line: &[u8]) -> &[u8] {
    let kept = line.iter().rposition(|byte| !matches!(byte, b' ' | b'\t'));
    kept.and_then(|at| line.get(..=at)).unwrap_or_default()
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

fn to_quoted_printable(bytes: &[u8], line_end: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(bytes.len());
    let (mut width, mut rest) = (0_usize, bytes);
    while let Some((byte, after)) = rest.split_first() {
        if let Some(next) = rest.strip_prefix(line_end) {
            text.extend_from_slice(line_end);
            (width, rest) = (0, next);
            continue;
        }
        let ends_line = after.is_empty() || after.starts_with(line_end);
        let is_plain = match byte {
            b'=' => false,
            // No line may look like a boundary.
            b'-' => width > 0,
            b' ' | b'\t' => !ends_line,
            byte => byte.is_ascii_graphic(),
        };
        let length = if is_plain { 1 } else { 3 };
        let room = if ends_line { SHORT_LINE } else { SHORT_LINE.saturating_sub(1) };
        if width.saturating_add(length) > room {
            text.push(b'=');
            text.extend_from_slice(line_end);
            width = 0;
            // What begins a line is looked at again.
            continue;
        }
        if is_plain {
            text.push(*byte);
        } else {
            text.push(b'=');
            text.extend_from_slice(HEXUPPER.encode(&[*byte]).as_bytes());
        }
        width = width.saturating_add(length);
        rest = after;
    }
    text
}

/// The longest line of a message, without its end (RFC 5322 §2.1.1).
const LINE: usize = 998;
/// The longest line of an encoding (RFC 2045 §6.7, §6.8).
const SHORT_LINE: usize = 76;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_written_is_read_as_it_was(
            parts in prop::collection::vec(
                prop_oneof![
                    prop::collection::vec(any::<u8>(), 0..100),
                    "[ -~\t]{0,200}".prop_map(String::into_bytes),
                    "(--|\r\n|\n|\r|=| ){1,4}".prop_map(String::into_bytes),
                ],
                0..8,
            ),
            bare in any::<bool>(),
        ) {
            let bytes = parts.concat();
            let end: &[u8] = if bare { b"\n" } else { b"\r\n" };
            for transfer in [Transfer::QuotedPrintable, Transfer::Base64] {
                let written = transfer.encode(&bytes, end);
                prop_assert_eq!(transfer.decode(&written).unwrap(), bytes.clone());
                prop_assert!(written.is_ascii());
                for line in written.split(|byte| *byte == b'\n') {
                    let line = line.strip_suffix(b"\r").unwrap_or(line);
                    prop_assert!(line.len() <= 76 && !line.starts_with(b"-"));
                }
            }
        }

        #[test]
        fn reading_is_total(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            for name in ["7bit", "binary", "quoted-printable", "base64"] {
                Transfer::named(name).unwrap().decode(&bytes);
            }
        }
    }

    #[test]
    fn only_lines_that_are_too_long_change_the_encoding() {
        let long = "x".repeat(999);
        assert_eq!(Transfer::Lines.for_bytes(long.as_bytes()), Transfer::QuotedPrintable);
        assert_eq!(Transfer::Lines.for_bytes(&long.as_bytes()[1..]), Transfer::Lines);
        assert_eq!(Transfer::Binary.for_bytes(long.as_bytes()), Transfer::Binary);
    }

    #[test]
    fn blanks_of_the_way_are_dropped_and_what_is_not_quoted_printable_is_refused() {
        assert_eq!(quoted_printable(b"a=3d \t\r\nb=\nc=20\n").unwrap(), b"a=\r\nbc \n");
        assert_eq!(quoted_printable(b"a=zz"), None);
        assert_eq!(quoted_printable(b"a=4"), None);
    }
}
