//! Hosts that a notice names: who refused, and who reports.

/// The host that refused, as in `host mx.a.example [192.0.2.1] said:`.
pub(crate) fn remote(text: &str) -> Option<String> {
    behind(
        text,
        &[
            "host",
            "server",
            "talking to",
            "connect to",
            "connected to",
            "up on",
            "rejected by",
            "tried",
        ],
    )
}

/// The host that reports, as in `This is the mail system at host mx.b.example.`
pub(crate) fn reporting(text: &str) -> Option<String> {
    behind(
        text,
        &["system at host", "program at", "program at host", "generating server", "agent at"],
    )
}

/// The first name of a host, or address of one, that stands right behind one of these words.
fn behind(text: &str, words: &[&str]) -> Option<String> {
    let lower = text.to_ascii_lowercase();
    let places = words
        .iter()
        .flat_map(|word| lower.match_indices(word).map(|(at, _)| at.saturating_add(word.len())));
    let mut places: Vec<usize> = places.collect();
    places.sort_unstable();
    places.into_iter().find_map(|at| {
        let rest = text.get(at..)?;
        // A word goes on, or its host is behind a colon.
        let rest = rest.strip_prefix(':').unwrap_or(rest);
        let rest = rest.strip_prefix([' ', '\t', '\n'])?.trim_start();
        let name = rest.trim_start_matches(['<', '[', '(', '"', '\'']);
        let end = name.find(|c: char| !(c.is_ascii_alphanumeric() || ".-:".contains(c)));
        let name = name.get(..end.unwrap_or(name.len()))?.trim_end_matches(['.', ':', '-']);
        is_host(name).then(|| name.to_ascii_lowercase())
    })
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
        assert_eq!(found("No route to host. Our server 2.0 at host, hosts.allow"), "");
        assert_eq!(
            reporting("This is the mail system at host mail.b.example.").unwrap(),
            "mail.b.example"
        );
        assert_eq!(reporting("Generating server: X.b.example").unwrap(), "x.b.example");
    }
}
