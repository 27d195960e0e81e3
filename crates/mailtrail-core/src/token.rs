//! Signed tokens that name a delivery wherever a message carries them.
//!
//! A token is 30 bytes: version (1), key id (1), delivery id (16), MAC (12, the head of
//! HMAC-SHA-256 over the purpose and the bytes before it), written as 48 characters of lower-case
//! base32 (RFC 4648, no padding). Its key is `HKDF-SHA-256(secret, info = "mailtrail/" + purpose)`.
//! It is read case-insensitively, so that it survives what mail servers do to local parts. The MAC of
//! a tracked link goes on over the link: a click can lead nowhere else.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use data_encoding::{BASE32_NOPAD, BASE32_NOPAD_NOCASE};
use hkdf::Hkdf;
use hmac::{Hmac, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use crate::id::DeliveryId;

/// What a token may be used for. Each has a key of its own: a token of one purpose is none of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Purpose {
    /// The local part of the envelope sender.
    ReturnPath,
    /// The local part of a Reply-To: whoever sees the message sees it, so it names a delivery and proves
    /// nothing.
    Reply,
    /// The metadata that a provider gives back.
    Metadata,
    /// The Message-ID.
    MessageId,
    /// The tracking pixel.
    Open,
    /// A tracked link.
    Click,
    /// An unsubscribe link.
    Unsubscribe,
}

impl Purpose {
    const ALL: [Self; 7] = [
        Self::ReturnPath,
        Self::Reply,
        Self::Metadata,
        Self::MessageId,
        Self::Open,
        Self::Click,
        Self::Unsubscribe,
    ];

    fn info(self) -> &'static [u8] {
        match self {
            Self::ReturnPath => b"mailtrail/return_path",
            Self::Reply => b"mailtrail/reply",
            Self::Metadata => b"mailtrail/metadata",
            Self::MessageId => b"mailtrail/message_id",
            Self::Open => b"mailtrail/open",
            Self::Click => b"mailtrail/click",
            Self::Unsubscribe => b"mailtrail/unsubscribe",
        }
    }

    /// Links in mails that were sent long ago still work after their key was retired.
    fn outlives_retirement(self) -> bool {
        matches!(self, Self::Open | Self::Click | Self::Unsubscribe)
    }
}

/// Where a token was found, which says how much it proves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SeenIn {
    /// In the envelope recipient of the mail that came back.
    ReturnPath,
    /// In the metadata of a provider's request.
    Metadata,
    /// In the URL of a request to us.
    Url,
    /// In quoted text or a Message-ID, which a third party may have seen: correlates, proves nothing.
    Quoted,
}

/// One secret, from which the key of each purpose is derived.
#[derive(Clone)]
pub struct Key {
    id: u8,
    retired: bool,
    /// Begun once for each purpose: deriving costs more than a token does.
    macs: Box<[(Purpose, Hmac<Sha256>)]>,
}

impl Key {
    /// A key. The caller draws the secret and keeps its id unique.
    pub fn new(id: u8, secret: [u8; 32]) -> Self {
        let begun =
            Purpose::ALL.iter().filter_map(|purpose| Some((*purpose, begin(&secret, *purpose)?)));
        Self { id, retired: false, macs: begun.collect() }
    }

    /// The same key, which signs no more and verifies only links (`open`, `click`, `unsubscribe`).
    pub fn retired(mut self) -> Self {
        self.retired = true;
        self
    }

    /// Its id, which every token of it carries.
    pub fn id(&self) -> u8 {
        self.id
    }

    fn mac(&self, purpose: Purpose, body: &[u8], about: &str) -> Option<Hmac<Sha256>> {
        let (_, begun) = self.macs.iter().find(|(own, _)| *own == purpose)?;
        let mut mac = begun.clone();
        mac.update(body);
        mac.update(about.as_bytes());
        Some(mac)
    }
}

/// The MAC of a purpose, up to the token's bytes.
fn begin(secret: &[u8; 32], purpose: Purpose) -> Option<Hmac<Sha256>> {
    let mut derived = [0; 32];
    Hkdf::<Sha256>::new(None, secret).expand(purpose.info(), &mut derived).ok()?;
    let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(&derived).ok()?;
    mac.update(purpose.info());
    Some(mac)
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key")
            .field("id", &self.id)
            .field("retired", &self.retired)
            .finish_non_exhaustive()
    }
}

