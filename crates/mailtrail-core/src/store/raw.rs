//! What came in, as it came in: bytes named by their hash.

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};

use super::error::BoxError;
use crate::event::RawHash;

/// Keeps raw requests and reports beside the log, so that they can be read again by better rules.
#[async_trait]
pub trait RawStore: Send + Sync + std::fmt::Debug {
    /// Keeps the bytes, durably, and names them. Putting the same bytes again changes nothing.
    ///
    /// # Errors
    /// [`RawError`]: nothing is kept.
    async fn put(&self, bytes: Bytes) -> Result<RawHash, RawError>;

    /// The bytes of this name; `None` if they were never put, or have expired.
    ///
    /// # Errors
    /// [`RawError::Corrupt`] if they no longer have their hash.
    async fn read(&self, hash: RawHash) -> Result<Option<Bytes>, RawError>;

    /// Deletes these bytes: for an erasure. Says how many were there.
    ///
    /// # Errors
    /// [`RawError`]: some may be deleted.
    async fn remove(&self, hashes: &[RawHash]) -> Result<u64, RawError>;

    /// Deletes what was put last before this time. Says how many.
    ///
    /// # Errors
    /// [`RawError`]: some may be deleted.
    async fn expire(&self, before: DateTime<Utc>) -> Result<u64, RawError>;
}

/// Why raw bytes could not be kept or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RawError {
    /// The raw store is not to be had now.
    #[error("the raw store is not available")]
    Unavailable {
        /// Why.
        #[source]
        cause: BoxError,
    },
    /// The bytes no longer have their hash.
    #[error("raw bytes {hash} are damaged")]
    Corrupt {
        /// Their name.
        hash: RawHash,
    },
}
