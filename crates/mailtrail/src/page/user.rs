//! Who may log in.

use std::fmt;

use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

/// What somebody may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Role {
    /// See everything.
    ReadOnly,
    /// Also block and unblock addresses.
    Admin,
}

/// Somebody who may log in with a secret.
///
/// Only a digest of the secret is kept. That is as good as a slow hash, as a secret has to be long: let it be made by
/// `openssl rand -base64 24`, not by a person.
///
/// ```
/// use mailtrail::page::{Role, User};
/// let office = User::new("office", Role::ReadOnly, "q2vX0mK7p3Rz5tLw9sYd")?;
/// assert!(!format!("{office:?}").contains("q2vX"));
/// assert!(User::new("office", Role::ReadOnly, "letmein").is_err());
/// # Ok::<(), mailtrail::page::UserError>(())
/// ```
#[derive(Clone)]
pub struct User {
    pub(super) name: Box<str>,
    pub(super) role: Role,
    digest: [u8; 32],
}

/// Why somebody can't be a user.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UserError {
    /// The secret could be guessed.
    #[error("the secret of {name} has fewer than {LEAST} characters")]
    ShortSecret {
        /// Whose.
        name: Box<str>,
    },
    /// There is no name to write down beside what was done.
    #[error("a user has no name")]
    NoName,
}

impl User {
    /// A user.
    ///
    /// # Errors
    /// [`UserError`].
    pub fn new(name: &str, role: Role, secret: &str) -> Result<Self, UserError> {
        if name.is_empty() {
            return Err(UserError::NoName);
        }
        if secret.chars().count() < LEAST {
            return Err(UserError::ShortSecret { name: name.into() });
        }
        Ok(Self { name: name.into(), role, digest: digest(secret) })
    }

    /// Whose secret this is. It takes the same time whoever it is, if anybody.
    pub(super) fn of_secret<'a>(users: &'a [Self], secret: &str) -> Option<&'a Self> {
        let shown = digest(secret);
        let mut found = None;
        for user in users {
            if bool::from(user.has(&shown)) {
                found = Some(user);
            }
        }
        found
    }

    fn has(&self, shown: &[u8; 32]) -> Choice {
        self.digest.ct_eq(shown)
    }
}

impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("User")
            .field("name", &self.name)
            .field("role", &self.role)
            .finish_non_exhaustive()
    }
}

fn digest(secret: &str) -> [u8; 32] {
    Sha256::digest(secret).into()
}

/// So many characters of a random secret nobody guesses.
const LEAST: usize = 20;
