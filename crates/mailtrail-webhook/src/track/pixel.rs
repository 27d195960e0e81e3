//! The pixel: its URL, its bytes, and its place in a message.

use mailtrail_core::DeliveryId;
use mailtrail_core::token::{Keys, Purpose};

/// The URL of a delivery's pixel below a base such as `https://mail.example/mail`.
///
/// ```
/// use mailtrail_core::{DeliveryId, token::{Key, Keys}};
/// use mailtrail_webhook::track::pixel_url;
/// let keys = Keys::new(Key::new(1, [7; 32]));
/// let url = pixel_url("https://mail.example/", &keys, DeliveryId::from_bytes([2; 16]));
/// assert!(url.starts_with("https://mail.example/o/") && url.ends_with(".gif"));
/// ```
pub fn pixel_url(base: &str, keys: &Keys, delivery: DeliveryId) -> String {
    let token = keys.sign(Purpose::Open, delivery);
    format!("{}/o/{token}.gif", base.trim_end_matches('/'))
}

/// The token in the last segment of a pixel's path.
pub fn token_of(segment: &str) -> &str {
    segment.strip_suffix(".gif").unwrap_or(segment)
}

/// An HTML text with the pixel in it: before the last `</body>`, or at the end. Nothing else changes.
///
/// ```
/// use mailtrail_webhook::track::with_pixel;
/// assert_eq!(
///     with_pixel("<p>Closed today</p></BODY>", "https://mail.example/o/t.gif"),
///     r#"<p>Closed today</p><img src="https://mail.example/o/t.gif" width="1" height="1" alt=""></BODY>"#,
/// );
/// ```
pub fn with_pixel(html: &str, url: &str) -> String {
    let (before, after) = html.split_at_checked(end_of_body(html)).unwrap_or((html, ""));
    let url = url.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;");
    format!(r#"{before}<img src="{url}" width="1" height="1" alt="">{after}"#)
}

/// Where the last end tag of the body begins, or the text's end.
fn end_of_body(html: &str) -> usize {
    let is_tag = |window: &[u8]| match window.split_last() {
        Some((last, name)) => {
            name.eq_ignore_ascii_case(b"</body") && (*last == b'>' || last.is_ascii_whitespace())
        }
        None => false,
    };
    html.as_bytes().windows(BODY_END.len()).rposition(is_tag).unwrap_or(html.len())
}

const BODY_END: &str = "</body>";

/// A transparent picture of one pixel (`GIF89a`).
pub const GIF: &[u8] = &[
    b'G', b'I', b'F', b'8', b'9', b'a', 1, 0, 1, 0, 0x80, 0, 0, // one pixel, two colours
    0, 0, 0, 0xff, 0xff, 0xff, // black, white
    0x21, 0xf9, 4, 1, 0, 0, 0, 0, // colour 0 is transparent
    0x2c, 0, 0, 0, 0, 1, 0, 1, 0, 0, 2, 1, 0x44, 0, 0x3b,
];

/// `Cache-Control` of the pixel: every open is to be a request.
pub const NO_STORE: &str = "no-store, no-cache, must-revalidate, private, max-age=0";

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const IMG: &str = r#"<img src="https://m.example/o/t.gif" width="1" height="1" alt="">"#;

    proptest! {
        #[test]
        fn nothing_else_changes(parts in prop::collection::vec("</?[bB][oO]dy ?>?|\\PC{0,6}|\n", 0..8)) {
            let html = parts.concat();
            let with = with_pixel(&html, "https://m.example/o/t.gif");
            prop_assert_eq!(with.matches(IMG).count(), 1);
            prop_assert_eq!(with.replace(IMG, ""), html.clone());
            let after = with.split(IMG).nth(1).unwrap();
            let ends = html.to_ascii_lowercase();
            let ends = ends.contains("</body>") || ends.contains("</body ") || ends.contains("</body\n");
            prop_assert_eq!(after.to_ascii_lowercase().starts_with("</body"), ends);
            prop_assert!(ends || after.is_empty());
        }
    }

    #[test]
    fn a_url_stays_inside_of_its_attribute() {
        let html = with_pixel("", r#"https://m.example/?a=1&b="><script>"#);
        assert!(html.contains(r"a=1&amp;b=&quot;>&lt;script>"), "{html}");
    }
}
