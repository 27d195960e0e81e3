//! Where the mail of a domain goes, as the domain name system says.

use std::fmt;
use std::net::IpAddr;

use async_trait::async_trait;
use mailtrail_core::store::BoxError;

/// A mail exchanger (RFC 5321 §5.1). A host of no labels says that the domain takes no mail (RFC 7505).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct Mx {
    /// The lower, the earlier.
    pub preference: u16,
    /// Its name, without the last dot.
    pub host: Box<str>,
}

impl Mx {
    /// An exchanger.
    pub fn new(preference: u16, host: &str) -> Self {
        Self { preference, host: host.trim_end_matches('.').into() }
    }
}

/// Asks the domain name system. Implement it to bring a resolver of your own.
///
/// # For implementors
/// That there is nothing of the kind is an answer (an empty list), that the name doesn't exist
/// another ([`NoSuchName`](ResolveError::NoSuchName)), and no answer is [`Failed`](ResolveError::Failed):
/// the first two are the recipient's fault, the last is tried again.
#[async_trait]
pub trait Resolver: fmt::Debug + Send + Sync {
    /// The exchangers of a domain, in any order.
    ///
    /// # Errors
    /// [`ResolveError`].
    async fn mx(&self, domain: &str) -> Result<Vec<Mx>, ResolveError>;

    /// The addresses of a host, in the order in which they are tried.
    ///
    /// # Errors
    /// [`ResolveError`].
    async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, ResolveError>;
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ResolveError {
    /// The name doesn't exist (RFC 1035 §4.1.1, `NXDOMAIN`).
    #[error("the name does not exist")]
    NoSuchName,
    /// There was no answer, or none that says anything: ask again later.
    #[error("the name server gave no answer")]
    Failed(#[source] BoxError),
}
