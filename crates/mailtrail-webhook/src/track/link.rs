//! The URLs of tracked links and of unsubscribing.

use data_encoding::HEXUPPER;
use mailtrail_core::DeliveryId;
use mailtrail_core::token::{Keys, Purpose};

/// The URL by which a link of a delivery's message leads over us. Only this link verifies with it.
///
/// ```
/// use mailtrail_core::{DeliveryId, token::{Key, Keys}};
/// use mailtrail_webhook::track::click_url;
/// let keys = Keys::new(Key::new(1, [7; 32]));
/// let delivery = DeliveryId::from_bytes([2; 16]);
/// let url = click_url("https://mail.example/", &keys, delivery, "https://school.example/?a=1");
/// assert!(url.starts_with("https://mail.example/c/"));
/// assert!(url.ends_with("?u=https%3A%2F%2Fschool.example%2F%3Fa%3D1"));
/// ```
pub fn click_url(base: &str, keys: &Keys, delivery: DeliveryId, link: &str) -> String {
    let token = keys.sign_link(delivery, link);
    let link = form_urlencoded::byte_serialize(link.as_bytes()).collect::<String>();
    format!("{}/c/{token}?u={link}", base.trim_end_matches('/'))
}

/// What the hidden link of a message leads to, which no person sees and scanners follow. It is no URL: only its token
/// makes it one.
pub const TRAP_LINK: &str = "mailtrail:trap";

/// The URL of a delivery's hidden link.
///
/// ```
/// use mailtrail_core::{DeliveryId, token::{Key, Keys}};
/// use mailtrail_webhook::track::trap_url;
/// let keys = Keys::new(Key::new(1, [7; 32]));
/// let url = trap_url("https://mail.example", &keys, DeliveryId::from_bytes([2; 16]));
/// assert!(url.ends_with("?u=mailtrail%3Atrap"));
/// ```
pub fn trap_url(base: &str, keys: &Keys, delivery: DeliveryId) -> String {
    click_url(base, keys, delivery, TRAP_LINK)
}

/// The URL at which whom a delivery went to can unsubscribe: a page for GET, at once for POST (RFC 8058).
///
/// ```
/// use mailtrail_core::{DeliveryId, token::{Key, Keys}};
/// use mailtrail_webhook::track::unsubscribe_url;
/// let keys = Keys::new(Key::new(1, [7; 32]));
/// let url = unsubscribe_url("https://mail.example", &keys, DeliveryId::from_bytes([2; 16]));
/// assert!(url.starts_with("https://mail.example/u/"));
/// ```
pub fn unsubscribe_url(base: &str, keys: &Keys, delivery: DeliveryId) -> String {
    let token = keys.sign(Purpose::Unsubscribe, delivery);
    format!("{}/u/{token}", base.trim_end_matches('/'))
}

/// A link as it goes into `Location` (RFC 9110 §10.2.2): only of http and https, in ASCII. `None` leads nowhere.
pub(super) fn location(link: &str) -> Option<String> {
    let (scheme, rest) = link.split_once("://")?;
    let web = scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https");
    let host = rest.starts_with(|first: char| first.is_alphanumeric() || first == '[');
    if !web || !host || link.len() > LONGEST || link.chars().any(char::is_control) {
        return None;
    }
    let mut location = String::with_capacity(link.len());
    for character in link.chars() {
        if character.is_ascii_graphic() {
            location.push(character);
        } else {
            let mut bytes = [0; 4];
            for byte in character.encode_utf8(&mut bytes).bytes() {
                location.push('%');
                location.push_str(&HEXUPPER.encode(&[byte]));
            }
        }
    }
    Some(location)
}

/// Browsers and proxies take no longer ones reliably (RFC 9110 §4.1 asks for 8,000 octets).
const LONGEST: usize = 8_192;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_web_is_led_to() {
        let long = format!("https://a.example/{}", "a".repeat(LONGEST));
        for link in [
            "javascript:alert(1)",
            "//evil.example",
            "mailto:ann@a.example",
            "https:",
            "https://",
            "https:///path",
            "ftp://a.example",
            "https://a.example/\r\nSet-Cookie: a",
            "",
            &long,
            TRAP_LINK,
        ] {
            assert_eq!(location(link), None, "{link:?}");
        }
        for (link, to) in [
            ("HTTPS://a.example/?a=1&b=%20#c", "HTTPS://a.example/?a=1&b=%20#c"),
            ("http://[2001:db8::1]/", "http://[2001:db8::1]/"),
            ("https://a.example/grüße 1", "https://a.example/gr%C3%BC%C3%9Fe%201"),
        ] {
            assert_eq!(location(link).as_deref(), Some(to));
        }
    }
}
