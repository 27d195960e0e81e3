//! Why a message can't be signed.

use mailtrail_core::store::BoxError;

/// Why a text is no key to sign with. It never holds a part of the key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ParseKeyError {
    /// There is no private key in it.
    #[error("there is no private key in the PEM text (`-----BEGIN … PRIVATE KEY-----`)")]
    NoKey,
    /// It has a pass phrase.
    #[error("the private key has a pass phrase: take it off (`openssl pkey -in KEY -out OPEN`)")]
    Encrypted,
    /// It is of another kind, shorter than 2,048 bits, or damaged.
    #[error("the private key is neither RSA of 2048 to 4096 bits nor Ed25519: make one of these")]
    Unusable {
        /// What the first reader of it said.
        #[source]
        cause: BoxError,
    },
}

/// Why a signer can't be set up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DkimError {
    /// The domain is none.
    #[error("the DKIM domain is no domain name: give it as in the From address")]
    Domain,
    /// The selector is none.
    #[error("the DKIM selector is none: give letters, digits and `-`, with dots between them")]
    Selector,
}

/// Why a message was not signed. Signing it again gives the same answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignError {
    /// It has no From (RFC 6376 §5.4: that must be signed).
    #[error("the message has no `From`: give it one")]
    NoFrom,
    /// A line of its header is none.
    #[error("line {line} of the message is no line of a header (`Name: text`)")]
    NoField {
        /// The line, counted from 1.
        line: usize,
    },
    /// It has a CR without LF, which servers on the way change or refuse: the signature would break.
    #[error(
        "the message has a CR that ends no line: encode its body as quoted-printable or base64"
    )]
    BareCr,
    /// The key can't sign.
    #[error("the DKIM key of selector `{selector}` can't sign")]
    Key {
        /// Whose key.
        selector: String,
        /// Why.
        #[source]
        cause: BoxError,
    },
}
