//! Hosts that a notice names: who refused, and who reports.

/// The host that refused, as in `host mx.a.example [192.0.2.1] said:`.
pub(crate) fn remote(text: &str) -> Option<String> {
    let last = ["host", "server", "to", "on", "by", "tried"];
    behind(text, |before, word| match word.to_ascii_lowercase().as_str() {
        "to" => ends_with(before, &["talking", "connect", "connected"]),
        "on" => ends_with(before, &["up"]),
        "by" => ends_with(before, &["rejected", "domain"]),
        word => last.contains(&word),
    })
}

/// The host that reports, as in `This is the mail system at host mx.b.example.`
pub(crate) fn reporting(text: &str) -> Option<String> {
    behind(text, |before, word| match word.to_ascii_lowercase().as_str() {
        "host" => ends_with(before, &["system at", "program at"]),
        "at" => ends_with(before, &["program", "agent", "system"]),
        "server" => ends_with(before, &["generating"]),
        _ => false,
    })
}

fn ends_with(text: &str, ends: &[&str]) -> bool {
    let text = text.trim_end();
    ends.iter().any(|end| {
        let start = text.len().saturating_sub(end.len());
        text.get(start..).is_some_and(|own| own.eq_ignore_ascii_case(end))
    })
}

/// The first name or address of a host that stands right behind a word that announces it.
fn behind(text: &str, announces: impl Fn(&str, &str) -> bool) -> Option<String> {
    let mut done = 0_usize;
    // Only a word with one of these can be a host, and most words have none.
    for mark in memchr::memchr2_iter(b'.', b':', text.as_bytes()) {
        let (head, tail) = text.split_at_checked(mark)?;
        if mark < done || !goes_on(tail) {
            continue;
        }
        let (before, front) = at_last_word(head);
        let rest = tail.split(char::is_whitespace).next().unwrap_or_default();
        done = mark.saturating_add(rest.len());
        let word = text.get(mark.saturating_sub(front.len())..done)?;
        let (head, last) = at_last_word(before.trim_end());
        if !last.is_empty()
            && let Some(host) = host_of(word)
            && announces(head, last.trim_end_matches(':'))
        {
            return Some(host);
        }
    }
    None
}

/// Whether a name may go on behind a mark; most marks end a sentence.
fn goes_on(tail: &str) -> bool {
    let next = tail.as_bytes().get(1);
    next.is_some_and(|next| next.is_ascii_alphanumeric() || matches!(next, b'-' | b':'))
}

/// A text before and after its last blank.
fn at_last_word(text: &str) -> (&str, &str) {
    let word = text.rsplit(char::is_whitespace).next().unwrap_or_default();
    text.split_at_checked(text.len().saturating_sub(word.len())).unwrap_or((text, ""))
}

/// The host at the front of a word.
fn host_of(word: &str) -> Option<String> {
    let name = word.trim_start_matches(['<', '[', '(', '"', '\'']);
    let end = name.find(|c: char| !(c.is_ascii_alphanumeric() || ".-:".contains(c)));
    let name = name.get(..end.unwrap_or(name.len()))?.trim_end_matches(['.', ':', '-']);
    is_host(name).then(|| name.to_ascii_lowercase())
}

fn is_host(name: &str) -> bool {
    let of_labels = name.split('.').all(|label| !label.is_empty()) && name.contains('.');
    let of_address = name.parse::<std::net::IpAddr>().is_ok();
    // `server 2.0` is a version.
    let named = name.bytes().any(|byte| byte.is_ascii_alphabetic()) && !name.contains(':');
    of_address || (of_labels && named)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_found_behind_what_announces_them() {
        let found = |text| remote(text).unwrap_or_default();
        assert_eq!(found("host MX.A.example [192.0.2.1]: 550 5.1.1 no"), "mx.a.example");
        assert_eq!(found("While talking to mx.a.example.:"), "mx.a.example");
        assert_eq!(
            found("connect to\n    mx.a.example[192.0.2.1]:25: No route to host"),
            "mx.a.example"
        );
        assert_eq!(found("Giving up on 192.0.2.1."), "192.0.2.1");
        assert_eq!(found("the server [2001:db8::1] refused"), "2001:db8::1");
        assert_eq!(
            found("rejected by the server for the domain a.example by mx.a.example. [192.0.2.1]."),
            ""
        );
        assert_eq!(found("for the recipient domain by mx.a.example. [192.0.2.1]."), "mx.a.example");
        assert_eq!(found("No route to host. Our server 2.0 at host, hosts.allow"), "");
        assert_eq!(
            reporting("This is the mail system at host mail.b.example.").unwrap(),
            "mail.b.example"
        );
        assert_eq!(reporting("Generating server: X.b.example").unwrap(), "x.b.example");
    }
}
