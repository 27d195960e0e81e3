//! Quoted-printable (RFC 2045 §6.7), as far as it is that.

/// The bytes that it stands for. What is no escape sequence stays as it is: the mail parser's own decoder
/// gives the whole part up for it.
pub(crate) fn decoded(text: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let end = memchr::memchr(b'\n', rest).map_or(rest.len(), |end| end.saturating_add(1));
        let (line, behind) = rest.split_at_checked(end).unwrap_or((rest, &[]));
        let own = line.strip_suffix(b"\n").unwrap_or(line);
        let own = own.strip_suffix(b"\r").unwrap_or(own);
        let ending = line.get(own.len()..).unwrap_or_default();
        // Blanks at the end of a line were added on the way.
        match own.trim_ascii_end() {
            [soft @ .., b'='] => push_line(&mut bytes, soft),
            hard => {
                push_line(&mut bytes, hard);
                bytes.extend_from_slice(ending);
            }
        }
        rest = behind;
    }
    bytes
}

fn push_line(bytes: &mut Vec<u8>, line: &[u8]) {
    let mut rest = line;
    while let Some(mark) = memchr::memchr(b'=', rest) {
        let (plain, escape) = rest.split_at_checked(mark).unwrap_or((rest, &[]));
        bytes.extend_from_slice(plain);
        let hex = |at: usize| escape.get(at).and_then(|byte| char::from(*byte).to_digit(16));
        let byte =
            hex(1).zip(hex(2)).map(|(high, low)| high.saturating_mul(16).saturating_add(low));
        let byte = byte.and_then(|byte| u8::try_from(byte).ok());
        bytes.push(byte.unwrap_or(b'='));
        let taken = if byte.is_some() { 3 } else { 1 };
        rest = escape.get(taken..).unwrap_or_default();
    }
    bytes.extend_from_slice(rest);
}

#[cfg(test)]
mod tests {
    use super::*;
    use mail_parser::decoders::quoted_printable::quoted_printable_decode;
    use proptest::prelude::*;

    #[test]
    fn what_is_no_escape_sequence_stays() {
        assert_eq!(decoded(b"a=3Db=\r\nc == =XY =4\r\n"), b"a=bc == =XY =4\r\n");
        assert_eq!(decoded(b"a =\nb \t\nc=20\n="), b"a b\nc \n");
    }

    proptest! {
        #[test]
        fn it_says_what_the_mail_parser_says(
            lines in prop::collection::vec("([ab \t]|=3D|=E4){0,8}=?", 0..6), end in prop::sample::select(vec!["\n", "\r\n"]),
        ) {
            let text: String = lines.iter().flat_map(|line| [line.as_str(), end]).collect();
            let expected = quoted_printable_decode(text.as_bytes());
            prop_assert_eq!(Some(decoded(text.as_bytes())), expected);
        }
    }
}
