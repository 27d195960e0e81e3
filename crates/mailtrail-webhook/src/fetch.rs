//! Fetching what a provider's request names: a certificate, a subscription that is to be confirmed.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use mailtrail_core::store::BoxError;

/// Fetches by HTTPS.
///
/// # For implementors
/// Only URLs come here whose host was checked to be the provider's. Follow no redirect, wait for ten
/// seconds at most, read 64 KiB at most: what answers is not trusted before its signature holds.
#[async_trait]
pub trait Fetch: Send + Sync {
    /// The body of what is there.
    ///
    /// # Errors
    /// [`FetchError`]: anything but a body with status 200.
    async fn get(&self, url: &str) -> Result<String, FetchError>;
}

/// Why something could not be fetched.
#[derive(Debug, thiserror::Error)]
#[error("{url} could not be fetched")]
#[non_exhaustive]
pub struct FetchError {
    /// What was to be fetched.
    pub url: String,
    /// Why not.
    #[source]
    pub cause: BoxError,
}

impl FetchError {
    /// That something was not fetched, and why.
    pub fn new(url: &str, cause: impl Into<BoxError>) -> Self {
        Self { url: url.to_owned(), cause: cause.into() }
    }
}

/// What was fetched, by its URL: providers change certificates once a year, and sign with one of a few.
pub(crate) struct Fetched {
    source: Arc<dyn Fetch>,
    kept: Mutex<BTreeMap<Box<str>, Kept>>,
}

/// A text, or when it could not be fetched.
#[derive(Clone)]
enum Kept {
    Text(Arc<str>),
    Failed(DateTime<Utc>),
}

impl Fetched {
    pub(crate) fn new(source: Arc<dyn Fetch>) -> Self {
        Self { source, kept: Mutex::default() }
    }

    /// The text at a URL: fetched once, and after a failure not again for a minute, so that requests
    /// that name it can't make us call anybody at will.
    pub(crate) async fn get(&self, url: &str, now: DateTime<Utc>) -> Option<Arc<str>> {
        match self.kept().get(url).cloned() {
            Some(Kept::Text(text)) => return Some(text),
            Some(Kept::Failed(at)) if now.signed_duration_since(at) < REST => return None,
            _ => {}
        }
        let fetched = self.source.get(url).await.ok().map(Arc::<str>::from);
        let kept = fetched.clone().map_or(Kept::Failed(now), Kept::Text);
        let mut all = self.kept();
        if all.len() >= MOST {
            all.clear();
        }
        all.insert(url.into(), kept);
        fetched
    }

    /// Fetches something for what that does, not for what it says.
    pub(crate) async fn visit(&self, url: &str) -> Result<(), FetchError> {
        self.source.get(url).await.map(drop)
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, BTreeMap<Box<str>, Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Fetched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fetched").field("kept", &self.kept().len()).finish_non_exhaustive()
    }
}

/// URLs that are kept: more than SNS has regions.
const MOST: usize = 64;
const REST: TimeDelta = TimeDelta::minutes(1);
