//! The encoding of RFC 3461's parameters.

/// Undoes `xtext` (RFC 3461 §4). `None` if it isn't, or hides control characters.
pub(super) fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => hex(rest.next()?)?.checked_mul(16)?.checked_add(hex(rest.next()?)?)?,
            b'=' => return None,
            other => other,
        });
    }
    String::from_utf8(bytes).ok().filter(|text| !text.chars().any(char::is_control))
}

/// Undoes the `\x{…}` of an address of type utf-8 (RFC 6533 §3), after [`decode`].
pub(super) fn decode_unicode(text: &str) -> Option<String> {
    let mut decoded = String::with_capacity(text.len());
    let mut parts = text.split("\\x{");
    decoded.push_str(parts.next()?);
    for part in parts {
        let (digits, after) = part.split_once('}')?;
        let c = char::from_u32(u32::from_str_radix(digits, 16).ok()?)?;
        if c.is_control() {
            return None;
        }
        decoded.push(c);
        decoded.push_str(after);
    }
    Some(decoded)
}

/// RFC 3461 allows upper case only.
fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => digit.checked_sub(b'0'),
        b'A'..=b'F' => digit.checked_sub(b'A')?.checked_add(10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn xtext_is_undone_or_refused() {
        assert_eq!(decode("a+2Bb+3Dc").as_deref(), Some("a+b=c"));
        for bad in ["+", "+2", "+2b", "a=b", "+0D", "+FF"] {
            assert_eq!(decode(bad), None, "{bad}");
        }
        assert_eq!(decode_unicode("d\\x{F6}rte@x.example").as_deref(), Some("dörte@x.example"));
        assert_eq!(decode_unicode("\\x{D800}"), None);
        assert_eq!(decode_unicode("\\x{7"), None);
    }
}
