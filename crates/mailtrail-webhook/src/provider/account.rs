//! An account at a provider: where its requests come to, and what they must prove.

use std::sync::Arc;

use chrono::TimeDelta;
use mailtrail_core::Feedback;
use mailtrail_core::event::Authenticity;
use mailtrail_core::id::Endpoint;

use super::dialect::{Dialect, builtin};
use super::signature::{Certificate, KeyError, SigningKey};
use super::{Access, Answers, Context, Element, Handshake, Mapping, Provider, Refused, dialects};
use crate::Request;

/// An account at a provider that this crate knows.
///
/// Give it what the provider's settings show: the key that signs, several while they are rotated; or
/// an [`Access`] where the provider signs nothing. Both, if both are set there: then both must hold.
/// Put the token of [`Purpose::Metadata`](mailtrail_core::token::Purpose::Metadata) into the message's
/// metadata as `mt_delivery`, and send one message per recipient: many providers give back the same
/// metadata for all recipients of one message.
///
/// ```
/// use mailtrail_core::id::Endpoint;
/// use mailtrail_webhook::provider::{Access, Account, Provider, Refused};
/// use mailtrail_webhook::Request;
/// let key = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEaxfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpZP40Li/hp/m47n60p8D54WK84zV2sxXs7LtkBoN79R9Q==";
/// let sendgrid = Account::new(Endpoint::new("sendgrid")?, "sendgrid", Access::new())?.signing_key(key)?;
/// let now = chrono::DateTime::from_timestamp(1_700_000_000, 0).unwrap();
/// assert_eq!(sendgrid.verify(&Request::new(b"[]", now)), Err(Refused::MissingSignature));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Account {
    endpoint: Endpoint,
    dialect: Arc<dyn Dialect>,
    access: Access,
    keys: Vec<SigningKey>,
    certificates: Vec<Certificate>,
    topics: Vec<Box<str>>,
    url: Option<Box<str>>,
    tolerance: Option<TimeDelta>,
    sha256: bool,
}

/// Why there can be no such account.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AccountError {
    /// Nobody knows this provider.
    #[error("no provider {name}: there are {}", .known.join(", "))]
    UnknownProvider {
        /// The name.
        name: String,
        /// Those that are known.
        known: Vec<String>,
    },
}

impl Account {
    /// The account of this name at the provider of that name.
    ///
    /// # Errors
    /// [`AccountError::UnknownProvider`].
    pub fn new(endpoint: Endpoint, provider: &str, access: Access) -> Result<Self, AccountError> {
        let unknown = || AccountError::UnknownProvider {
            name: provider.to_owned(),
            known: Self::providers(),
        };
        let dialect = builtin(provider).ok_or_else(unknown)?;
        Ok(Self::speaking(endpoint, dialect, access))
    }

    /// The account of this name at a provider that a file describes.
    pub fn of(endpoint: Endpoint, provider: Mapping, access: Access) -> Self {
        Self::speaking(endpoint, Arc::new(provider), access)
    }

    fn speaking(endpoint: Endpoint, dialect: Arc<dyn Dialect>, access: Access) -> Self {
        Self {
            endpoint,
            dialect,
            access,
            keys: Vec::new(),
            certificates: Vec::new(),
            topics: Vec::new(),
            url: None,
            tolerance: None,
            sha256: false,
        }
    }

    /// The names of all providers that this crate knows.
    pub fn providers() -> Vec<String> {
        dialects::all().map(|dialect| dialect.name().to_owned()).collect()
    }

    /// With one more key that may sign, as the provider's settings show it.
    ///
    /// # Errors
    /// [`KeyError`] if it is no key of this provider's.
    pub fn signing_key(mut self, key: &str) -> Result<Self, KeyError> {
        self.keys.push(self.dialect.key(key)?);
        Ok(self)
    }

    /// With the URL as it was given to the provider: some sign it (Mandrill).
    pub fn public_url(mut self, url: &str) -> Self {
        self.url = Some(url.into());
        self
    }

    /// With another tolerance for the time of a signature than the provider's own, where it signs a
    /// time: wider for requests that a queue in front of us held back, or that are read again.
    pub fn tolerance(mut self, tolerance: TimeDelta) -> Self {
        self.tolerance = Some(tolerance);
        self
    }

    /// With one more certificate of Amazon SNS that may sign, in PEM. Without any, that of the
    /// [`Request`](crate::Request::certificate) is taken, which [`Provider::wants`] names.
    ///
    /// # Errors
    /// [`KeyError`] if it is no certificate of an RSA key.
    pub fn certificate(mut self, pem: &str) -> Result<Self, KeyError> {
        self.certificates.push(Certificate::from_pem(pem)?);
        Ok(self)
    }

