//! A plan for which no store could be asked.

use std::collections::HashMap;

use chrono::{DateTime, Utc};

use super::broadcast::{Broadcast, Contact};
use super::chunk::{Chunk, candidates};
use super::planner::created;
use crate::event::{EncodeError, NewEvent};
use crate::id::{Namespace, StreamId};

/// The facts of planning these contacts while the store can't be asked, to be recorded later: nobody
/// counts as blocked, and no address as claimed by other contacts than these.
///
/// Their ids are those that a [`Planner`](super::Planner) gives. So where a row turns out to be planned
/// already, it stays as it was.
///
/// # Errors
/// [`EncodeError`]: a row can't be written.
///
/// # Example
/// ```
/// # futures_executor::block_on(async {
/// use mailtrail_core::plan::{Broadcast, Contact, ContactAddress, Planner, unasked};
/// use mailtrail_core::{EventStore, EventStoreExt};
/// let store = mailtrail_memory::MemoryStore::new();
/// let broadcast = Broadcast::new("snow-day".parse()?, "emergency".parse()?);
/// let ann = Contact::new("c1".parse()?).address(ContactAddress::new("ann@a.example"));
///
/// let now = chrono::DateTime::UNIX_EPOCH;
/// let facts = unasked(&store.namespace(), &broadcast, [ann.clone()], now)?;
/// store.record(facts).await?;
///
/// let clock = || chrono::DateTime::UNIX_EPOCH;
/// let mut planner = Planner::open(&store, broadcast, &clock).await?;
/// planner.add(ann).await?;
/// assert_eq!(planner.finish().await?.unchanged, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
/// ```
pub fn unasked(
    namespace: &Namespace,
    broadcast: &Broadcast,
    contacts: impl IntoIterator<Item = Contact>,
    now: DateTime<Utc>,
) -> Result<Vec<(StreamId, NewEvent)>, EncodeError> {
    let rows =
        contacts.into_iter().flat_map(|contact| candidates(namespace, broadcast, &contact).0);
    let (claimed, blocked) = (HashMap::new(), HashMap::new());
    let chunk = Chunk { candidates: rows.collect(), claimed, blocked };
    let batch = chunk.batch(namespace, broadcast, &chunk.decide(broadcast), now)?;
    let mut facts = vec![created(namespace, broadcast, now)?];
    facts.extend(batch.events().map(|(stream, event)| (stream, event.clone())));
    Ok(facts)
}
