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
    // What was folded in behind an address is none of it; a command may have blanks of its own.
    let text = match text.split_once(char::is_whitespace) {
        Some((first, _)) if first.contains('@') && !first.starts_with('"') => first,
        _ => text,
    };
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

/// An address in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Found<'t> {
    /// The address, without brackets.
    pub(crate) address: &'t str,
    /// What stands before it.
    pub(crate) before: &'t str,
    /// What stands behind it.
    pub(crate) after: &'t str,
}

/// The addresses in a line, from left to right.
pub(crate) fn found(line: &str) -> impl Iterator<Item = Found<'_>> {
    let mut from = 0_usize;
    std::iter::from_fn(move || {
        loop {
            let at = memchr::memchr(b'@', line.as_bytes().get(from..)?)?.saturating_add(from);
            let next = at.saturating_add(1);
            let (mut start, end) = (local_start(line, from, at), domain_end(line, next));
            // An apostrophe in front belongs to the text where one stands behind, too.
            if line.get(end..).is_some_and(|after| after.starts_with('\''))
                && let Some(quote) = line.get(start..at).and_then(|local| local.rfind('\''))
            {
                start = start.saturating_add(quote).saturating_add(1);
            }
            from = next;
            let domain = line.get(next..end).unwrap_or_default();
            if start < at && domain.contains(|c: char| c.is_alphanumeric()) {
                from = end;
                return Some(Found {
                    address: line.get(start..end)?,
                    before: line.get(..start)?,
                    after: line.get(end..)?,
                });
            }
        }
    })
}

/// Where the local part before an at sign starts.
fn local_start(line: &str, from: usize, at: usize) -> usize {
    let before = line.get(from..at).unwrap_or_default();
    // What is in angle brackets is taken as it stands: other scripts, quoted spaces.
    if let Some((head, bracketed)) = before.rsplit_once('<')
        && !bracketed.is_empty()
        && (!bracketed.contains([' ', '>', '\t', ':', ',']) || bracketed.starts_with('"'))
    {
        return from.saturating_add(head.len()).saturating_add(1);
    }
    if let Some(quoted) = before.strip_suffix('"')
        && let Some((head, _)) = quoted.rsplit_once('"')
    {
        return from.saturating_add(head.len());
    }
    let local = before.rsplit(|c| !is_local(c)).next().unwrap_or_default();
    let local = local.trim_start_matches(['.', '\'', '*', '=', '-', '`', '|', '#']);
    // `to=ann@a.example`, as logs and transcripts write it.
    let local = match local.split_once('=') {
        Some((name, rest)) if LABELS.contains(&name.to_ascii_lowercase().as_str()) => rest,
        _ => local,
    };
    at.saturating_sub(local.len())
}

/// Where the domain after an at sign ends.
fn domain_end(line: &str, start: usize) -> usize {
    let after = line.get(start..).unwrap_or_default();
    if let Some(literal) = after.strip_prefix('[') {
        let inside = literal.split_once(']').map_or("", |(inside, _)| inside);
        if !inside.is_empty()
            && inside.chars().all(|c| c.is_ascii_hexdigit() || ".:IPv6".contains(c))
        {
            return start.saturating_add(inside.len()).saturating_add(2);
        }
    }
    let end = after.find(|c| !is_domain(c)).unwrap_or(after.len());
    let domain = after.get(..end).unwrap_or_default().trim_end_matches(['.', '-']);
    start.saturating_add(domain.len())
}

/// Scripts that are written without spaces can't be told from the words around an address.
fn is_local(c: char) -> bool {
    c.is_ascii_alphanumeric() || ".!#$%&'*+-/=?^_`{|}~".contains(c) || is_letter(c)
}

fn is_domain(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_') || is_letter(c)
}

fn is_letter(c: char) -> bool {
    ('\u{C0}'..'\u{530}').contains(&c) && c.is_alphabetic()
}

/// Whether two texts are the same address, as far as reports are concerned.
pub(crate) fn same(one: &str, other: &str) -> bool {
    let is_plain = || one.is_ascii() && other.is_ascii();
    one.eq_ignore_ascii_case(other)
        || (!begin_apart(one, other) && !is_plain() && one.to_lowercase() == other.to_lowercase())
}

/// Whether the first letters alone tell two texts apart.
fn begin_apart(one: &str, other: &str) -> bool {
    let first = |text: &str| text.bytes().next().filter(u8::is_ascii);
    first(one).zip(first(other)).is_some_and(|(one, other)| !one.eq_ignore_ascii_case(&other))
}

/// Names that stand before an address with an equals sign.
const LABELS: [&str; 8] =
    ["to", "for", "from", "orig_to", "recipient", "rcpt", "address", "envelope-from"];

fn is_hex(byte: u8) -> bool {
    byte.is_ascii_digit() || (b'A'..=b'F').contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_found_in_lines() {
        let all = |line| found(line).map(|found| found.address).collect::<Vec<_>>();
        assert_eq!(
            all("550 <ann@a.example>... no, bob@b.example."),
            ["ann@a.example", "bob@b.example"]
        );
        assert_eq!(all("to=ann@a.example, x='bob@b.example'"), ["ann@a.example", "bob@b.example"]);
        assert_eq!(all("宛先ann@a.exampleへ"), ["ann@a.example"]);
        assert_eq!(all("<dörte@straße.example>: no"), ["dörte@straße.example"]);
        assert_eq!(
            all("\"a b\"@a.example and c@[192.0.2.1]"),
            ["\"a b\"@a.example", "c@[192.0.2.1]"]
        );
        assert_eq!(all("at @ or a@ or @b or SRS0=x=y@z"), ["SRS0=x=y@z"]);
    }

    #[test]
    fn escaped_addresses_are_read() {
        assert_eq!(typed("rfc822; <ann+x@a.example>").unwrap(), "ann+x@a.example");
        assert_eq!(typed("RFC822;ann+2Bx@a.example").unwrap(), "ann+x@a.example");
        assert_eq!(typed(r"utf-8; d\x{F6}rte@a.example").unwrap(), "dörte@a.example");
        assert_eq!(typed("ann@a.example").unwrap(), "ann@a.example");
        assert_eq!(typed("rfc822; "), None);
    }
}
