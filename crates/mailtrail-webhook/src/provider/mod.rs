//! Providers: values that know how to verify, to split and to read what they send us.

mod access;
mod account;
mod content;
mod diagnose;
mod dialect;
mod dialects;
mod element;
mod events;
mod fields;
mod firehose;
mod handshake;
mod mapping;
#[cfg(feature = "mock")]
pub mod mock;
mod path;
mod picked;
mod reader;
mod signature;
mod wanted;

use std::fmt;

use mailtrail_core::Feedback;
use mailtrail_core::event::{Authenticity, RawHash};
use mailtrail_core::id::Endpoint;

pub use access::Access;
pub use account::{Account, AccountError};
pub(crate) use content::opened;
pub use content::{CONTENT_LIMIT, content};
pub use element::Element;
pub use handshake::Handshake;
pub use mapping::{Expected, Mapping, MappingError, Sample};
pub use reader::{Context, Reader};
pub use signature::{KeyError, SigningKey};

use crate::Request;

/// An account at a provider: three pure functions from a request to feedback.
///
/// # For implementors
/// Never fail on what is authentic: what can't be read becomes a `Custom` event, by
/// [`Context::unparsed`]. Never look at a clock, a store or the network.
pub trait Provider: Send + Sync + fmt::Debug {
    /// The provider's name, as in `webhook:postmark`.
    fn name(&self) -> &str;

    /// The account.
    fn endpoint(&self) -> &Endpoint;

    /// What its requests are answered with.
    fn answers(&self) -> Answers;

    /// Says how the request proves to be the provider's.
    ///
    /// # Errors
    /// [`Refused`]: it doesn't; nothing may be recorded of it.
    fn verify(&self, request: &Request<'_>) -> Result<Authenticity, Refused>;

    /// The URL that has to be fetched before the request can be verified; the answer then goes into
    /// [`Request::certificate`]. It never names a host that is not Amazon's. Whoever fetches it must
    /// follow no redirect, wait for a limited time, and may keep what came, by its URL.
    ///
    /// Only providers that sign with certificates want any.
    fn wants(&self, _request: &Request<'_>) -> Option<String> {
        None
    }

    /// What signs this one request, where the signature does not cover the events in it: it may come
    /// again, but only with the same events.
    fn once(&self, _request: &Request<'_>) -> Option<String> {
        None
    }

    /// What the provider asks of the endpoint, if the request, which verified, is no event.
    fn asks(&self, _request: &Request<'_>) -> Option<Handshake> {
        None
    }

    /// The JSON that an answer of this status has to be, for a provider that takes none without it for a success.
    fn says(&self, _request: &Request<'_>, _status: u16) -> Option<String> {
        None
    }

    /// Whether a GET with a query is an event, as some providers send them.
    fn takes_get(&self) -> bool {
        false
    }

    /// Whether a parameter of the URL's query is a secret of ours, which is none of the event's.
    fn is_secret(&self, _parameter: &str) -> bool {
        false
    }

    /// The elements of the request, each of which stands for itself.
    ///
    /// # Errors
    /// [`Refused::WrongEndpoint`]: these are no events, but something for another URL.
    fn split<'a>(&self, request: &Request<'a>) -> Result<Vec<Element<'a>>, Refused>;

    /// Reads one element.
    fn read(&self, element: &Element<'_>, context: &Context<'_>) -> Vec<Feedback>;

    /// Splits and reads a request. To be written only if that can be done in less room.
    ///
    /// # Errors
    /// As [`split`](Self::split).
    fn read_each(
        &self,
        request: &Request<'_>,
        context: &Context<'_>,
        each: &mut dyn FnMut(Feedback),
    ) -> Result<(), Refused> {
        for element in self.split(request)? {
            self.read(&element, context).into_iter().for_each(&mut *each);
        }
        Ok(())
    }
}

/// What a provider is answered, by what each answer makes it do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Answers {
    /// All is durable.
    pub stored: u16,
    /// It did not verify. Never a status that makes the provider give up.
    pub unverified: u16,
    /// A passing failure of ours: the provider tries again.
    pub later: u16,
    /// Seconds after which it should.
    pub retry_after: u16,
    /// Statuses that make it give up for good, and are therefore never given.
    pub never: &'static [u16],
    /// Whether it shows its credentials only after a 401 that asks for them, for which it is then no
    /// reason to give up.
    pub challenges: bool,
}

impl Answers {
    /// What most providers need: 200 for what is durable, 401 for what does not verify, 429 with a
    /// minute for a passing failure. 429 is the one status that no provider takes for final.
    pub const DEFAULT: Self = Self {
        stored: 200,
        unverified: 401,
        later: 429,
        retry_after: 60,
        never: &[],
        challenges: false,
    };
}

