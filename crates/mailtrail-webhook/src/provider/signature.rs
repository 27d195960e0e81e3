//! ECDSA signatures over P-256, as SendGrid makes them.

use std::fmt;
use std::str::FromStr;

use mailtrail_core::event::RawHash;
use ring::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};

use crate::text::base64;

/// A public key on the curve P-256: the Base64 of its SPKI, as SendGrid's settings show it.
///
/// ```
/// use mailtrail_webhook::provider::PublicKey;
/// assert!("bm90IGEga2V5".parse::<PublicKey>().is_err());
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey {
    /// Uncompressed (SEC 1 §2.3.3).
    point: Box<[u8]>,
    id: Box<str>,
}

impl PublicKey {
    /// The first eight digits of the SHA-256 of its SPKI: what an event says it was verified by.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Whether it made this signature (DER) over these bytes.
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, &self.point);
        key.verify(message, signature).is_ok()
    }
}

impl FromStr for PublicKey {
    type Err = PublicKeyError;
    fn from_str(text: &str) -> Result<Self, PublicKeyError> {
        let der = base64(text).ok_or(PublicKeyError::Base64)?;
        let point = der.strip_prefix(SPKI_P256.as_slice()).ok_or(PublicKeyError::NotP256)?;
        if point.len() != POINT_LENGTH || point.first() != Some(&UNCOMPRESSED) {
            return Err(PublicKeyError::NotP256);
        }
        let id = RawHash::of(&der).to_string().chars().take(8).collect::<String>();
        Ok(Self { point: point.into(), id: id.into() })
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.id)
    }
}

/// Why a text is no public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PublicKeyError {
    /// Not Base64.
    #[error("the public key is not Base64: copy it whole from the provider's settings")]
    Base64,
    /// Not of this curve.
    #[error("the public key is not a key on P-256 (DER, SPKI)")]
    NotP256,
}

/// The head of every SPKI (RFC 5480 §2) of an uncompressed point on P-256.
const SPKI_P256: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];
const POINT_LENGTH: usize = 65;
const UNCOMPRESSED: u8 = 4;
