//! The envelope sender of each delivery: signed, so that what comes back names its delivery.

use std::borrow::Cow;

use mailtrail_core::DeliveryId;
use mailtrail_core::token::{Keys, Purpose, TokenError, Verified};

/// Return paths of one domain: `b+` and a token of 48 characters, within the 64 octets of a local
/// part (RFC 5321 §4.5.3.1.1). Their bytes are told in `docs/format.md`.
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
///
/// # What servers on the way may do to it
/// They change its case, write `=` or `-` for `+`, quote its local part, put something before it
/// (`prvs=0123456789=b+…`, BATV), or wrap it into an address of their own that still names our domain
/// (`SRS0=hash=tt=bounces.school.example=b+…@forwarder.example`, or `b+…=bounces.school.example@…`).
/// All of these are read: what proves is the token, whoever carried it. An address that does not name
/// our domain is none of ours, even with a token of ours in it.
///
/// # Answers
/// [`reply_address`](Self::reply_address) is for a `Reply-To`. Its token has another purpose and another
/// letter, as everybody who gets the message forwarded sees it: it names a delivery and proves nothing.
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
        format!("{BOUNCE}+{}@{}", keys.sign(Purpose::ReturnPath, delivery), self.domain)
    }

    /// An address for the `Reply-To` of a delivery: who answers, and what answers by itself, names it.
    ///
    /// ```
    /// use mailtrail_core::DeliveryId;
    /// use mailtrail_core::token::{Key, Keys};
    /// use mailtrail_smtp::return_path::ReturnPath;
    /// let keys = Keys::new(Key::new(1, [7; 32]));
    /// let path = ReturnPath::new("bounces.school.example");
    /// let address = path.reply_address(&keys, DeliveryId::from_bytes([3; 16]));
    /// assert!(address.starts_with("r+"));
    /// assert!(path.read(&keys, &address).is_err(), "no return path");
    /// assert!(path.read_reply(&keys, &address).is_ok());
    /// ```
    pub fn reply_address(&self, keys: &Keys, delivery: DeliveryId) -> String {
        format!("{REPLY}+{}@{}", keys.sign(Purpose::Reply, delivery), self.domain)
    }

    /// Reads an envelope recipient as a return path.
    ///
    /// # Errors
    /// [`ReturnPathError`]: it does not name this domain, or holds no valid token.
    pub fn read(&self, keys: &Keys, recipient: &str) -> Result<Verified, ReturnPathError> {
        self.find(keys, recipient, BOUNCE, Purpose::ReturnPath)
    }

    /// Reads an envelope recipient as the address of a `Reply-To`.
    ///
    /// # Errors
    /// [`ReturnPathError`]: it does not name this domain, or holds no valid token.
    pub fn read_reply(&self, keys: &Keys, recipient: &str) -> Result<Verified, ReturnPathError> {
        self.find(keys, recipient, REPLY, Purpose::Reply)
    }

    /// The domain.
    pub fn domain(&self) -> &str {
        &self.domain
    }

    fn find(
        &self,
        keys: &Keys,
        recipient: &str,
        letter: &str,
        purpose: Purpose,
    ) -> Result<Verified, ReturnPathError> {
        let recipient = recipient.trim().trim_matches(['<', '>']);
        let (local, domain) = recipient.rsplit_once('@').ok_or(ReturnPathError::NotOurs)?;
        let local = unquoted(local);
        if !self.is_named(&local, domain) {
            return Err(ReturnPathError::NotOurs);
        }
        let mut error = ReturnPathError::NotOurs;
        for word in tokens(&local, letter) {
            match keys.verify(purpose, word) {
                Ok(verified) => return Ok(verified),
                // A word that is no token may only stand beside one.
                Err(TokenError::Malformed) if error != ReturnPathError::NotOurs => {}
                Err(cause) => error = ReturnPathError::Token(cause),
            }
        }
        Err(error)
    }

    /// Whether an address is of our domain, or wraps one that is.
    fn is_named(&self, local: &str, domain: &str) -> bool {
        let is_ours = |text: &str| text.eq_ignore_ascii_case(&self.domain);
        !self.domain.is_empty()
            && (is_ours(domain.strip_suffix('.').unwrap_or(domain))
                || local.split('=').any(is_ours))
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

/// A local part without its quotes (RFC 5321 §4.1.2).
fn unquoted(local: &str) -> Cow<'_, str> {
    let inner = local.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    inner.map_or(Cow::Borrowed(local), |inner| Cow::Owned(inner.replace('\\', "")))
}

/// The words that follow a word of this letter.
fn tokens<'a>(local: &'a str, letter: &'a str) -> impl Iterator<Item = &'a str> {
    let mut before = None;
    let words = local.split_inclusive(|c: char| !c.is_ascii_alphanumeric());
    words.filter_map(move |piece| {
        let word = piece.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
        let follows = before.replace(piece).is_some_and(|before: &str| {
            before.strip_suffix(['+', '=', '-']).is_some_and(|it| it.eq_ignore_ascii_case(letter))
        });
        follows.then_some(word)
    })
}

/// What a return path begins with: it takes bounces.
const BOUNCE: &str = "b";
/// What the address of a Reply-To begins with.
const REPLY: &str = "r";

#[cfg(test)]
mod tests;
