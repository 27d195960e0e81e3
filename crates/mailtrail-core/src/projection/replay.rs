//! Reading old events again, into a state.

use super::as_of::AsOf;
use super::checkpoint::Checkpoint;
use super::{ApplyError, Projection};
use crate::id::EventId;
use crate::store::{EventStore, Position, ReadError};

/// Applies everything after a checkpoint up to the head as it is when the end is reached.
///
/// Memory is bounded by one page beside the state. Cancelled, it leaves the state somewhere between
/// the old and the new checkpoint: throw it away, or keep state and checkpoint together only after
/// this returns.
///
/// # Errors
/// [`ReplayError`] says where it stopped: all before that event is in the state.
pub async fn replay<P: Projection, S: EventStore + ?Sized>(
    store: &S,
    projection: &P,
    state: &mut P::State,
    from: Checkpoint,
    as_of: &AsOf,
) -> Result<Checkpoint, ReplayError> {
    let filter = projection.filter();
    let mut next = Some(from.position);
    let mut reached = from.position;
    while let Some(after) = next {
        let page = store.read_all(&filter, after, PAGE).await?;
        for envelope in page.events.iter().filter(|envelope| as_of.admits(envelope)) {
            projection.apply(envelope, state).map_err(|cause| ReplayError::Apply {
                position: envelope.position,
                event: envelope.event.event_id,
                cause,
            })?;
        }
        reached = page.scanned_to;
        next = page.next;
    }
    Ok(Checkpoint::at(reached))
}

/// Why a replay stopped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReplayError {
    /// The store could not be read.
    #[error("the events could not be read")]
    Read(#[from] ReadError),
    /// An event could not be applied.
    #[error("the projection stops at position {position} (event {event})")]
    Apply {
        /// Where.
        position: Position,
        /// Which.
        event: EventId,
        /// Why.
        #[source]
        cause: ApplyError,
    },
}

/// Events read at once.
const PAGE: usize = 4_096;