/// Why a request is no evidence. Nothing of it is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// Authenticity is required, but there is nothing to verify with.
    #[error(
        "no credential, key, address or public URL is configured that would verify it: configure one"
    )]
    NotConfigured,
    /// It has no credentials.
    #[error("the request has no credentials")]
    MissingCredentials,
    /// It has other ones than configured.
    #[error("the credentials of the request are not among those configured")]
    WrongCredentials,
    /// It came from elsewhere.
    #[error("the request comes from an address that is not among those configured")]
    PeerNotAllowed,
    /// It has no signature.
    #[error("the request has no signature")]
    MissingSignature,
    /// What stands for a signature is none.
    #[error("the signature of the request is not one")]
    MalformedSignature,
    /// No configured key made the signature over this body.
    #[error("the signature of the request is by none of the configured keys, or for another body")]
    WrongSignature,
    /// It is signed over SHA-1, where that is no more accepted.
    #[error("the signature is over SHA-1: set SignatureVersion 2 of the topic at Amazon SNS")]
    WeakSignature,
    /// It is signed, but from a topic that is not on the list of the account.
    #[error("the request is from a topic that is not among those configured")]
    WrongTopic,
    /// Its certificate is to come from a host that is not Amazon's.
    #[error("the certificate of the request is not at a host of Amazon SNS")]
    UntrustedHost,
    /// There is no certificate that may sign at this time.
    #[error("no certificate at hand is one of Amazon SNS that is valid now: pin the present one")]
    WrongCertificate,
    /// It was signed too long ago, or for a time to come.
    #[error(
        "the request was signed at another time than now: if it is the provider's, one of the clocks is wrong"
    )]
    Stale,
    /// Its token was for other events.
    #[error("the token of the request came with other events before: someone has seen it")]
    Reused,
    /// It belongs to another URL.
    #[error("the request is not about events: give the provider another URL for it")]
    WrongEndpoint,
    /// It is larger than requests of the provider are.
    #[error("the request is over the size limit")]
    TooLarge,
}

impl Refused {
    /// All causes.
    pub const ALL: &'static [Self] = &[
        Self::NotConfigured,
        Self::MissingCredentials,
        Self::WrongCredentials,
        Self::PeerNotAllowed,
        Self::MissingSignature,
        Self::MalformedSignature,
        Self::WrongSignature,
        Self::WeakSignature,
        Self::WrongTopic,
        Self::UntrustedHost,
        Self::WrongCertificate,
        Self::Stale,
        Self::Reused,
        Self::WrongEndpoint,
        Self::TooLarge,
    ];

    /// The cause's name in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::NotConfigured => "not_configured",
            Self::MissingCredentials => "missing_credentials",
            Self::WrongCredentials => "wrong_credentials",
            Self::PeerNotAllowed => "peer_not_allowed",
            Self::MissingSignature => "missing_signature",
            Self::MalformedSignature => "malformed_signature",
            Self::WrongSignature => "wrong_signature",
            Self::WeakSignature => "weak_signature",
            Self::WrongTopic => "wrong_topic",
            Self::UntrustedHost => "untrusted_host",
            Self::WrongCertificate => "wrong_certificate",
            Self::Stale => "stale",
            Self::Reused => "reused",
            Self::WrongEndpoint => "wrong_endpoint",
            Self::TooLarge => "too_large",
        }
    }

    /// Whether it is our configuration that has to change, so that the provider should try again.
    pub fn is_ours(self) -> bool {
        matches!(self, Self::NotConfigured | Self::WrongEndpoint)
    }
}

/// All that a request says, or why it is no evidence. A pure function.
///
/// # Errors
/// [`Refused`].
///
/// # Example
/// See the [crate's](crate) example.
pub fn receive(
    provider: &dyn Provider,
    request: &Request<'_>,
    reader: &Reader<'_>,
    raw: Option<RawHash>,
) -> Result<Vec<Feedback>, Refused> {
    let content = content(provider, request)?;
    let plain = opened(request, &content);
    let authenticity = verify(provider, request, &plain)?;
    read_verified(provider, &plain, reader, authenticity, raw)
}

/// Says how a request proves to be the provider's: by its bytes as they came, or by its
/// [`content`], where that is something else. Providers sign either.
///
/// # Errors
/// [`Refused`]: it doesn't; nothing may be recorded of it.
pub fn verify(
    provider: &dyn Provider,
    request: &Request<'_>,
    plain: &Request<'_>,
) -> Result<Authenticity, Refused> {
    let verified = provider.verify(request);
    let again = verified.is_err() && plain.body != request.body;
    if again { provider.verify(plain) } else { verified }
}

/// All that a request says, which verified like this.
///
/// # Errors
/// [`Refused::WrongEndpoint`].
pub fn read_verified(
    provider: &dyn Provider,
    request: &Request<'_>,
    reader: &Reader<'_>,
    authenticity: Authenticity,
    raw: Option<RawHash>,
) -> Result<Vec<Feedback>, Refused> {
    let mut feedback = Vec::new();
    let each = &mut |one| feedback.push(one);
    read_each(provider, request, reader, authenticity, raw, each)?;
    Ok(feedback)
}

/// The same, one after the other: what is done with each at once needs no room for all of them.
///
/// # Errors
/// [`Refused::WrongEndpoint`].
pub fn read_each(
    provider: &dyn Provider,
    request: &Request<'_>,
    reader: &Reader<'_>,
    authenticity: Authenticity,
    raw: Option<RawHash>,
    each: &mut dyn FnMut(Feedback),
) -> Result<(), Refused> {
    let context = Context::new(reader, provider, authenticity, raw, request.now);
    provider.read_each(request, &context, each)
}
