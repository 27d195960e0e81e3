//! Keys of the mocks.

use std::fmt;

use data_encoding::BASE64;
use ring::hmac;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256,
    RsaKeyPair,
};

use super::{OTHER_KEY, OWN_KEY};
use crate::provider::signature::{Algorithm, KeyForm, SPKI_P256};

/// A key that signs.
pub(super) enum Signer {
    Hmac(&'static [u8], hmac::Algorithm),
    Ed25519(Ed25519KeyPair),
    Ecdsa(EcdsaKeyPair),
    Rsa(RsaKeyPair),
}

/// Whose key it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whose {
    Own,
    Others,
}

impl Signer {
    /// A key of this kind; none if no such signatures can be made.
    pub(super) fn new(algorithm: Algorithm, whose: Whose) -> Option<Self> {
        let is_own = whose == Whose::Own;
        let secret = if is_own { OWN_KEY } else { OTHER_KEY };
        Some(match algorithm {
            Algorithm::HmacSha1 => Self::Hmac(secret, hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY),
            Algorithm::HmacSha256 => Self::Hmac(secret, hmac::HMAC_SHA256),
            Algorithm::Ed25519 => {
                let seed = [u8::from(is_own); 32];
                Self::Ed25519(Ed25519KeyPair::from_seed_unchecked(&seed).ok()?)
            }
            Algorithm::EcdsaP256Sha256 => {
                let (kind, random) = (&ECDSA_P256_SHA256_ASN1_SIGNING, SystemRandom::new());
                let made = EcdsaKeyPair::generate_pkcs8(kind, &random).ok()?;
                Self::Ecdsa(EcdsaKeyPair::from_pkcs8(kind, made.as_ref(), &random).ok()?)
            }
            Algorithm::RsaSha256 => {
                Self::Rsa(RsaKeyPair::from_pkcs8(if is_own { OWN_RSA } else { OTHER_RSA }).ok()?)
            }
            Algorithm::RsaSha1 | Algorithm::Own => return None,
        })
    }

    /// The key that verifies, as a provider's settings show it.
    pub(super) fn key(&self, form: KeyForm) -> String {
        match self {
            Self::Hmac(secret, _) => match form {
                KeyForm::Text => String::from_utf8_lossy(secret).into_owned(),
                KeyForm::Whsec => format!("whsec_{}", BASE64.encode(secret)),
                KeyForm::Base64 => BASE64.encode(secret),
            },
            Self::Ed25519(pair) => BASE64.encode(pair.public_key().as_ref()),
            Self::Ecdsa(pair) => {
                BASE64.encode(&[SPKI_P256.as_slice(), pair.public_key().as_ref()].concat())
            }
            Self::Rsa(pair) => BASE64.encode(pair.public().as_ref()),
        }
    }

    /// The signature of a message. Without randomness there is none: such a one is refused.
    pub(super) fn sign(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match self {
            Self::Hmac(secret, algorithm) => {
                let key = hmac::Key::new(*algorithm, secret);
                hmac::sign(&key, message).as_ref().to_vec()
            }
            Self::Ed25519(pair) => pair.sign(message).as_ref().to_vec(),
            Self::Ecdsa(pair) => {
                let signature = pair.sign(&random, message);
                signature.map(|signature| signature.as_ref().to_vec()).unwrap_or_default()
            }
            Self::Rsa(pair) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                let made = pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature);
                made.map(|()| signature).unwrap_or_default()
            }
        }
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signer(…)")
    }
}

const OWN_RSA: &[u8] = include_bytes!("../../../../mocks/keys/own.pk8");
const OTHER_RSA: &[u8] = include_bytes!("../../../../mocks/keys/other.pk8");
