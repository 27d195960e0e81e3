//! Keys that providers sign with.

use std::fmt;

use data_encoding::BASE64;
use mailtrail_core::event::RawHash;
use ring::{hmac, signature};
use serde::Deserialize;

use crate::Secret;
use crate::text::base64;

/// What signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::provider) enum Algorithm {
    HmacSha1,
    HmacSha256,
    Ed25519,
    EcdsaP256Sha256,
    RsaSha1,
    RsaSha256,
    /// None of these: the provider's own, with the secret as it is.
    #[serde(skip)]
    Own,
}

/// How a secret is written. Public keys are DER (SPKI) in Base64 or PEM; those of Ed25519 also bare.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::provider) enum KeyForm {
    /// As it is.
    #[default]
    Text,
    /// Base64 behind `whsec_` (Standard Webhooks).
    Whsec,
    /// Base64.
    Base64,
}

/// A key that a provider's signatures are verified with.
#[derive(Clone)]
pub struct SigningKey {
    id: Box<str>,
    material: Material,
}

#[derive(Clone)]
enum Material {
    Hmac(hmac::Key),
    Public(&'static dyn signature::VerificationAlgorithm, Box<[u8]>),
    Own(Secret),
}

impl SigningKey {
    pub(in crate::provider) fn parse(
        text: &str,
        algorithm: Algorithm,
        form: KeyForm,
    ) -> Result<Self, KeyError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(KeyError::Empty);
        }
        let public = |algorithm, head: &[u8], bare: usize| {
            let der = der(text).ok_or(KeyError::Base64)?;
            let key = match der.strip_prefix(head) {
                Some(key) if bare == 0 || key.len() == bare => key,
                _ if bare > 0 && der.len() == bare => &der,
                _ => return Err(KeyError::OtherKind),
            };
            Ok(Self { id: hash(&der), material: Material::Public(algorithm, key.into()) })
        };
        match algorithm {
            Algorithm::HmacSha1 | Algorithm::HmacSha256 => {
                let secret = match form {
                    KeyForm::Text => Some(text.as_bytes().to_vec()),
                    KeyForm::Whsec => base64(text.strip_prefix("whsec_").unwrap_or(text)),
                    KeyForm::Base64 => base64(text),
                };
                let secret = secret.filter(|secret| !secret.is_empty()).ok_or(KeyError::Base64)?;
                let algorithm = match algorithm {
                    Algorithm::HmacSha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
                    _ => hmac::HMAC_SHA256,
                };
                Ok(Self {
                    id: hash(&secret),
                    material: Material::Hmac(hmac::Key::new(algorithm, &secret)),
                })
            }
            Algorithm::Ed25519 => public(&signature::ED25519, &SPKI_ED25519, 32),
            Algorithm::EcdsaP256Sha256 => {
                public(&signature::ECDSA_P256_SHA256_ASN1, &SPKI_P256, 65)
            }
            Algorithm::RsaSha1 | Algorithm::RsaSha256 => {
                let der = der(text).ok_or(KeyError::Base64)?;
                let key = rsa_key(&der).ok_or(KeyError::OtherKind)?;
                let algorithm = rsa(algorithm).ok_or(KeyError::OtherKind)?;
                Ok(Self { id: hash(&der), material: Material::Public(algorithm, key.into()) })
            }
            Algorithm::Own => {
                Ok(Self { id: hash(text.as_bytes()), material: Material::Own(Secret::new(text)) })
            }
        }
    }

    /// The same RSA key under another algorithm of RSA: for providers that sign twice.
    pub(in crate::provider) fn by(&self, algorithm: Algorithm) -> Self {
        match (&self.material, rsa(algorithm)) {
            (Material::Public(_, key), Some(algorithm)) => {
                Self { id: self.id.clone(), material: Material::Public(algorithm, key.clone()) }
            }
            _ => self.clone(),
        }
    }

    /// The RSA key in this SPKI.
    pub(super) fn of_spki(spki: &[u8]) -> Option<Self> {
        let algorithm = rsa(Algorithm::RsaSha256)?;
        Some(Self { id: hash(spki), material: Material::Public(algorithm, rsa_key(spki)?.into()) })
    }

    /// The first eight digits of the SHA-256 of the key: what an event says it was verified by.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Whether this key made the signature. In constant time where the key is secret.
    pub(in crate::provider) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        match &self.material {
            Material::Hmac(key) => hmac::verify(key, message, signature).is_ok(),
            Material::Public(algorithm, key) => signature::UnparsedPublicKey::new(*algorithm, key)
                .verify(message, signature)
                .is_ok(),
            Material::Own(_) => false,
        }
    }

    /// The secret of a provider that uses it in its own way.
    pub(in crate::provider) fn secret(&self) -> Option<&Secret> {
        match &self.material {
            Material::Own(secret) => Some(secret),
            _ => None,
        }
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.id)
    }
}

fn rsa(algorithm: Algorithm) -> Option<&'static dyn signature::VerificationAlgorithm> {
    match algorithm {
        Algorithm::RsaSha1 => Some(&signature::RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY),
        Algorithm::RsaSha256 => Some(&signature::RSA_PKCS1_2048_8192_SHA256),
        _ => None,
    }
}

/// The id of a key: the head of its hash.
fn hash(key: &[u8]) -> Box<str> {
    RawHash::of(key).to_string().chars().take(8).collect()
}

/// The DER of a key in PEM or in bare Base64.
pub(super) fn der(text: &str) -> Option<Vec<u8>> {
    if !text.starts_with("-----") {
        return base64(text);
    }
    let lines = text.lines().filter(|line| !line.starts_with("-----"));
    BASE64
        .decode(
            lines.flat_map(str::bytes).filter(u8::is_ascii_graphic).collect::<Vec<_>>().as_slice(),
        )
        .ok()
}

/// The `RSAPublicKey` (RFC 8017 §A.1.1) in an SPKI, or as it is. Nothing may be missing, or follow.
fn rsa_key(der: &[u8]) -> Option<Vec<u8>> {
    use x509_parser::prelude::FromDer as _;
    use x509_parser::public_key::{PublicKey, RSAPublicKey};
    let key = match x509_parser::x509::SubjectPublicKeyInfo::from_der(der) {
        Ok((rest, spki)) => {
            let is_rsa = rest.is_empty() && matches!(spki.parsed(), Ok(PublicKey::RSA(_)));
            is_rsa.then(|| spki.subject_public_key.data.to_vec())?
        }
        Err(_) => der.to_vec(),
    };
    let whole = RSAPublicKey::from_der(&key).is_ok_and(|(rest, _)| rest.is_empty());
    whole.then_some(key)
}

/// Why a text is no key of the provider's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// There is none.
    #[error("the key is empty: copy it from the provider's settings")]
    Empty,
    /// Not Base64.
    #[error("the key is not Base64: copy it whole from the provider's settings")]
    Base64,
    /// A key of another kind.
    #[error("the key is of another kind than the provider's are")]
    OtherKind,
    /// No certificate.
    #[error("this is no certificate in PEM, or it can't be read")]
    Certificate,
    /// The provider signs nothing.
    #[error("the provider signs nothing: give it a user and a password")]
    Unsigned,
}

/// The head of every SPKI (RFC 5480 §2) of an uncompressed point on P-256.
pub(in crate::provider) const SPKI_P256: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];
/// The head of every SPKI (RFC 8410 §4) of a key of Ed25519.
const SPKI_ED25519: [u8; 12] =
    [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