/// The keys of one installation: one that signs, and any number that still verify.
///
/// ```
/// use mailtrail_core::id::DeliveryId;
/// use mailtrail_core::token::{Key, Keys, Purpose};
/// let keys = Keys::new(Key::new(1, [9; 32]));
/// let delivery = DeliveryId::from_bytes([5; 16]);
/// let token = keys.sign(Purpose::ReturnPath, delivery);
/// assert_eq!(token.len(), 48);
/// assert_eq!(keys.verify(Purpose::ReturnPath, &token.to_uppercase())?.delivery, delivery);
/// assert!(keys.verify(Purpose::Unsubscribe, &token).is_err());
/// # Ok::<(), mailtrail_core::token::TokenError>(())
/// ```
///
/// # How are they changed while they are used?
/// Clones are the same keys: by [`replace_by`](Self::replace_by) all of them change at once.
#[derive(Debug, Clone)]
pub struct Keys(Arc<RwLock<Arc<Ring>>>);

/// The keys as they are now.
#[derive(Debug, Clone)]
struct Ring {
    signing: Key,
    others: Vec<Key>,
}

impl Keys {
    /// Keys with one that signs.
    pub fn new(signing: Key) -> Self {
        Self::of(Ring { signing, others: Vec::new() })
    }

    fn of(ring: Ring) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(ring))))
    }

    /// With a further key that verifies. Clones that were made before go without it.
    pub fn and(self, key: Key) -> Self {
        let mut ring = Ring::clone(&self.ring());
        ring.others.push(key);
        Self::of(ring)
    }

    /// From now on these keys, and all clones of them, are those.
    ///
    /// ```
    /// use mailtrail_core::id::DeliveryId;
    /// use mailtrail_core::token::{Key, Keys, Purpose};
    /// let keys = Keys::new(Key::new(1, [9; 32]));
    /// let used_elsewhere = keys.clone();
    /// keys.replace_by(&Keys::new(Key::new(2, [7; 32])));
    /// let token = used_elsewhere.sign(Purpose::Open, DeliveryId::from_bytes([5; 16]));
    /// assert_eq!(keys.verify(Purpose::Open, &token)?.key_id, 2);
    /// # Ok::<(), mailtrail_core::token::TokenError>(())
    /// ```
    pub fn replace_by(&self, others: &Self) {
        let ring = others.ring();
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = ring;
    }

    fn ring(&self) -> Arc<Ring> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// A token for a delivery: 48 characters `a-z2-7`.
    pub fn sign(&self, purpose: Purpose, delivery: DeliveryId) -> String {
        self.sign_about(purpose, delivery, "")
    }

    /// A token of [`Purpose::Click`] for a link in the message to a delivery. It verifies with this link
    /// only.
    ///
    /// ```
    /// use mailtrail_core::{DeliveryId, token::{Key, Keys, TokenError}};
    /// let keys = Keys::new(Key::new(1, [9; 32]));
    /// let delivery = DeliveryId::from_bytes([5; 16]);
    /// let token = keys.sign_link(delivery, "https://school.example/menu");
    /// assert_eq!(keys.verify_link(&token, "https://school.example/menu")?.delivery, delivery);
    /// assert_eq!(keys.verify_link(&token, "https://evil.example/"), Err(TokenError::Forged));
    /// # Ok::<(), TokenError>(())
    /// ```
    pub fn sign_link(&self, delivery: DeliveryId, link: &str) -> String {
        self.sign_about(Purpose::Click, delivery, link)
    }

    fn sign_about(&self, purpose: Purpose, delivery: DeliveryId, about: &str) -> String {
        let ring = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let mut bytes = vec![VERSION, ring.signing.id];
        bytes.extend_from_slice(delivery.as_bytes());
        if let Some(mac) = ring.signing.mac(purpose, &bytes, about) {
            bytes.extend(mac.finalize().into_bytes().iter().take(MAC_LENGTH));
        }
        BASE32_NOPAD.encode(&bytes).to_ascii_lowercase()
    }

    /// Reads a token, in constant time over its MAC.
    ///
    /// # Errors
    /// [`TokenError`] says whether it is none, by a key that is unknown or retired, or forged.
    pub fn verify(&self, purpose: Purpose, text: &str) -> Result<Verified, TokenError> {
        self.verify_about(purpose, text, "")
    }

    /// Reads the token of a link, in constant time over its MAC.
    ///
    /// # Errors
    /// [`TokenError`], [`Forged`](TokenError::Forged) if it was made for another link.
    pub fn verify_link(&self, text: &str, link: &str) -> Result<Verified, TokenError> {
        self.verify_about(Purpose::Click, text, link)
    }

    fn verify_about(
        &self,
        purpose: Purpose,
        text: &str,
        about: &str,
    ) -> Result<Verified, TokenError> {
        if text.len() != TEXT_LENGTH {
            return Err(TokenError::Malformed);
        }
        let mut bytes = [0; BODY_LENGTH + MAC_LENGTH];
        BASE32_NOPAD_NOCASE
            .decode_mut(text.as_bytes(), &mut bytes)
            .map_err(|_| TokenError::Malformed)?;
        let (body, mac) = bytes.split_at_checked(BODY_LENGTH).ok_or(TokenError::Malformed)?;
        let [VERSION, key_id, id @ ..] = body else { return Err(TokenError::Malformed) };
        let delivery = <[u8; 16]>::try_from(id).map_err(|_| TokenError::Malformed)?;
        let ring = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let key = std::iter::once(&ring.signing)
            .chain(&ring.others)
            .find(|key| key.id == *key_id)
            .ok_or(TokenError::UnknownKey { key_id: *key_id })?;
        if key.retired && !purpose.outlives_retirement() {
            return Err(TokenError::RetiredKey { key_id: *key_id });
        }
        let expected = key.mac(purpose, body, about).ok_or(TokenError::Malformed)?;
        expected.verify_truncated_left(mac).map_err(|_| TokenError::Forged)?;
        Ok(Verified {
            delivery: DeliveryId::from_bytes(delivery),
            key_id: *key_id,
            retired_key: key.retired,
        })
    }

    /// The first valid token of this purpose that stands in a text, among anything else.
    pub fn find(&self, purpose: Purpose, text: &str) -> Option<Verified> {
        text.split(|c: char| !c.is_ascii_alphanumeric())
            .filter(|word| word.len() == TEXT_LENGTH)
            .find_map(|word| self.verify(purpose, word).ok())
    }
}

