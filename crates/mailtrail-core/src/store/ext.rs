//! What one does with a store all day.

use async_trait::async_trait;

use super::append::{AppendBatch, Appended, Expected};
use super::contract::EventStore;
use super::error::{AppendError, ReadError};
use super::position::Version;
use crate::event::{Envelope, NewEvent};
use crate::id::StreamId;

/// Sugar over every [`EventStore`].
#[async_trait]
pub trait EventStoreExt: EventStore {
    /// Records facts, each on its own stream: stores what is new, and says which was known.
    ///
    /// Every port brings its facts this way. What is too large for one batch is halved until it
    /// fits; a batch of unknown outcome is brought again with the same ids.
    ///
    /// # Guarantees
    /// On `Ok` all facts are stored, as durably as the store promises. Facts of one call may become
    /// visible in several steps.
    ///
    /// # Errors
    /// [`AppendError`]: facts that fit into earlier batches may be stored; bring all of them again.
    async fn record(&self, facts: Vec<(StreamId, NewEvent)>) -> Result<Appended, AppendError> {
        let mut places = Vec::with_capacity(facts.len());
        let mut pending = vec![facts];
        while let Some(facts) = pending.pop() {
            let batch = each_on_its_own(facts);
            match append_again(self, &batch).await {
                Ok(appended) if places.is_empty() && pending.is_empty() => return Ok(appended),
                Ok(appended) => places.extend(appended.events),
                Err(AppendError::TooLarge { .. }) if batch.len() > 1 => {
                    let mut facts: Vec<_> = batch.into_events().collect();
                    let rest = facts.split_off(facts.len().div_euclid(2));
                    pending.extend([rest, facts]);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(Appended::of(places))
    }

    /// Appends a batch, and brings it again while it is unknown whether it was stored.
    ///
    /// # Errors
    /// As of [`append`](EventStore::append). What was unknown once and could not be found out is
    /// [`OutcomeUnknown`](AppendError::OutcomeUnknown), with the first cause: that the store is no longer to be had
    /// says nothing of the batch, and not why.
    async fn append_again(&self, batch: AppendBatch) -> Result<Appended, AppendError> {
        append_again(self, &batch).await
    }

    /// All events of a stream.
    ///
    /// # Errors
    /// [`ReadError`].
    async fn stream(&self, stream: StreamId) -> Result<Vec<Envelope>, ReadError> {
        let mut events = Vec::new();
        let mut from = Some(Version::FIRST);
        while let Some(version) = from {
            let page = self.read_stream(stream, version, PAGE).await?;
            events.extend(page.events);
            from = page.next;
        }
        Ok(events)
    }
}

impl<S: EventStore + ?Sized> EventStoreExt for S {}

/// A batch of facts that go each on its own stream.
fn each_on_its_own(facts: Vec<(StreamId, NewEvent)>) -> AppendBatch {
    let add = |batch: AppendBatch, (stream, event): (StreamId, NewEvent)| {
        batch.write(stream, Expected::Any, vec![event])
    };
    facts.into_iter().fold(AppendBatch::new(), add).skip_known()
}

/// By reference: it is brought a second time only if need be.
async fn append_again<S: EventStore + ?Sized>(
    store: &S,
    batch: &AppendBatch,
) -> Result<Appended, AppendError> {
    let mut unknown = None;
    for _ in 0..TRIES {
        match store.append(batch.clone()).await {
            Err(AppendError::OutcomeUnknown { cause }) => {
                unknown.get_or_insert(cause);
            }
            Err(error @ AppendError::Unavailable { .. }) if unknown.is_none() => return Err(error),
            Err(AppendError::Unavailable { .. }) => break,
            answer => return answer,
        }
    }
    let cause = unknown.unwrap_or_else(|| "the batch was never brought".into());
    Err(AppendError::OutcomeUnknown { cause })
}

/// How often a batch of unknown outcome is brought.
const TRIES: usize = 3;
/// Events asked for at once.
const PAGE: usize = 1_000;
