//! A request as it came off the socket.

use std::fmt;
use std::net::IpAddr;

use chrono::{DateTime, Utc};

/// The header fields of a request.
///
/// ```
/// use mailtrail_webhook::Headers;
/// let headers = Headers::new().with("X-Signature", "abc");
/// assert_eq!(headers.only("x-signature"), Some(b"abc".as_slice()));
/// assert_eq!(headers.clone().with("x-signature", "def").only("x-signature"), None);
/// ```
#[derive(Clone, Default)]
pub struct Headers(Vec<(Box<str>, Box<[u8]>)>);

impl Headers {
    /// No fields.
    pub fn new() -> Self {
        Self::default()
    }

    /// With one more field.
    pub fn with(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.0.push((name.into(), value.as_ref().into()));
        self
    }

    /// The value of the field that occurs once. One that occurs twice is ambiguous: it has none.
    pub fn only(&self, name: &str) -> Option<&[u8]> {
        let mut values = self.0.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
        let (_, value) = values.next()?;
        values.next().is_none().then_some(value)
    }

    /// Whether there is such a field, once or more often.
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(known, _)| known.eq_ignore_ascii_case(name))
    }

    /// The value of the field that occurs once, if it is text.
    pub fn text(&self, name: &str) -> Option<&str> {
        std::str::from_utf8(self.only(name)?).ok().map(str::trim)
    }

    /// All fields, in their order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }
}

impl fmt::Debug for Headers {
    /// Names only: values hold secrets and people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

/// A request to one of our endpoints, before anything is decoded.
///
/// ```
/// use mailtrail_webhook::{Headers, Request};
/// let now = chrono::DateTime::from_timestamp(1_700_000_000, 0).unwrap();
/// let request = Request::new(b"[]", now).headers(Headers::new().with("Content-Type", "application/json"));
/// assert_eq!(request.body, b"[]");
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct Request<'a> {
    /// The HTTP method.
    pub method: &'a str,
    /// The header fields.
    pub headers: Headers,
    /// The raw body: signatures are over these bytes.
    pub body: &'a [u8],
    /// The query of the URL.
    pub query: Option<&'a str>,
    /// The certificate that we fetched for it, in PEM.
    pub certificate: Option<&'a str>,
    /// Who sent it.
    pub peer: Option<IpAddr>,
    /// When it came.
    pub now: DateTime<Utc>,
}

impl<'a> Request<'a> {
    /// A POST with this body, which came now.
    pub fn new(body: &'a [u8], now: DateTime<Utc>) -> Self {
        Self {
            method: "POST",
            headers: Headers::new(),
            body,
            query: None,
            certificate: None,
            peer: None,
            now,
        }
    }

    /// With another body.
    pub fn body<'b>(self, body: &'b [u8]) -> Request<'b>
    where
        'a: 'b,
    {
        Request { body, ..self }
    }

    /// With another method.
    pub fn method(mut self, method: &'a str) -> Self {
        self.method = method;
        self
    }

    /// With header fields.
    pub fn headers(mut self, headers: Headers) -> Self {
        self.headers = headers;
        self
    }

    /// With the query of its URL.
    pub fn query(mut self, query: Option<&'a str>) -> Self {
        self.query = query;
        self
    }

    /// With the certificate from the URL that [`wants`](crate::provider::Provider::wants) named.
    pub fn certificate(mut self, pem: &'a str) -> Self {
        self.certificate = Some(pem);
        self
    }

    /// From this peer.
    pub fn peer(mut self, peer: Option<IpAddr>) -> Self {
        self.peer = peer;
        self
    }
}

impl fmt::Debug for Request<'_> {
    /// Without the body, the query and the values of fields.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("method", &self.method)
            .field("headers", &self.headers)
            .field("body_bytes", &self.body.len())
            .field("peer", &self.peer)
            .field("now", &self.now)
            .finish_non_exhaustive()
    }
}
