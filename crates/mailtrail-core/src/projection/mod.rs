//! Projections: states built from events alone, and pure replay into them.

mod as_of;
mod change;
mod checkpoint;
mod deliveries;
mod replay;
mod state;
mod state_store;
mod table;

pub use as_of::{AsOf, AsOfError};
pub use change::Change;
pub use checkpoint::{Checkpoint, CheckpointError, CheckpointStore, Pause, checked_name};
pub use deliveries::{Deliveries, Knowledge};
pub use replay::{ReplayError, replay};
pub use state::{Emit, Entry, KeptState, Pages, Parted, StateDigest};
pub use state_store::{StateError, StateId, StateSnapshot, StateStore};
pub use table::{Table, TableKey, TableValue};

use crate::event::Envelope;
use crate::store::Filter;

/// Turns events into a state. Pure and synchronous; whoever runs it does the rest.
///
/// # For implementors
/// Rebuilding, catching up and any split into batches must give the same state. An event that the
/// projection can't apply is an error that names it: the runner pauses there.
///
/// # Example
/// ```
/// use mailtrail_core::event::Envelope;
/// use mailtrail_core::projection::{ApplyError, Projection};
/// use mailtrail_core::store::Filter;
///
/// /// Counts complaints.
/// struct Complaints;
///
/// impl Projection for Complaints {
///     type State = u64;
///     fn name(&self) -> &'static str { "complaints" }
///     fn revision(&self) -> u32 { 1 }
///     fn filter(&self) -> Filter { Filter::all().event_type("complained") }
///     fn apply(&self, _: &Envelope, state: &mut u64) -> Result<(), ApplyError> {
///         *state += 1;
///         Ok(())
///     }
/// }
/// # futures_executor::block_on(async {
/// let store = mailtrail_memory::MemoryStore::new();
/// let mut complaints = 0;
/// mailtrail_core::projection::replay(&store, &Complaints, &mut complaints, Default::default(), &Default::default()).await.unwrap();
/// assert_eq!(complaints, 0);
/// # });
/// ```
pub trait Projection: Send + Sync {
    /// What it builds.
    type State: Default + Send;

    /// Its name, unique in a store.
    fn name(&self) -> &'static str;

    /// Raised whenever the same events give another state.
    fn revision(&self) -> u32;

    /// The events that it wants.
    fn filter(&self) -> Filter;

    /// Takes in an event. Comes once for each, in order of position.
    ///
    /// # Errors
    /// [`ApplyError`] pauses the projection at this event.
    fn apply(&self, envelope: &Envelope, state: &mut Self::State) -> Result<(), ApplyError>;

    /// Told which events come next, in this order, by whoever has many: a large state may bring nearer what it holds of them,
    /// as by [`Deliveries::look_ahead`]. Not told of each, and nothing may depend on it.
    fn look_ahead(&self, _next: &[&Envelope], _state: &Self::State) {}
}

/// Why an event was not applied.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ApplyError {
    /// The projection can't apply it: it pauses there.
    #[error("the event can't be applied: {why}")]
    Refused {
        /// Why.
        why: Box<str>,
    },
    /// An entry of the kept state could not be read: nothing is wrong with the event.
    #[error("the kept state can't be read")]
    State(#[from] StateError),
}

impl ApplyError {
    /// The projection can't apply it, for this reason.
    pub fn new(why: impl Into<Box<str>>) -> Self {
        Self::Refused { why: why.into() }
    }
}
