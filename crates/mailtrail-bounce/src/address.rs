//! Addresses as delivery reports write them (RFC 3464 §2.3.1, RFC 3461 §4, RFC 6533 §3).

/// The address of a typed field, such as `rfc822; ann@a.example` or `utf-8; d\x{F6}rte@a.example`.
pub(crate) fn typed(value: &str) -> Option<String> {
    let (kind, address) = value.split_once(';').unwrap_or(("rfc822", value));
    let address = bare(address);
    let decoded = match kind.trim().to_ascii_lowercase().as_str() {
        "utf-8" => braced(&xtext(address)),
        _ => xtext(address),
    };
    (!decoded.is_empty()).then_some(decoded)
}

fn bare(text: &str) -> &str {
    let text = text.trim();
    text.strip_prefix('<').and_then(|t| t.strip_suffix('>')).unwrap_or(text).trim()
}

/// `+2B` is `+` (RFC 3461 §4). A plus sign that no two capital hexadecimal digits follow is itself.
fn xtext(text: &str) -> String {
    let mut decoded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('+') {
        decoded.push_str(before);
        let escaped = after.get(..2).filter(|hex| hex.bytes().all(is_hex));
        let byte = escaped.and_then(|hex| u8::from_str_radix(hex, 16).ok());
        if let Some(byte) = byte.filter(|byte| matches!(byte, b'+' | b'=')) {
            decoded.push(char::from(byte));
            rest = after.get(2..).unwrap_or_default();
        } else {
            decoded.push('+');
            rest = after;
        }
    }
    decoded.push_str(rest);
    decoded
}

/// `\x{F6}` is `ö` (RFC 6533 §3).
fn braced(text: &str) -> String {
    let mut decoded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("\\x{") {
        decoded.push_str(before);
        let character = after.split_once('}').and_then(|(hex, tail)| {
            Some((char::from_u32(u32::from_str_radix(hex, 16).ok()?)?, tail))
        });
        if let Some((character, tail)) = character {
            decoded.push(character);
            rest = tail;
        } else {
            decoded.push_str("\\x{");
            rest = after;
        }
    }
    decoded.push_str(rest);
    decoded
}

fn is_hex(byte: u8) -> bool {
    byte.is_ascii_digit() || (b'A'..=b'F').contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escaped_addresses_are_read() {
        assert_eq!(typed("rfc822; <ann+x@a.example>").unwrap(), "ann+x@a.example");
        assert_eq!(typed("RFC822;ann+2Bx@a.example").unwrap(), "ann+x@a.example");
        assert_eq!(typed(r"utf-8; d\x{F6}rte@a.example").unwrap(), "dörte@a.example");
        assert_eq!(typed("ann@a.example").unwrap(), "ann@a.example");
        assert_eq!(typed("rfc822; "), None);
    }
}
