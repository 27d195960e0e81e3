//! Which links lead over us, and by which URL.

use data_encoding::HEXUPPER;
use mailtrail_core::DeliveryId;
use mailtrail_core::token::Keys;

use crate::track::{TRAP_LINK, click_url, pixel_url, trap_url, unsubscribe_url};

/// The URLs of one delivery's message.
#[derive(Debug, Clone, Copy)]
pub(super) struct Links<'a> {
    /// Without a slash at its end.
    pub(super) base: &'a str,
    pub(super) keys: &'a Keys,
    pub(super) delivery: DeliveryId,
}

impl Links<'_> {
    /// The URL that stands for a link, if it is one to follow.
    pub(super) fn tracked(&self, link: &str) -> Option<String> {
        let link = absolute(link)?;
        let is_fit = link.len() <= LINK_BYTES && !is_template(&link) && !self.is_ours(&link);
        is_fit.then(|| click_url(self.base, self.keys, self.delivery, &link))
    }

    pub(super) fn pixel(&self) -> String {
        pixel_url(self.base, self.keys, self.delivery)
    }

    pub(super) fn trap(&self) -> String {
        trap_url(self.base, self.keys, self.delivery)
    }

    pub(super) fn unsubscribe(&self) -> String {
        unsubscribe_url(self.base, self.keys, self.delivery)
    }

    pub(super) fn is_ours(&self, url: &str) -> bool {
        self.below(url).is_some_and(|path| path.is_empty() || path.starts_with(['/', '?', '#']))
    }

    pub(super) fn is_pixel(&self, url: &str) -> bool {
        self.below(url).is_some_and(|path| path.starts_with("/o/"))
    }

    pub(super) fn is_trap(&self, url: &str) -> bool {
        let trap = url.split_once("?u=").map(|(_, link)| link.replace("%3A", ":"));
        self.is_ours(url) && trap.as_deref() == Some(TRAP_LINK)
    }

    /// What follows the base.
    fn below<'u>(&self, url: &'u str) -> Option<&'u str> {
        let (head, path) = url.split_at_checked(self.base.len())?;
        head.eq_ignore_ascii_case(self.base).then_some(path)
    }
}

/// An absolute URL for http or https in ASCII, as a browser asks for it; `None` for all else.
///
/// Whoever a link names beside its host (`user@`) is left out of redirects.
fn absolute(link: &str) -> Option<String> {
    let (scheme, rest) = link.split_once("://")?;
    if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
        return None;
    }
    let end = rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len());
    let (host, path) = rest.split_at_checked(end)?;
    let is_host = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | ':' | '_' | '[' | ']');
    if path.starts_with('\\') || !host.starts_with(|c: char| c.is_alphanumeric() || c == '[') {
        return None;
    }
    if !host.chars().all(is_host) {
        return None;
    }
    let host = if host.is_ascii() { host.to_owned() } else { idna::domain_to_ascii(host).ok()? };
    Some(format!("{scheme}://{host}{}", in_ascii(path)?))
}

/// A path and query with what a browser encodes (UTF-8) encoded; `None` with control characters in it.
fn in_ascii(path: &str) -> Option<String> {
    let mut text = String::with_capacity(path.len());
    for c in path.chars() {
        match c {
            c if c.is_control() => return None,
            '"' | '<' | '>' | ' ' | '\u{80}'.. => percent(c, &mut text),
            c => text.push(c),
        }
    }
    Some(text)
}

fn percent(c: char, text: &mut String) {
    for byte in c.encode_utf8(&mut [0; 4]).bytes() {
        text.push('%');
        text.push_str(&HEXUPPER.encode(&[byte]));
    }
}

/// Whether someone is yet to fill something in: what is signed could not be.
fn is_template(link: &str) -> bool {
    TEMPLATES.iter().any(|mark| link.contains(mark))
}

const TEMPLATES: &[&str] =
    &["{{", "}}", "{%", "${", "%%", "*|", "|*", "[[", "]]", "%3C%", "%%3E", "%7B%7B"];
/// Three times as long when encoded, and with the token, it still fits into what servers take.
const LINK_BYTES: usize = 2_000;

#[cfg(test)]
mod tests {
    use mailtrail_core::token::Key;

    use super::*;

    fn signed(link: &str) -> Option<String> {
        let keys = Keys::new(Key::new(1, [7; 32]));
        let delivery = DeliveryId::from_bytes([2; 16]);
        let links = Links { base: "https://mail.example/t", keys: &keys, delivery };
        let url = links.tracked(link)?;
        assert!(links.is_ours(&url) && links.tracked(&url).is_none());
        let query = url.split_once('?').unwrap().1;
        let (_, link) = form_urlencoded::parse(query.as_bytes()).next().unwrap();
        Some(link.into_owned())
    }

    #[test]
    fn links_to_follow_are_kept_as_they_are_asked_for() {
        for (link, asked) in [
            ("https://a.example/?b=1&c=2#d", "https://a.example/?b=1&c=2#d"),
            ("HTTP://A.example:80", "HTTP://A.example:80"),
            ("https://a.example/my file", "https://a.example/my%20file"),
            ("https://bücher.example/ü?ü", "https://xn--bcher-kva.example/%C3%BC?%C3%BC"),
            ("https://mail.example/other", "https://mail.example/other"),
            ("https://mail.example/tt", "https://mail.example/tt"),
        ] {
            assert_eq!(signed(link).as_deref(), Some(asked));
        }
    }

    #[test]
    fn all_other_links_stay() {
        for link in [
            "",
            "#top",
            "/menu",
            "//a.example/",
            "mailto:ann@a.example",
            "tel:+491",
            "cid:1",
            "javascript:void('https://a.example')",
            "data:text/html,x",
            "https://",
            "https:///a",
            "https://user:pass@a.example/",
            "https://a.example\\@evil.example",
            "https://a.example/{{id}}",
            "https://*|URL|*/",
            "https://a.example/\u{7}",
            "https://mail.example/t",
            "HTTPS://MAIL.example/T/c/x",
        ] {
            assert_eq!(signed(link), None, "{link}");
        }
        assert_eq!(signed(&format!("https://a.example/{}", "x".repeat(2_000))), None);
    }
}
