//! Signatures of Standard Webhooks.

use std::fmt;

use data_encoding::BASE64;
use ring::hmac;

/// Signs messages with one secret, or with several while one is replaced by another.
///
/// The secrets never print.
///
/// ```
/// use mailtrail_webhook::outbound::Signer;
/// let both = Signer::new(["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX"])?;
/// assert_eq!(both.sign("msg_1", 1, b"{}").split(' ').count(), 2);
/// assert!(Signer::new(["swordfish"]).is_err());
/// # Ok::<(), mailtrail_webhook::outbound::SecretError>(())
/// ```
#[derive(Clone)]
pub struct Signer(Box<[hmac::Key]>);

impl Signer {
    /// A signer with these secrets: `whsec_` and base64 of 24 to 64 bytes.
    ///
    /// # Errors
    /// [`SecretError`]; it doesn't show the secret.
    pub fn new<S: AsRef<str>>(secrets: impl IntoIterator<Item = S>) -> Result<Self, SecretError> {
        let keys: Vec<_> =
            secrets.into_iter().map(|text| key(text.as_ref())).collect::<Result<_, _>>()?;
        if keys.is_empty() { Err(SecretError::None) } else { Ok(Self(keys.into())) }
    }

    /// The value of `webhook-signature`: one signature for each secret.
    pub fn sign(&self, id: &str, timestamp: i64, body: &[u8]) -> String {
        let head = format!("{id}.{timestamp}.");
        let one = |key: &hmac::Key| {
            let mut context = hmac::Context::with_key(key);
            context.update(head.as_bytes());
            context.update(body);
            format!("v1,{}", BASE64.encode(context.sign().as_ref()))
        };
        self.0.iter().map(one).collect::<Vec<_>>().join(" ")
    }

    /// The header fields of an attempt at this time, in seconds since 1970.
    pub fn headers(&self, id: &str, timestamp: i64, body: &[u8]) -> [(&'static str, String); 3] {
        [
            ("webhook-id", id.to_owned()),
            ("webhook-timestamp", timestamp.to_string()),
            ("webhook-signature", self.sign(id, timestamp, body)),
        ]
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signer({} secrets)", self.0.len())
    }
}

fn key(text: &str) -> Result<hmac::Key, SecretError> {
    let text = text.trim().strip_prefix("whsec_").ok_or(SecretError::Prefix)?;
    let secret = BASE64.decode(text.as_bytes()).map_err(|_| SecretError::Base64)?;
    if (24..=64).contains(&secret.len()) {
        Ok(hmac::Key::new(hmac::HMAC_SHA256, &secret))
    } else {
        Err(SecretError::Length { length: secret.len() })
    }
}

/// Why a text is no secret of Standard Webhooks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SecretError {
    /// There is none.
    #[error("at least one secret is needed to sign")]
    None,
    /// It doesn't begin as one.
    #[error("a secret begins with whsec_")]
    Prefix,
    /// The rest is no base64.
    #[error("what stands behind whsec_ is not base64")]
    Base64,
    /// It is too short, or too long.
    #[error("a secret has 24 to 64 bytes, this one has {length}")]
    Length {
        /// Its length in bytes.
        length: usize,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_never_prints() {
        let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        assert_eq!(format!("{:?}", Signer::new([secret]).unwrap()), "Signer(1 secrets)");
        for wrong in ["", "whsec_", "whsec_!!", "whsec_AAAA", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"] {
            let error = Signer::new([wrong]).unwrap_err();
            assert!(wrong.len() < 8 || !error.to_string().contains(wrong), "{error}");
        }
        assert_eq!(Signer::new::<&str>([]).unwrap_err(), SecretError::None);
    }
}
