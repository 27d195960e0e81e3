//! What was refused, verified again: after a key was corrected.

use std::collections::BTreeMap;

use mailtrail_core::id::Endpoint;
use mailtrail_core::store::BoxError;

use super::{Account, Failure, Intake, Taken};
use crate::provider::Refused;
use crate::refused::{Kept, RefusedRing, RingError};

/// What verifying again came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Retried {
    /// Requests that verified: their events are durable, and they are kept no longer.
    pub accepted: u64,
    /// Events that were new.
    pub new_events: u64,
    /// Events that were known already.
    pub known_events: u64,
    /// Requests that are refused still, by their present cause.
    pub refused: BTreeMap<Refused, u64>,
}

/// Why refused requests were not all verified again. Those before are recorded; run it again.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RetryError {
    /// No provider has this endpoint.
    #[error("no provider is configured for the endpoint {endpoint}")]
    UnknownEndpoint {
        /// The endpoint.
        endpoint: Endpoint,
    },
    /// The ring is not available.
    #[error(transparent)]
    Ring(#[from] RingError),
    /// The events of one that verified could not be recorded; it is kept.
    #[error("the events of a refused request could not be recorded")]
    NotRecorded {
        /// Why.
        #[source]
        cause: BoxError,
    },
}

impl Intake {
    /// Verifies again what was refused at an endpoint, by the accounts as they are now: records what
    /// verifies, and keeps the rest with its present cause. A time-stamped signature is judged at the
    /// time when the request came.
    ///
    /// A request goes out of the ring after its events are durable. So an interruption loses none,
    /// and the next run finds its events known.
    ///
    /// # Errors
    /// [`RetryError`].
    ///
    /// # Example
    /// ```
    /// # futures_executor::block_on(async {
    /// use std::sync::Arc;
    /// use mailtrail_classify::Classifier;
    /// use mailtrail_core::{id::Endpoint, token::{Key, Keys}};
    /// use mailtrail_webhook::provider::{Access, Account};
    /// use mailtrail_webhook::refused::{MemoryRing, RefusedRing};
    /// use mailtrail_webhook::{Headers, Intake, Request, Secret};
    /// # let store = Arc::new(mailtrail_memory::MemoryStore::new());
    /// # let now = chrono::DateTime::from_timestamp(1_700_000_000, 0).unwrap();
    /// # let classifier = Classifier::builtin()?;
    ///
    /// let (ring, endpoint) = (Arc::new(MemoryRing::default()), Endpoint::new("postmark")?);
    /// let intake = |password| {
    ///     let access = Access::new().credential(Secret::basic("mail", password));
    /// #   let (store, classifier) = (store.clone(), classifier.clone());
    ///     let keys = Keys::new(Key::new(1, [7; 32]));
    ///     let account = Account::new(endpoint.clone(), "postmark", access)?;
    ///     let intake = Intake::new(store, keys, classifier, move || now, || [3; 10]);
    ///     Ok::<_, Box<dyn std::error::Error>>(intake.refused_ring(ring.clone()).provider(account))
    /// };
    /// let body = br#"{"RecordType":"Delivery","MessageID":"m-1","Recipient":"ann@a.example"}"#;
    /// let headers = Headers::new().with("Authorization", "Basic bWFpbDp0cmFpbA==");
    /// let request = Request::new(body, now).headers(headers);
    /// assert_eq!(intake("mistyped")?.webhook("postmark", &request).await.status, 401);
    ///
    /// let corrected = intake("trail")?;
    /// assert_eq!(corrected.retry_refused(&endpoint).await?.new_events, 1);
    /// assert!(ring.list(None)?.is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
    /// ```
    pub async fn retry_refused(&self, endpoint: &Endpoint) -> Result<Retried, RetryError> {
        let unknown = || RetryError::UnknownEndpoint { endpoint: endpoint.clone() };
        let account = self.account(endpoint.as_str()).ok_or_else(unknown)?;
        let mut retried = Retried::default();
        if let Some(ring) = &self.refused {
            for kept in ring.list(Some(endpoint))? {
                self.retry(&account, &**ring, &kept, &mut retried).await?;
            }
        }
        Ok(retried)
    }

    async fn retry(
        &self,
        account: &Account,
        ring: &dyn RefusedRing,
        kept: &Kept,
        retried: &mut Retried,
    ) -> Result<(), RetryError> {
        let Some(refused) = ring.read(kept.id)? else { return Ok(()) };
        match self.take(account, &refused.request()).await {
            Ok(taken) => {
                let (all, new) = match &taken {
                    Taken::Events(appended) => (appended.events.len(), appended.new_events()),
                    Taken::Handshake(_) => (0, 0),
                };
                add(&mut retried.accepted, 1);
                add(&mut retried.new_events, new);
                add(&mut retried.known_events, all.saturating_sub(new));
                ring.remove(kept.id)?;
            }
            Err(Failure::Refused(cause)) => {
                add(retried.refused.entry(cause).or_default(), 1);
                if cause != kept.cause {
                    ring.refuse_again(kept.id, cause)?;
                }
            }
            Err(Failure::Passing(cause)) => return Err(RetryError::NotRecorded { cause }),
        }
        Ok(())
    }
}

fn add(sum: &mut u64, count: usize) {
    *sum = sum.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
}
