//! Secrets that are compared in constant time and never printed.

use std::fmt;

use ring::digest::{SHA256, digest};
use subtle::ConstantTimeEq;

/// A secret that a provider shows to us.
///
/// ```
/// use mailtrail_webhook::Secret;
/// let secret = Secret::new("correct horse");
/// assert!(secret.matches(b"correct horse"));
/// assert!(!secret.matches(b"correct hors"));
/// assert_eq!(format!("{secret:?}"), "Secret(…)");
/// ```
#[derive(Clone)]
pub struct Secret(Box<[u8]>);

impl Secret {
    /// The secret that these bytes are.
    pub fn new(secret: impl AsRef<[u8]>) -> Self {
        Self(secret.as_ref().into())
    }

    /// The user and password of HTTP Basic authentication.
    pub fn basic(user: &str, password: &str) -> Self {
        Self::new(format!("{user}:{password}"))
    }

    /// For providers that sign in a way of their own.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether this is what was shown. The time that it takes tells nothing but the length shown.
    pub fn matches(&self, shown: &[u8]) -> bool {
        // Digests are of one length, so that not even the secret's length can be measured.
        let (ours, theirs) = (digest(&SHA256, &self.0), digest(&SHA256, shown));
        ours.as_ref().ct_eq(theirs.as_ref()).into()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}
