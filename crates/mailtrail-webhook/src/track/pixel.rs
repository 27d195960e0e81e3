//! The pixel: its URL and its bytes.

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

/// A transparent picture of one pixel (`GIF89a`).
pub const GIF: &[u8] = &[
    b'G', b'I', b'F', b'8', b'9', b'a', 1, 0, 1, 0, 0x80, 0, 0, // one pixel, two colours
    0, 0, 0, 0xff, 0xff, 0xff, // black, white
    0x21, 0xf9, 4, 1, 0, 0, 0, 0, // colour 0 is transparent
    0x2c, 0, 0, 0, 0, 1, 0, 1, 0, 0, 2, 1, 0x44, 0, 0x3b,
];

/// `Cache-Control` of the pixel: every open is to be a request.
pub const NO_STORE: &str = "no-store, no-cache, must-revalidate, private, max-age=0";
