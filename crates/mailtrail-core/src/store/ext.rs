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
        while let Some(mut facts) = pending.pop() {
            match self.record_batch(&facts).await {
                Ok(appended) => places.extend(appended.events),
                Err(AppendError::TooLarge { .. }) if facts.len() > 1 => {
                    let rest = facts.split_off(facts.len().div_euclid(2));
                    pending.extend([rest, facts]);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(Appended::of(places))
    }

    /// One batch of [`record`](Self::record).
    ///
    /// # Errors
    /// As of `record`.
    async fn record_batch(&self, facts: &[(StreamId, NewEvent)]) -> Result<Appended, AppendError> {
        let add = |batch: AppendBatch, (stream, event): &(StreamId, NewEvent)| {
            batch.write(*stream, Expected::Any, vec![event.clone()])
        };
        let batch = facts.iter().fold(AppendBatch::new(), add).skip_known();
        for _ in 1..TRIES {
            match self.append(batch.clone()).await {
                Err(AppendError::OutcomeUnknown { .. }) => {}
                answer => return answer,
            }
        }
        self.append(batch).await
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

/// How often a batch of unknown outcome is brought.
const TRIES: usize = 3;
/// Events asked for at once.
const PAGE: usize = 1_000;
