//! What was refused, kept for a while outside the store: until somebody has corrected a key.

mod index;
mod memory;

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use mailtrail_core::id::Endpoint;
use mailtrail_core::store::BoxError;

pub use index::{Index, Limits};
pub use memory::MemoryRing;

use crate::provider::Refused;
use crate::{Headers, Request};

/// Where refused requests are kept: a ring for each endpoint, the oldest first out.
///
/// # For implementors
/// Keep to [`Limits`], by an [`Index`]: whoever finds the URL may fill the ring, so it must neither grow nor
/// let one peer push out all others. Calls come from async code: a write may take no longer than one
/// to the page cache, and needs no sync. What is kept survives the process, not a power cut.
pub trait RefusedRing: Send + Sync + fmt::Debug {
    /// Keeps a request, and lets go of what is over the limits. One that is alone over them is not kept.
    ///
    /// # Errors
    /// [`RingError`]: it is not kept.
    fn keep(&self, request: &RefusedRequest) -> Result<(), RingError>;

    /// What is kept, of one endpoint or of all, the oldest first.
    ///
    /// # Errors
    /// [`RingError`].
    fn list(&self, endpoint: Option<&Endpoint>) -> Result<Vec<Kept>, RingError>;

    /// A request; `None` if it is gone.
    ///
    /// # Errors
    /// [`RingError`].
    fn read(&self, id: RefusedId) -> Result<Option<RefusedRequest>, RingError>;

    /// Says why it is refused now. One that is gone stays so.
    ///
    /// # Errors
    /// [`RingError`]: the earlier cause stands.
    fn refuse_again(&self, id: RefusedId, cause: Refused) -> Result<(), RingError>;

    /// Lets go of a request. One that is gone stays so.
    ///
    /// # Errors
    /// [`RingError`]: it is kept.
    fn remove(&self, id: RefusedId) -> Result<(), RingError>;

    /// Lets go of what came before this time. Says of how many.
    ///
    /// # Errors
    /// [`RingError`]: some may be gone.
    fn expire(&self, before: DateTime<Utc>) -> Result<u64, RingError>;
}

/// A request that was refused, as it came.
#[derive(Clone)]
#[non_exhaustive]
pub struct RefusedRequest {
    /// The account that it was for.
    pub endpoint: Endpoint,
    /// When it came: time-stamped signatures are judged at this time, also later.
    pub received_at: DateTime<Utc>,
    /// Why it is refused.
    pub cause: Refused,
    /// Who sent it.
    pub peer: Option<IpAddr>,
    /// The HTTP method.
    pub method: Box<str>,
    /// The query of the URL.
    pub query: Option<Box<str>>,
    /// The header fields.
    pub headers: Headers,
    /// The raw body.
    pub body: Bytes,
}

impl RefusedRequest {
    /// The request to this endpoint, refused for this.
    pub fn new(endpoint: Endpoint, request: &Request<'_>, cause: Refused) -> Self {
        Self {
            endpoint,
            received_at: request.now,
            cause,
            peer: request.peer,
            method: request.method.into(),
            query: request.query.map(Into::into),
            headers: request.headers.clone(),
            body: Bytes::copy_from_slice(request.body),
        }
    }

    /// The request as it came, at the time when it came.
    pub fn request(&self) -> Request<'_> {
        Request::new(&self.body, self.received_at)
            .method(&self.method)
            .headers(self.headers.clone())
            .query(self.query.as_deref())
            .peer(self.peer)
    }

    /// How much it counts against the limits: all that the peer decides about.
    pub fn bytes(&self) -> u64 {
        let field = |(name, value): (&str, &[u8])| name.len().saturating_add(value.len());
        let fields = self.headers.iter().map(field).fold(0, usize::saturating_add);
        let query = self.query.as_deref().map_or(0, str::len);
        let all = [self.body.len(), fields, query, self.method.len()];
        u64::try_from(all.into_iter().fold(0, usize::saturating_add)).unwrap_or(u64::MAX)
    }

    /// What a list says of it.
    pub fn kept(&self, id: RefusedId) -> Kept {
        Kept {
            id,
            endpoint: self.endpoint.clone(),
            received_at: self.received_at,
            cause: self.cause,
            peer: self.peer,
            bytes: self.bytes(),
        }
    }
}

impl fmt::Debug for RefusedRequest {
    /// As [`Request`]'s: without what holds secrets and people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RefusedRequest")
            .field("endpoint", &self.endpoint)
            .field("cause", &self.cause)
            .field("request", &self.request())
            .finish_non_exhaustive()
    }
}

/// What a list says of a refused request.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Kept {
    /// Which one.
    pub id: RefusedId,
    /// The account that it was for.
    pub endpoint: Endpoint,
    /// When it came.
    pub received_at: DateTime<Utc>,
    /// Why it is refused.
    pub cause: Refused,
    /// Who sent it.
    pub peer: Option<IpAddr>,
    /// How much it counts against the limits.
    pub bytes: u64,
}

/// The number of a refused request: later ones have higher ones.
///
/// ```
/// use mailtrail_webhook::refused::RefusedId;
/// let id: RefusedId = "00000000000000000042".parse()?;
/// assert_eq!((id.get(), id.to_string().as_str()), (42, "00000000000000000042"));
/// # Ok::<(), std::num::ParseIntError>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RefusedId(u64);

impl RefusedId {
    /// The request of this number.
    pub fn new(number: u64) -> Self {
        Self(number)
    }

    /// The number.
    pub fn get(self) -> u64 {
        self.0
    }

    /// The one after it.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for RefusedId {
    /// Of one width, so that names are sorted as numbers are.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:020}", self.0)
    }
}

impl FromStr for RefusedId {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

/// Why the ring did not do it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RingError {
    /// It is not to be had now.
    #[error("the refused requests are not available")]
    Unavailable {
        /// Why.
        #[source]
        cause: BoxError,
    },
}

/// How long refused requests are kept.
pub const KEPT_FOR: TimeDelta = TimeDelta::days(7);
