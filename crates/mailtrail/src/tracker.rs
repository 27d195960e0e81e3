//! The tracker: one store, and all that one does with it.

use std::fmt;
use std::sync::Arc;

use chrono::Utc;
use mailtrail_core::clock::Clock;
use mailtrail_core::event::{
    AddressBlocked, AddressUnblocked, BlockCause, EncodeError, Envelope, Provenance, Source,
};
use mailtrail_core::evidence::Explanation;
use mailtrail_core::plan::{Broadcast, Contact, PlanError, PlanReport, Planner};
use mailtrail_core::projection::StateStore;
use mailtrail_core::store::{AppendError, Appended, EventStoreExt, ReadError};
use mailtrail_core::suppression::{Scope, Suppression};
use mailtrail_core::{
    DeliveryId, EmailAddress, Event, EventId, EventStore, Evidence, Fact, Feedback, NewEvent,
    Private, StreamId,
};

/// Everything that one does with a store: plan, record, ask, block. Cheap to clone.
///
/// # Guarantees
/// What a call has recorded is as durable as the store promises when the call returns. Every call may
/// be repeated: the same facts are the same events.
///
/// # Example
/// ```
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// use mailtrail::core::suppression::Scope;
/// use mailtrail::Tracker;
/// let tracker = Tracker::builder(mailtrail::memory::MemoryStore::new()).open();
/// let ann = "ann@a.example".parse()?;
/// tracker.block(&ann, Scope::AllKinds, "office", None).await?;
/// assert!(tracker.suppression(&ann).await?.blocked_for(&"general".parse()?).is_some());
/// # Ok::<(), Box<dyn std::error::Error>>(()) })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Tracker {
    store: Arc<dyn EventStore>,
    clock: Arc<dyn Clock>,
    states: Option<Arc<dyn StateStore>>,
    source: Source,
}

/// Sets up a [`Tracker`].
pub struct Builder {
    store: Arc<dyn EventStore>,
    clock: Arc<dyn Clock>,
    states: Option<Arc<dyn StateStore>>,
}

impl Builder {
    /// With another clock than the system's.
    pub fn clock(mut self, clock: impl Clock + 'static) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// With a place where the states of reports are kept, so that a report of a large store opens at once.
    pub fn states(mut self, states: Arc<dyn StateStore>) -> Self {
        self.states = Some(states);
        self
    }

    /// The tracker.
    pub fn open(self) -> Tracker {
        let source = Source::known("cli");
        Tracker { store: self.store, clock: self.clock, states: self.states, source }
    }
}

impl Tracker {
    /// A tracker over a store of its own.
    pub fn builder(store: impl EventStore + 'static) -> Builder {
        Self::shared(Arc::new(store))
    }

    /// A tracker over a store that others use too.
    #[expect(clippy::disallowed_methods, reason = "the default clock is the system's")]
    pub fn shared(store: Arc<dyn EventStore>) -> Builder {
        Builder { store, clock: Arc::new(Utc::now), states: None }
    }

    /// The same, with a name of its own: entries of the Blocked Email list say that this brought them, instead of `cli`.
    pub fn named(mut self, source: Source) -> Self {
        self.source = source;
        self
    }

    /// The store.
    pub fn store(&self) -> &Arc<dyn EventStore> {
        &self.store
    }

    /// Where the states of reports are kept, if anywhere.
    pub fn states(&self) -> Option<&Arc<dyn StateStore>> {
        self.states.as_ref()
    }

    /// The clock.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// Plans a broadcast to contacts. Planning the same again changes nothing.
    ///
    /// # Errors
    /// [`PlanError`]: what was planned before stays; plan the same list again to go on.
    pub async fn plan(
        &self,
        broadcast: Broadcast,
        contacts: impl IntoIterator<Item = Contact>,
    ) -> Result<PlanReport, PlanError> {
        let mut planner = Planner::open(&*self.store, broadcast, &*self.clock).await?;
        for contact in contacts {
            planner.add(contact).await?;
        }
        planner.finish().await
    }

