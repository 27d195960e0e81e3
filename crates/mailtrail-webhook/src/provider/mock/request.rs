//! Requests of a mock, and the ways in which they can be spoilt.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use mailtrail_core::event::RawHash;

use super::document::Document;
use super::rule::{Posted, Rule, Signing};
use crate::provider::Refused;
use crate::{Headers, Request};

/// A signed request of a mock.
///
/// It is given away either as a [`Request`], or in its parts to a client of HTTP.
///
/// ```
/// use mailtrail_core::id::Endpoint;
/// use mailtrail_webhook::provider::mock::{About, Mock};
/// let now = chrono::DateTime::from_timestamp(1_700_000_000, 0).unwrap();
/// let mandrill = Mock::new(Endpoint::new("mandrill")?, "mandrill")?;
/// let request = mandrill.request("delivered", &About::new("ann@a.example", now)).unwrap();
/// assert_eq!((request.method, &*request.name), ("POST", "delivered"));
/// assert!(request.body.starts_with(b"mandrill_events="));
/// let names: Vec<&str> = request.headers.iter().map(|(name, _)| name).collect();
/// assert_eq!(names, ["Content-Type", "X-Mandrill-Signature"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct MockRequest {
    /// What it shows, as in `hard_bounce_mailbox_full`.
    pub name: Box<str>,
    /// The HTTP method.
    pub method: &'static str,
    /// The header fields.
    pub headers: Headers,
    /// The query of the URL.
    pub query: Option<String>,
    /// The body.
    pub body: Vec<u8>,
    /// When it is posted: the time that is signed, if any is.
    pub now: DateTime<Utc>,
    events: Vec<String>,
    certificate: Option<&'static str>,
    document: Document,
    id: RawHash,
    rule: Arc<dyn Rule>,
}

/// A request that must be refused.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Spoilt {
    /// What is spoilt.
    pub what: Spoil,
    /// The request.
    pub request: MockRequest,
    /// Why it is refused.
    pub refused: Refused,
}

/// What is spoilt of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Spoil {
    /// It has no signature, or no credentials.
    Unsigned,
    /// What stands for the signature, or the credentials, is none.
    Malformed,
    /// It is signed by a key, or shows credentials, that nobody configured.
    WrongKey,
    /// One byte of the body is another than was signed.
    Changed,
    /// The signature is a good one, of another request.
    Borrowed,
    /// The time beside a good signature is another than was signed.
    Redated,
    /// It was signed too long ago.
    Stale,
    /// It was signed for a time to come.
    Early,
    /// It is signed for another URL.
    WrongUrl,
    /// It is from another topic than that of the account, and well signed.
    WrongTopic,
    /// Its certificate is at a host that is not the provider's.
    UntrustedHost,
    /// Its certificate is a stranger's.
    WrongCertificate,
    /// It is signed over a digest that is no more accepted.
    Weak,
    /// What signs it came with another event before. So it is refused only by an
    /// [`Intake`](crate::Intake) that took the request itself: the signature covers no event.
    Reused,
}

impl MockRequest {
    pub(super) fn new(
        rule: &Arc<dyn Rule>,
        name: Box<str>,
        events: Vec<String>,
        document: Document,
        (id, now): (RawHash, DateTime<Utc>),
    ) -> Self {
        let posted = rule.sign(&document, &Signing { id: &id, at: now, spoil: None });
        let Posted { headers, query, body, certificate } = posted;
        let rule = Arc::clone(rule);
        let method = "POST";
        Self { name, method, headers, query, body, now, events, certificate, document, id, rule }
    }

    /// The types of the events that it tells of, in their order.
    pub fn events(&self) -> &[String] {
        &self.events
    }

    /// The request as it comes at its own time, with what would be [fetched](super::Mock::fetch) for it.
    pub fn request(&self) -> Request<'_> {
        let request = Request::new(&self.body, self.now).method(self.method);
        let request = request.headers(self.headers.clone()).query(self.query.as_deref());
        match self.certificate {
            Some(pem) => request.certificate(pem),
            None => request,
        }
    }

    /// The request spoilt in each way that the provider's rule guards against, and no other: what is
    /// signed by nobody can be changed by anybody.
    pub fn spoilt(&self) -> Vec<Spoilt> {
        let refusals = self.rule.refusals().into_iter();
        refusals
            .map(|(what, refused)| Spoilt { what, request: self.spoil(what), refused })
            .collect()
    }

    fn spoil(&self, what: Spoil) -> Self {
        let signing = Signing { id: &self.id, at: self.now, spoil: Some(what) };
        let Posted { headers, query, body, certificate } = self.rule.sign(&self.document, &signing);
        Self { headers, query, body, certificate, ..self.clone() }
    }

    pub(super) fn document(&self) -> &Document {
        &self.document
    }

    pub(super) fn signing(&self) -> (RawHash, DateTime<Utc>) {
        (self.id, self.now)
    }
}
