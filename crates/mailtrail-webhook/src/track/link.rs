//! The URLs of tracked links and of unsubscribing.

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

/// The URL of the link that no person sees: a [`click_url`] of [`TRAP_LINK`]. Who follows it is a machine.
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

/// Where the trap link leads: nowhere.
pub const TRAP_LINK: &str = "mailtrail:trap";

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