    /// Records feedback. What is known already is stored no second time.
    ///
    /// # Errors
    /// [`RecordError`]: bring all of it again.
    pub async fn record(
        &self,
        feedback: impl IntoIterator<Item = Feedback>,
    ) -> Result<Appended, RecordError> {
        let namespace = self.store.namespace();
        let facts = feedback.into_iter().map(|feedback| feedback.into_event(&namespace));
        Ok(self.store.record(facts.collect::<Result<_, _>>()?).await?)
    }

    /// The events of a delivery: its own, and those of the keys that it names, in order of arrival.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn trail(&self, delivery: DeliveryId) -> Result<Vec<Envelope>, ReadError> {
        let mut trail = self.store.stream(StreamId::delivery(delivery)).await?;
        let evidence = join(&trail);
        for key in evidence.keys() {
            trail.extend(self.store.stream(*key).await?);
        }
        trail.sort_by_key(|envelope| envelope.position);
        Ok(trail)
    }

    /// What is known about a delivery.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn evidence(&self, delivery: DeliveryId) -> Result<Evidence, ReadError> {
        Ok(join(&self.trail(delivery).await?))
    }

    /// Why a delivery has its status.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn explain(&self, delivery: DeliveryId) -> Result<Explanation, ReadError> {
        Ok(Explanation::of(&self.trail(delivery).await?))
    }

    /// Puts an address on the blocked list.
    ///
    /// # Errors
    /// [`RecordError`]: nothing has changed.
    pub async fn block(
        &self,
        address: &EmailAddress,
        scope: Scope,
        actor: &str,
        note: Option<&str>,
    ) -> Result<Appended, RecordError> {
        let event = AddressBlocked::new(scope, BlockCause::Manual).into();
        self.list_entry(address, event, actor, note).await
    }

    /// Takes an address off the blocked list. The block of another scope stays.
    ///
    /// # Errors
    /// [`RecordError`]: nothing has changed.
    pub async fn unblock(
        &self,
        address: &EmailAddress,
        scope: Scope,
        actor: &str,
        note: Option<&str>,
    ) -> Result<Appended, RecordError> {
        self.list_entry(address, AddressUnblocked::new(scope).into(), actor, note).await
    }

    /// The blocked-list entries of an address.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn suppression(&self, address: &EmailAddress) -> Result<Suppression, ReadError> {
        let stream = StreamId::address(&self.store.namespace(), address);
        Ok(Suppression::of(&self.store.stream(stream).await?))
    }

    /// A fresh id for what is observed now.
    ///
    /// # Errors
    /// [`RecordError::Random`] if the operating system has no randomness.
    pub fn observed(&self) -> Result<EventId, RecordError> {
        let mut random = [0; 10];
        getrandom::fill(&mut random).map_err(RecordError::Random)?;
        Ok(EventId::observed(self.clock.now(), random))
    }

    async fn list_entry(
        &self,
        address: &EmailAddress,
        event: Event,
        actor: &str,
        note: Option<&str>,
    ) -> Result<Appended, RecordError> {
        let mut private = Private::default();
        private.address = Some(address.as_given().into());
        private.normal_address = Some(address.normal().into());
        private.text = note.map(Into::into);
        let fact = Fact::new(event);
        let event = NewEvent::new(self.observed()?, &fact, &private, self.source.clone())?
            .occurred_at(Some(self.clock.now()))
            .provenance(Provenance::observed())
            .actor(actor);
        let stream = StreamId::address(&self.store.namespace(), address);
        Ok(self.store.record(vec![(stream, event)]).await?)
    }
}

impl fmt::Debug for Tracker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tracker").field("store", &self.store).finish_non_exhaustive()
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder").field("store", &self.store).finish_non_exhaustive()
    }
}

/// What these events come to.
pub(crate) fn join(events: &[Envelope]) -> Evidence {
    let mut evidence = Evidence::default();
    for envelope in events {
        evidence.add_envelope(envelope);
    }
    evidence
}

/// Why facts were not recorded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// The store refused them.
    #[error("the facts could not be stored")]
    Append(#[from] AppendError),
    /// A fact can't be written.
    #[error("a fact can't be written")]
    Encode(#[from] EncodeError),
    /// The operating system has no randomness for an id.
    #[error("no randomness for a new id")]
    Random(#[source] getrandom::Error),
}