/// What a valid token says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Verified {
    /// The delivery that it was made for.
    pub delivery: DeliveryId,
    /// The key that made it.
    pub key_id: u8,
    /// Whether that key is retired.
    pub retired_key: bool,
}

/// Why a text is no valid token. It is never evidence then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// It doesn't have the form of one.
    #[error("not a token")]
    Malformed,
    /// No key has this id: was a key removed rather than retired?
    #[error("the token was signed by key {key_id}, which is not configured")]
    UnknownKey {
        /// The id in the token.
        key_id: u8,
    },
    /// The key is retired and the token no link.
    #[error("the token was signed by key {key_id}, which is retired")]
    RetiredKey {
        /// The id in the token.
        key_id: u8,
    },
    /// The MAC is not ours, or the token was made for another purpose.
    #[error("the token is forged, or made for another purpose")]
    Forged,
}

const VERSION: u8 = 1;
const BODY_LENGTH: usize = 18;
/// 96 bits: more than the 80 that make forging hopeless, and what fits into a local part.
const MAC_LENGTH: usize = 12;
/// 30 bytes in base32.
const TEXT_LENGTH: usize = 48;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_changed_token_verifies(secret: [u8; 32], id: [u8; 16], at in 0usize..48, to in "[a-z2-7]") {
            let keys = Keys::new(Key::new(3, secret));
            let token = keys.sign(Purpose::Open, DeliveryId::from_bytes(id));
            let mut changed = token.clone();
            changed.replace_range(at..=at, &to);
            prop_assert_eq!(keys.verify(Purpose::Open, &changed).is_ok(), changed == token);
        }

        #[test]
        fn reading_is_total(text in "\\PC{0,60}") {
            let keys = Keys::new(Key::new(3, [1; 32]));
            prop_assert!(keys.verify(Purpose::Open, &text).is_err());
        }
    }

    #[test]
    fn a_retired_key_verifies_links_only() {
        let old = Key::new(1, [1; 32]);
        let delivery = DeliveryId::from_bytes([2; 16]);
        let before = Keys::new(old.clone());
        let after = Keys::new(Key::new(2, [2; 32])).and(old.retired());
        let link = before.sign(Purpose::Click, delivery);
        let path = before.sign(Purpose::ReturnPath, delivery);
        assert!(after.verify(Purpose::Click, &link).unwrap().retired_key);
        assert_eq!(
            after.verify(Purpose::ReturnPath, &path),
            Err(TokenError::RetiredKey { key_id: 1 })
        );
    }
}
