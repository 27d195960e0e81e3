//! The paths of `MAIL FROM` and `RCPT TO` (RFC 5321 §4.1.2).

/// Splits `<path>` off: the address without brackets, and what follows.
///
/// Total, and generous with what real mailboxes are called (dots anywhere, no domain at all);
/// whether one exists is the handler's judgement. A source route is dropped (RFC 5321 §4.1.1.3).
pub(super) fn split_path(text: &str) -> Option<(&str, &str)> {
    let inner = text.strip_prefix('<')?;
    let (path, rest) = inner.split_at_checked(end_of_path(inner)?)?;
    let address = match path.strip_prefix('@') {
        Some(route) => route.split_once(':')?.1,
        None => path,
    };
    let rest = rest.strip_prefix('>')?;
    (address.is_empty() || is_address(address)).then_some((address, rest))
}

/// Where the closing bracket is, which may also stand in a quoted local part.
fn end_of_path(text: &str) -> Option<usize> {
    let mut quoted = false;
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '>' if !quoted => return Some(at),
            _ => {}
        }
    }
    None
}

fn is_address(address: &str) -> bool {
    let (local, domain) = match address.rsplit_once('@') {
        Some((local, domain)) => (local, Some(domain)),
        None => (address, None),
    };
    is_local(local) && domain.is_none_or(is_domain)
}

fn is_local(local: &str) -> bool {
    match local.strip_prefix('"') {
        Some(quoted) => quoted.strip_suffix('"').is_some_and(is_quoted),
        None => !local.is_empty() && !local.contains(|c: char| is_special(c) || c.is_control()),
    }
}

/// Quotes and backslashes come escaped only; the last backslash escapes something.
fn is_quoted(text: &str) -> bool {
    let mut escaped = false;
    for c in text.chars() {
        match c {
            _ if c.is_control() => return false,
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return false,
            _ => {}
        }
    }
    !escaped
}

fn is_domain(domain: &str) -> bool {
    let literal = domain.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    match literal {
        Some(inner) => inner.chars().all(|c| c.is_ascii_alphanumeric() || ".:-".contains(c)),
        None => {
            !domain.is_empty()
                && domain.chars().all(|c| c.is_alphanumeric() || !c.is_ascii() || ".-_".contains(c))
                && !domain.contains(char::is_control)
        }
    }
}

fn is_special(c: char) -> bool {
    " \"(),:;<>@[\\]".contains(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_split() {
        for (text, expected) in [
            ("<>", ("", "")),
            ("<a@b.example> SIZE=1", ("a@b.example", " SIZE=1")),
            ("<@relay.example,@other.example:a@b.example>", ("a@b.example", "")),
            ("<\"a>\\\"b\"@b.example>", ("\"a>\\\"b\"@b.example", "")),
            ("<a..b.@b.example>", ("a..b.@b.example", "")),
            ("<postmaster>", ("postmaster", "")),
            ("<ä@ö.example>", ("ä@ö.example", "")),
            ("<a@[IPv6:::1]>", ("a@[IPv6:::1]", "")),
        ] {
            assert_eq!(split_path(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_path_is_refused() {
        for text in [
            "a@b.example",
            "<a@b.example",
            "<a b@c.example>",
            "<@b.example>",
            "<a@>",
            "<a@b@c.example>",
            "<\"a@b.example>",
            "<\"a\\\"@b.example>",
            "<a@b c.example>",
            "<a\u{85}@b.example>",
        ] {
            assert_eq!(split_path(text), None, "{text}");
        }
    }
}
