//! What a request must show besides, or instead of, a signature.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::IpAddr;

use mailtrail_core::event::Authenticity;

use super::Refused;
use crate::text::base64;
use crate::{Request, Secret};

/// The credentials, secrets and addresses that an endpoint accepts, and whether it asks for any.
///
/// What is configured is always asked for, of each place one that is accepted there: a request without credentials is refused where
/// credentials are configured, also where authenticity is not required.
///
/// ```
/// use mailtrail_core::event::Authenticity;
/// use mailtrail_webhook::provider::{Access, Refused};
/// use mailtrail_webhook::{Headers, Request, Secret};
/// let now = chrono::DateTime::from_timestamp(1_700_000_000, 0).unwrap();
/// let request = Request::new(b"{}", now);
/// assert_eq!(Access::new().check(&request), Err(Refused::NotConfigured));
/// assert_eq!(Access::new().unauthenticated().check(&request), Ok(Authenticity::None));
///
/// // Two credentials: the old and the new, while they are rotated.
/// let access = Access::new().credential(Secret::basic("a", "old")).credential(Secret::basic("a", "new"));
/// assert_eq!(access.check(&request), Err(Refused::MissingCredentials));
/// let request = request.headers(Headers::new().with("Authorization", "Basic YTpuZXc="));
/// assert_eq!(access.check(&request), Ok(Authenticity::SharedSecret));
///
/// // A provider that can do neither that nor sign may show a secret in the URL that it is given.
/// let access = Access::new().query("key", Secret::new("s3cret"));
/// let request = Request::new(b"{}", now).query(Some("key=s3cret"));
/// assert_eq!(access.check(&request), Ok(Authenticity::SharedSecret));
/// ```
#[derive(Debug, Clone, Default)]
pub struct Access {
    credentials: Vec<Secret>,
    fields: BTreeMap<Box<str>, Vec<Secret>>,
    parameters: BTreeMap<Box<str>, Vec<Secret>>,
    peers: Vec<IpAddr>,
    open: bool,
}

impl Access {
    /// Asks for authenticity, and has nothing to verify it with yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// With one more pair of user and password that is accepted.
    pub fn credential(mut self, credential: Secret) -> Self {
        self.credentials.push(credential);
        self
    }

    /// With one more secret that is accepted in this header field.
    pub fn header(mut self, name: &str, secret: Secret) -> Self {
        self.fields.entry(name.to_ascii_lowercase().into()).or_default().push(secret);
        self
    }

    /// With one more secret that is accepted in this parameter of the URL's query, decoded.
    pub fn query(mut self, name: &str, secret: Secret) -> Self {
        self.parameters.entry(name.into()).or_default().push(secret);
        self
    }

    /// With one more address that requests may come from.
    pub fn peer(mut self, peer: IpAddr) -> Self {
        self.peers.push(peer.to_canonical());
        self
    }

    /// Accepts requests that prove nothing, where nothing is configured to prove it with. Their
    /// events say so.
    pub fn unauthenticated(mut self) -> Self {
        self.open = true;
        self
    }

    /// Whether a parameter of the URL's query is to hold a secret.
    pub(super) fn is_secret(&self, parameter: &str) -> bool {
        self.parameters.contains_key(parameter)
    }

    /// Whether requests that prove nothing are accepted.
    pub(super) fn is_open(&self) -> bool {
        self.open
    }

    /// What the request proves: all that is configured must hold.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn check(&self, request: &Request<'_>) -> Result<Authenticity, Refused> {
        if self.is_empty() {
            let open = self.open.then_some(Authenticity::None);
            return open.ok_or(Refused::NotConfigured);
        }
        self.check_peer(request)?;
        if !self.has_secrets() {
            return Ok(Authenticity::Ip);
        }
        if !self.credentials.is_empty() {
            check_secret(&self.credentials, basic_credentials(request).as_deref())?;
        }
        for (name, secrets) in &self.fields {
            check_secret(secrets, request.headers.only(name))?;
        }
        for (name, secrets) in &self.parameters {
            check_secret(secrets, parameter(request, name).as_deref().map(str::as_bytes))?;
        }
        Ok(Authenticity::SharedSecret)
    }

    /// Whether there is nothing to verify with.
    pub(super) fn is_empty(&self) -> bool {
        !self.has_secrets() && self.peers.is_empty()
    }

    fn has_secrets(&self) -> bool {
        let anywhere = [&self.fields, &self.parameters].iter().any(|named| !named.is_empty());
        anywhere || !self.credentials.is_empty()
    }

    fn check_peer(&self, request: &Request<'_>) -> Result<(), Refused> {
        let known = |peer: IpAddr| self.peers.contains(&peer.to_canonical());
        let allowed = self.peers.is_empty() || request.peer.is_some_and(known);
        if allowed { Ok(()) } else { Err(Refused::PeerNotAllowed) }
    }
}

/// Whether one of these was shown.
fn check_secret(known: &[Secret], shown: Option<&[u8]>) -> Result<(), Refused> {
    let shown = shown.ok_or(Refused::MissingCredentials)?;
    // Every one is compared, so that the time does not tell which one was close.
    let matching = known.iter().filter(|known| known.matches(shown)).count();
    if matching > 0 { Ok(()) } else { Err(Refused::WrongCredentials) }
}

/// The value of the parameter that occurs once.
fn parameter<'r>(request: &'r Request<'_>, name: &str) -> Option<Cow<'r, str>> {
    let all = form_urlencoded::parse(request.query?.as_bytes());
    let mut values = all.filter(|(known, _)| known == name).map(|(_, value)| value);
    let value = values.next()?;
    values.next().is_none().then_some(value)
}

/// The `user:password` of HTTP Basic authentication (RFC 7617 §2).
pub(super) fn basic_credentials(request: &Request<'_>) -> Option<Vec<u8>> {
    let (scheme, encoded) = request.headers.text("authorization")?.split_once(' ')?;
    let basic = scheme.eq_ignore_ascii_case("basic");
    basic.then(|| base64(encoded)).flatten()
}
