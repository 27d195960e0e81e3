//! A private key, and the public one that the world asks DNS for.

use std::fmt;

use data_encoding::BASE64;
use mail_auth::common::crypto::{Algorithm, Ed25519Key, RsaKey, Sha256, SigningKey};
use mail_auth::common::headers::Writable;
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject as _;

use super::ParseKeyError;

/// A private key to sign with: RSA (RFC 6376) or Ed25519 (RFC 8463). It is never shown.
///
/// ```
/// use mailtrail_smtp::message::dkim::DkimKey;
/// // RFC 8463 §A.2, as PKCS#8: `openssl genpkey -algorithm ed25519` writes such a key.
/// let key = DkimKey::from_pem(
///     "-----BEGIN PRIVATE KEY-----\n\
///      MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n\
///      -----END PRIVATE KEY-----\n",
/// )?;
/// assert_eq!(key.record(), "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=");
/// assert_eq!(format!("{key:?}"), "DkimKey(ed25519-sha256)");
/// # Ok::<(), mailtrail_smtp::message::dkim::ParseKeyError>(())
/// ```
pub struct DkimKey(Kind);

enum Kind {
    Rsa(RsaKey<Sha256>),
    Ed25519(Ed25519Key),
}

impl DkimKey {
    /// Reads the first private key in a PEM text: PKCS#8 (`PRIVATE KEY`) or PKCS#1 (`RSA PRIVATE KEY`).
    ///
    /// # Errors
    /// [`ParseKeyError`]
    ///
    /// # Limits
    /// RSA has 2,048 to 4,096 bits: fewer are weak (RFC 8301 §3.2), more don't fit where others look for them.
    pub fn from_pem(text: &str) -> Result<Self, ParseKeyError> {
        let der = PrivateKeyDer::from_pem_slice(text.as_bytes()).map_err(|_| {
            let is_encrypted = text.contains("ENCRYPTED");
            if is_encrypted { ParseKeyError::Encrypted } else { ParseKeyError::NoKey }
        })?;
        // An Ed25519 key as OpenSSL writes it lacks the public half, which is derived then.
        if let PrivateKeyDer::Pkcs8(pkcs8) = &der
            && let Ok(key) = Ed25519Key::from_pkcs8_maybe_unchecked_der(pkcs8.secret_pkcs8_der())
        {
            return Ok(Self(Kind::Ed25519(key)));
        }
        let key = RsaKey::from_key_der(der);
        key.map(|key| Self(Kind::Rsa(key)))
            .map_err(|error| ParseKeyError::Unusable { cause: error.into() })
    }

    /// The TXT record that tells the world the public key (RFC 6376 §3.6.1).
    pub fn record(&self) -> String {
        match &self.0 {
            Kind::Rsa(key) => {
                format!("v=DKIM1; k=rsa; p={}", BASE64.encode(&info(&key.public_key())))
            }
            Kind::Ed25519(key) => {
                format!("v=DKIM1; k=ed25519; p={}", BASE64.encode(&key.public_key()))
            }
        }
    }

    pub(super) fn algorithm(&self) -> Algorithm {
        match &self.0 {
            Kind::Rsa(key) => key.algorithm(),
            Kind::Ed25519(key) => key.algorithm(),
        }
    }

    pub(super) fn sign(&self, input: impl Writable) -> mail_auth::Result<Vec<u8>> {
        match &self.0 {
            Kind::Rsa(key) => key.sign(input),
            Kind::Ed25519(key) => key.sign(input),
        }
    }
}

impl fmt::Debug for DkimKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DkimKey({})", self.algorithm().name())
    }
}

/// An RSA public key (PKCS#1) as `SubjectPublicKeyInfo`, which is what DNS holds in practice.
fn info(key: &[u8]) -> Vec<u8> {
    let bits = der(BIT_STRING, &[&[0], key]);
    der(SEQUENCE, &[RSA_ENCRYPTION, &bits])
}

/// A DER value (X.690 §8.1): tag, length, content.
fn der(tag: u8, content: &[&[u8]]) -> Vec<u8> {
    let content = content.concat();
    let bytes = content.len().to_be_bytes();
    let length = bytes.iter().position(|byte| *byte != 0).and_then(|at| bytes.get(at..));
    let length = length.unwrap_or_default();
    let mut out = vec![tag];
    if content.len() > 127 {
        out.push(0x80 | u8::try_from(length.len()).unwrap_or_default());
    }
    out.extend_from_slice(length);
    out.extend(content);
    out
}

const SEQUENCE: u8 = 0x30;
const BIT_STRING: u8 = 0x03;
/// `AlgorithmIdentifier` of rsaEncryption (RFC 8017 §A.1), with the NULL that belongs to it.
const RSA_ENCRYPTION: &[u8] =
    &[0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00];
