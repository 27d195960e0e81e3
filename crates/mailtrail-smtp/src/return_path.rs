//! The envelope sender of each delivery: signed, so that what comes back names its delivery.

use mailtrail_core::DeliveryId;
use mailtrail_core::token::{Keys, Purpose, TokenError, Verified};

/// Return paths of one domain: `b+` and a token of 48 characters, within the 64 octets of a local
/// part (RFC 5321 §4.5.3.1.1).
///
/// ```
/// use mailtrail_core::DeliveryId;
/// use mailtrail_core::token::{Key, Keys};
/// use mailtrail_smtp::return_path::ReturnPath;
/// let keys = Keys::new(Key::new(1, [7; 32]));
/// let path = ReturnPath::new("bounces.school.example");
/// let delivery = DeliveryId::from_bytes([3; 16]);
/// let address = path.address(&keys, delivery);
/// assert!(address.split('@').next().unwrap().len() <= 64);
/// assert_eq!(path.read(&keys, &address.to_uppercase())?.delivery, delivery);
/// # Ok::<(), mailtrail_smtp::return_path::ReturnPathError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReturnPath {
    domain: Box<str>,
}

impl ReturnPath {
    /// Return paths of this domain, whose mail must come to the intake.
    pub fn new(domain: impl Into<Box<str>>) -> Self {
        Self { domain: domain.into() }
    }

    /// The envelope sender of a delivery.
    pub fn address(&self, keys: &Keys, delivery: DeliveryId) -> String {
        format!("{PREFIX}+{}@{}", keys.sign(Purpose::ReturnPath, delivery), self.domain)
    }

    /// Reads an envelope recipient. Servers may have changed its case, or `+` to `=` or `-`.
    ///
    /// # Errors
    /// [`ReturnPathError`]: it is not of this domain, or holds no valid token.
    pub fn read(&self, keys: &Keys, recipient: &str) -> Result<Verified, ReturnPathError> {
        let (local, domain) = recipient.rsplit_once('@').ok_or(ReturnPathError::NotOurs)?;
        if !domain.trim_end_matches('>').eq_ignore_ascii_case(&self.domain) {
            return Err(ReturnPathError::NotOurs);
        }
        let rest = local
            .split_once(['+', '=', '-'])
            .map(|(prefix, rest)| (prefix.trim_start_matches('<'), rest));
        match rest {
            Some((prefix, token)) if prefix.eq_ignore_ascii_case(PREFIX) => {
                keys.verify(Purpose::ReturnPath, token).map_err(ReturnPathError::Token)
            }
            Some(_) | None => Err(ReturnPathError::NotOurs),
        }
    }

    /// The domain.
    pub fn domain(&self) -> &str {
        &self.domain
    }
}

/// Why an address is no return path of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReturnPathError {
    /// It has another domain or form.
    #[error("not a return path of ours")]
    NotOurs,
    /// Its token is none of ours.
    #[error("the return path has no valid token")]
    Token(#[source] TokenError),
}

const PREFIX: &str = "b";

#[cfg(test)]
mod tests {
    use super::*;
    use mailtrail_core::token::Key;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn reading_is_total_and_forgery_is_refused(local in "\\PC{0,60}", secret: [u8; 32]) {
            let keys = Keys::new(Key::new(1, secret));
            let path = ReturnPath::new("b.example");
            let made_up = format!("{local}@b.example");
            prop_assert!(path.read(&keys, &made_up).is_err());
            let forged = path.address(&Keys::new(Key::new(1, [0; 32])), DeliveryId::from_bytes([1; 16]));
            prop_assume!(secret != [0; 32]);
            prop_assert_eq!(path.read(&keys, &forged), Err(ReturnPathError::Token(TokenError::Forged)));
        }
    }

    #[test]
    fn rewritten_paths_are_read() {
        let keys = Keys::new(Key::new(1, [1; 32]));
        let path = ReturnPath::new("b.example");
        let address = path.address(&keys, DeliveryId::from_bytes([1; 16]));
        for rewritten in [address.replace('+', "="), format!("<{address}>"), address.to_uppercase()]
        {
            assert!(path.read(&keys, &rewritten).is_ok(), "{rewritten}");
        }
        assert_eq!(
            path.read(&keys, &address.replace("b.example", "c.example")),
            Err(ReturnPathError::NotOurs)
        );
    }
}