    /// With one more topic of Amazon SNS that requests may be from, by its ARN. From then on requests
    /// must be signed: a signature of SNS proves only that *some* account at Amazon sent it, so that
    /// nothing verifies without a topic.
    pub fn topic(mut self, arn: &str) -> Self {
        self.topics.push(arn.trim().into());
        self
    }

    /// Refuses what Amazon SNS signs over SHA-1, which is broken: set `SignatureVersion` of the topics to
    /// 2 before.
    pub fn require_sha256(mut self) -> Self {
        self.sha256 = true;
        self
    }

    pub(super) fn requires_sha256(&self) -> bool {
        self.sha256
    }

    pub(super) fn certificates(&self) -> &[Certificate] {
        &self.certificates
    }

    pub(super) fn topics(&self) -> &[Box<str>] {
        &self.topics
    }

    pub(super) fn keys(&self) -> &[SigningKey] {
        &self.keys
    }

    pub(super) fn url(&self) -> Option<&str> {
        self.url.as_deref()
    }

    /// The tolerance as configured, if the provider has any.
    pub(super) fn tolerance_or(&self, own: Option<TimeDelta>) -> Option<TimeDelta> {
        own.map(|own| self.tolerance.unwrap_or(own))
    }
}

impl Provider for Account {
    fn name(&self) -> &str {
        self.dialect.name()
    }

    fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    fn answers(&self) -> Answers {
        self.dialect.answers()
    }

    fn verify(&self, request: &Request<'_>) -> Result<Authenticity, Refused> {
        if !self.dialect.is_signed(self) {
            if self.dialect.always_signs() && !self.access.is_open() {
                return Err(Refused::NotConfigured);
            }
            return self.access.check(request);
        }
        if !self.access.is_empty() {
            self.access.check(request)?;
        }
        self.dialect.verify(self, request)
    }

    fn wants(&self, request: &Request<'_>) -> Option<String> {
        // Who does not prove what else is asked for can't make us fetch anything.
        let admitted = self.access.is_empty() || self.access.check(request).is_ok();
        admitted.then(|| self.dialect.wants(self, request)).flatten()
    }

    fn once(&self, request: &Request<'_>) -> Option<String> {
        // Of a request that no key signed the token means nothing.
        self.dialect.is_signed(self).then(|| self.dialect.once(request)).flatten()
    }

    fn asks(&self, request: &Request<'_>) -> Option<Handshake> {
        self.dialect.asks(self, request)
    }

    fn says(&self, request: &Request<'_>, status: u16) -> Option<String> {
        self.dialect.says(request, status)
    }

    fn takes_get(&self) -> bool {
        self.dialect.takes_get()
    }

    fn is_secret(&self, parameter: &str) -> bool {
        self.access.is_secret(parameter)
    }

    fn split<'a>(&self, request: &Request<'a>) -> Result<Vec<Element<'a>>, Refused> {
        let mut elements = self.dialect.split(request)?;
        // One id can't tell several events apart.
        if let (Some(id), [element]) = (self.dialect.delivery_id(request), elements.as_mut_slice())
        {
            *element = element.clone().of_delivery(id);
        }
        Ok(elements)
    }

    fn read(&self, element: &Element<'_>, context: &Context<'_>) -> Vec<Feedback> {
        let mut feedback = Vec::new();
        self.read_one(element, context, &mut |one| feedback.push(one));
        feedback
    }

    fn read_each(
        &self,
        request: &Request<'_>,
        context: &Context<'_>,
        each: &mut dyn FnMut(Feedback),
    ) -> Result<(), Refused> {
        match self.dialect.wanted().and_then(|wanted| Element::each(request.body, wanted)) {
            Some(mut elements) if self.dialect.delivery_id(request).is_none() => {
                while let Some(element) = elements.next() {
                    self.read_one(&element, context, each);
                    elements.reuse(element);
                }
            }
            _ => {
                for element in self.split(request)? {
                    self.read_one(&element, context, each);
                }
            }
        }
        Ok(())
    }
}

impl Account {
    fn read_one(
        &self,
        element: &Element<'_>,
        context: &Context<'_>,
        each: &mut dyn FnMut(Feedback),
    ) {
        let mut read = false;
        if let Some(fields) = element.fields() {
            self.dialect.read(fields, context, &mut |said| {
                read = true;
                each(context.said(element, said));
            });
        }
        if !read {
            each(context.unparsed(element));
        }
    }
}
