//! Keeps the state of a projection: builds it, catches up, saves, and pauses where it can't go on.

use std::fmt;
use std::num::NonZero;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use mailtrail_core::event::ChainHash;
use mailtrail_core::projection::{
    ApplyError, AsOf, Checkpoint, KeptState, Pages, Parted, Pause, Projection, ReplayError,
    StateDigest, StateError, StateId, StateStore,
};
use mailtrail_core::store::{Filter, ReadError};
use mailtrail_core::{Envelope, EventStore, Position};

use super::build::{apply, build};
use super::progress::{Meter, Progress};
use super::steps::{Heard, Steps};

/// Runs one projection over a store, and keeps its state.
///
/// # Guarantees
/// - State and checkpoint are saved in one step: each event is in the kept state exactly once.
/// - Cancelled at any time, it leaves the state as it was saved last.
/// - An event that can't be applied pauses the projection before it: everything else goes on. The pause is
///   kept, until someone says to [resume](Self::resume) or to [skip](Self::skip) that event.
/// - A state that is damaged, of another log, or of an older revision is no error: it is built anew, and the
///   older revision is discarded when the new one has caught up.
///
/// # Example
/// ```
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// use std::sync::Arc;
/// use mailtrail::memory::{MemoryStates, MemoryStore};
/// use mailtrail::projection::Runner;
/// use mailtrail::report::BroadcastSummary;
///
/// let (store, states) = (Arc::new(MemoryStore::new()), Arc::new(MemoryStates::default()));
/// let runner = Runner::parted(store, states, BroadcastSummary);
/// runner.catch_up(&mut |_| ()).await?;
/// let summary = runner.state()?.expect("caught up").of(&"snow-day".parse()?)?;
/// assert_eq!(summary.rows(), 0);
/// # Ok::<(), Box<dyn std::error::Error>>(()) })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Runner<P: Projection> {
    store: Arc<dyn EventStore>,
    states: Arc<dyn StateStore>,
    projection: P,
    build: Option<Build<P>>,
    meanwhile: Option<u32>,
    /// The number of another one's build, and since when it is that.
    seen: Mutex<Option<(u64, Instant)>>,
}

type Build<P> =
    fn(&dyn EventStore, &P, AsOf, &(dyn Fn(Position) + Sync)) -> Result<Built<P>, ReplayError>;
type Built<P> = (<P as Projection>::State, Position);

/// A state that is being worked on.
pub(super) struct Working<S> {
    state: S,
    kept: Option<Checkpoint>,
    at: Position,
    unsaved: usize,
    meter: Meter,
}

impl<P: Projection> Runner<P>
where
    P::State: KeptState,
{
    /// A runner that builds a new state event by event.
    pub fn new(store: Arc<dyn EventStore>, states: Arc<dyn StateStore>, projection: P) -> Self {
        Self { store, states, projection, build: None, meanwhile: None, seen: Mutex::new(None) }
    }

    /// A runner that builds a new state with all cores.
    pub fn parted(store: Arc<dyn EventStore>, states: Arc<dyn StateStore>, projection: P) -> Self
    where
        P::State: Parted,
    {
        let build: Build<P> = |store, projection, as_of, progress| {
            let threads = thread::available_parallelism().unwrap_or(NonZero::<usize>::MIN);
            build(store, projection, as_of, threads, progress)
        };
        Self { build: Some(build), ..Self::new(store, states, projection) }
    }

    /// Reads the state of this older revision for as long as the present one is being built. Only for one whose
    /// entries the present code reads alike.
    pub fn meanwhile(mut self, revision: u32) -> Self {
        self.meanwhile = Some(revision);
        self
    }

    /// Which state it keeps.
    pub fn id(&self) -> StateId {
        StateId::new(self.projection.name(), self.projection.revision())
    }

    /// The kept state, as it was saved last; `None` if there is none yet.
    ///
    /// # Errors
    /// [`StateError`].
    pub fn state(&self) -> Result<Option<P::State>, StateError> {
        Ok(self.state_and_checkpoint()?.map(|(state, _)| state))
    }

    /// The kept state, and how far it is. Its entries are read when they are asked for, as they are now, whatever is
    /// saved meanwhile.
    ///
    /// # Errors
    /// [`StateError`].
    pub fn state_and_checkpoint(&self) -> Result<Option<(P::State, Checkpoint)>, StateError> {
        let attach = |(pages, checkpoint): (Pages, _)| Ok((P::State::attach(&pages)?, checkpoint));
        self.pages()?.map(attach).transpose()
    }

    /// How far the kept state is that [`state`](Self::state) gives.
    ///
    /// # Errors
    /// [`StateError`].
    pub fn checkpoint(&self) -> Result<Option<Checkpoint>, StateError> {
        Ok(self.readable()?.map(|(_, checkpoint)| checkpoint))
    }

    /// The digest of the kept state, and how far that is.
    ///
    /// # Errors
    /// [`StateError`].
    pub fn digest(&self) -> Result<Option<(StateDigest, Checkpoint)>, StateError> {
        let digest = |(pages, checkpoint): (Pages, _)| Ok((pages.digest()?, checkpoint));
        self.pages()?.map(digest).transpose()
    }

    /// The digest of a state that is built anew, as of a position.
    ///
    /// # Errors
    /// [`RunError`].
    pub async fn digest_anew(
        &self,
        checkpoint: &Checkpoint,
        progress: &(dyn Fn(Position) + Sync),
    ) -> Result<StateDigest, RunError> {
        let as_of = AsOf::Position(checkpoint.position);
        if let Some(build) = self.build.filter(|_| checkpoint.skipped.is_empty()) {
            let (mut state, _) = build(&*self.store, &self.projection, as_of, progress)?;
            return Ok(StateDigest::of(&mut state)?);
        }
        let mut state = P::State::default();
        let (filter, mut next) = (self.projection.filter(), Some(Position::START));
        while let Some(after) = next {
            let page = self.store.read_all(&filter, after, PAGE).await?;
            for envelope in page.events.iter().filter(|envelope| as_of.admits(envelope)) {
                if !checkpoint.skipped.contains(&envelope.event.event_id) {
                    apply(&self.projection, envelope, &mut state)?;
                }
            }
            progress(page.scanned_to);
            next = page.next.filter(|at| *at < checkpoint.position);
        }
        Ok(StateDigest::of(&mut state)?)
    }

    /// Brings the state up to the head of the log, as it is when that is reached, and saves it. Says how far it
    /// got: with a [`Pause`] if there is an event that it can't apply.
    ///
    /// # Errors
    /// [`RunError`]: what was saved stays.
    pub async fn catch_up(
        &self,
        progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<Checkpoint, RunError> {
        self.go_on(&mut None, progress).await
    }

    /// Builds the state anew, whatever there is. What someone chose to leave out stays left out.
    ///
    /// # Errors
    /// As of [`catch_up`](Self::catch_up).
    pub async fn rebuild(
        &self,
        progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<Checkpoint, RunError> {
        let id = self.id();
        let kept = match self.states.checkpoint(&id) {
            // Damaged, it says nothing any more: the projection pauses again, and is asked again.
            Err(StateError::Corrupt { .. }) => None,
            kept => kept?,
        };
        self.states.discard(&id)?;
        if let Some(kept) = kept.filter(|kept| !kept.skipped.is_empty()) {
            // A build with all cores leaves nothing out; from here it goes event by event.
            let mut from = Checkpoint::default();
            (from.begun, from.skipped, from.behind) = (Some(draw()?), kept.skipped, true);
            self.states.save(&id, None, Vec::new(), &from)?;
        }
        self.catch_up(progress).await
    }

    /// Tries the event again at which the projection is paused.
    ///
    /// # Errors
    /// [`StateError`]; [`StateError::Moved`] if it has gone on meanwhile.
    pub fn resume(&self) -> Result<Option<Pause>, StateError> {
        resume(&*self.states, &self.id())
    }

    /// Leaves out the event at which the projection is paused, for ever.
    ///
    /// # Errors
    /// As of [`resume`](Self::resume).
    pub fn skip(&self) -> Result<Option<Pause>, StateError> {
        skip(&*self.states, &self.id())
    }

    pub(super) fn store(&self) -> &Arc<dyn EventStore> {
        &self.store
    }

    pub(super) fn name(&self) -> &'static str {
        self.projection.name()
    }

    /// As [`catch_up`](Self::catch_up), from what is being worked on.
    pub(super) async fn go_on(
        &self,
        working: &mut Option<Working<P::State>>,
        progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<Checkpoint, RunError> {
        let mut damaged = 0;
        loop {
            let done = match working {
                Some(working) => self.run(working, progress).await,
                None => match self.open(progress).await {
                    Ok(opened) => {
                        *working = Some(opened);
                        continue;
                    }
                    Err(error) => Err(error),
                },
            };
            match done {
                Err(RunError::State(StateError::Moved)) => *working = None,
                Err(RunError::State(StateError::Corrupt { .. })) if damaged < REBUILDS => {
                    damaged += 1;
                    *working = None;
                    self.states.discard(&self.id())?;
                }
                Err(error) => {
                    *working = None;
                    return Err(error);
                }
                done @ Ok(_) => return done,
            }
        }
    }

    /// The kept state to go on from; a new one, if there is none that fits the log.
    async fn open(
        &self,
        progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<Working<P::State>, RunError> {
        let id = self.id();
        let kept = self.states.checkpoint(&id)?;
        let fits = match &kept {
            Some(Checkpoint { building: Some(number), .. }) => {
                if self.is_alive(*number) {
                    return Err(RunError::BeingBuilt);
                }
                false
            }
            Some(kept) => self.belongs(kept).await?,
            None => false,
        };
        if !fits {
            self.states.discard(&id)?;
            self.build_state(progress).await?;
        }
        let kept = self.states.checkpoint(&id)?;
        let state = P::State::attach(&Pages::new(Arc::clone(&self.states), id))?;
        let at = kept.as_ref().map_or(Position::START, |kept| kept.position);
        Ok(Working { state, kept, at, unsaved: 0, meter: Meter::new(at) })
    }

    /// Whether another one still builds: its number changes as long as it does.
    fn is_alive(&self, number: u64) -> bool {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        match &*seen {
            Some((held, since)) if *held == number => since.elapsed() < GIVEN_UP,
            _ => {
                *seen = Some((number, Instant::now()));
                true
            }
        }
    }

    /// Whether a state was made from this log.
    async fn belongs(&self, kept: &Checkpoint) -> Result<bool, ReadError> {
        if kept.position > self.store.head().await?.position {
            return Ok(false);
        }
        Ok(kept.hash.is_none() || kept.hash == self.hash_at(kept.position).await?)
    }

    async fn hash_at(&self, position: Position) -> Result<Option<ChainHash>, ReadError> {
        let before = Position::new(position.get().saturating_sub(1));
        let page = self.store.read_all(&Filter::all(), before, 1).await?;
        let record = page.events.first().filter(|record| record.position == position);
        Ok(record.map(|record| record.hash))
    }

    /// Builds with all cores, and keeps what was built. A projection that can't be built so, or not without a
    /// pause, starts with nothing, and catches up event by event.
    async fn build_state(
        &self,
        progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<(), RunError> {
        let Some(build) = self.build else { return Ok(()) };
        // Said before the log is read: who erases something meanwhile takes this away, and with it the rest.
        let steps = Steps::begin(&*self.states, self.id(), draw()?)?;
        let heard = Heard::new(self.store.head().await?.position, steps, progress);
        let built = build(&*self.store, &self.projection, AsOf::Now, &|at| heard.reached(at));
        let (mut state, position) = match built {
            Ok(built) => built,
            Err(ReplayError::Apply { .. }) => return Ok(self.states.discard(&self.id())?),
            Err(error) => return Err(error.into()),
        };
        let mut steps = heard.into_steps()?;
        state.take_changes(&mut |entry| steps.take(entry))?;
        let mut done = Checkpoint::at(position);
        done.begun = Some(draw()?);
        done.hash = self.hash_at(position).await?;
        Ok(steps.finish(done)?)
    }

    async fn run(
        &self,
        working: &mut Working<P::State>,
        progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<Checkpoint, RunError> {
        if let Some(paused) = self.stands_still(working)? {
            return Ok(paused);
        }
        let filter = self.projection.filter();
        loop {
            let page = self.store.read_all(&filter, working.at, PAGE).await?;
            for envelope in &page.events {
                if working.is_skipped(envelope) {
                    continue;
                }
                match apply(&self.projection, envelope, &mut working.state) {
                    Ok(()) => working.unsaved += 1,
                    Err(ApplyError::State(error)) => return Err(error.into()),
                    Err(ApplyError::Refused { why }) => {
                        return self.pause(working, envelope, why).await;
                    }
                    Err(error) => {
                        return self.pause(working, envelope, error.to_string().into()).await;
                    }
                }
            }
            working.at = page.scanned_to.max(working.at);
            let caught_up = page.next.is_none();
            if working.unsaved >= SAVE_AFTER || caught_up {
                self.save(working, None, caught_up).await?;
            }
            progress(working.progress(page.head));
            if caught_up {
                return Ok(working.kept.clone().unwrap_or_default());
            }
        }
    }

    /// Whether a pause was there, and nobody has ended it.
    fn stands_still(&self, working: &Working<P::State>) -> Result<Option<Checkpoint>, RunError> {
        if self.states.checkpoint(&self.id())? != working.kept {
            return Err(StateError::Moved.into());
        }
        Ok(working.kept.clone().filter(|kept| kept.paused.is_some()))
    }

    /// Saves what was made of all events before this one, and that it comes next. The state in memory may be
    /// half changed: it is made again from what was saved.
    async fn pause(
        &self,
        working: &mut Working<P::State>,
        at: &Envelope,
        why: Box<str>,
    ) -> Result<Checkpoint, RunError> {
        let last = Position::new(at.position.get().saturating_sub(1));
        let from = working.kept.as_ref().map_or(Position::START, |kept| kept.position);
        working.state = P::State::attach(&Pages::new(Arc::clone(&self.states), self.id()))?;
        let (filter, mut next) = (self.projection.filter(), Some(from).filter(|from| *from < last));
        while let Some(after) = next {
            let page = self.store.read_all(&filter, after, PAGE).await?;
            for envelope in page.events.iter().take_while(|envelope| envelope.position <= last) {
                if !working.is_skipped(envelope) {
                    apply(&self.projection, envelope, &mut working.state)?;
                }
            }
            next = page.next.filter(|at| *at < last);
        }
        working.at = last;
        let pause = Pause::new(at.position, at.event.event_id, why);
        self.save(working, Some(pause), false).await?;
        Ok(working.kept.clone().unwrap_or_default())
    }

    async fn save(
        &self,
        working: &mut Working<P::State>,
        paused: Option<Pause>,
        caught_up: bool,
    ) -> Result<(), RunError> {
        let mut to = Checkpoint::at(working.at);
        to.begun = match &working.kept {
            Some(kept) => kept.begun,
            None => Some(draw()?),
        };
        to.paused = paused;
        to.behind = !caught_up && working.kept.as_ref().is_none_or(|kept| kept.behind);
        to.skipped = working.kept.as_ref().map(|kept| kept.skipped.clone()).unwrap_or_default();
        to.hash = self.hash_at(working.at).await?;
        if working.kept.as_ref() != Some(&to) {
            let mut entries = Vec::new();
            working.state.take_changes(&mut |entry| {
                entries.push(entry);
                Ok(())
            })?;
            self.states.save(&self.id(), working.kept.as_ref(), entries, &to)?;
            working.kept = Some(to);
        }
        if caught_up {
            self.discard_older()?;
        }
        working.unsaved = 0;
        Ok(())
    }

    /// The present revision has caught up: nobody reads the older ones any more.
    fn discard_older(&self) -> Result<(), StateError> {
        let id = self.id();
        let older = |(other, _): &(StateId, Checkpoint)| {
            other.name == id.name && other.revision < id.revision
        };
        let all = self.states.states()?;
        all.iter().filter(|state| older(state)).try_for_each(|(id, _)| self.states.discard(id))
    }

    /// The state to be read, as it is now.
    fn pages(&self) -> Result<Option<(Pages, Checkpoint)>, StateError> {
        while let Some((id, _)) = self.readable()? {
            // Discarded or built anew since, it is looked for again.
            if let Some(snapshot) = self.states.snapshot(&id)?
                && is_readable(snapshot.checkpoint())
            {
                let checkpoint = snapshot.checkpoint().clone();
                return Ok(Some((Pages::of(snapshot), checkpoint)));
            }
        }
        Ok(None)
    }

    /// Which state is to be read, and how far it is.
    fn readable(&self) -> Result<Option<(StateId, Checkpoint)>, StateError> {
        let older = self.meanwhile.map(|revision| StateId::new(self.projection.name(), revision));
        for id in std::iter::once(self.id()).chain(older) {
            if let Some(checkpoint) = self.states.checkpoint(&id)?.filter(is_readable) {
                return Ok(Some((id, checkpoint)));
            }
        }
        Ok(None)
    }
}

/// Whether a state is whole. One that stands still before it has ever caught up is: nothing else is to come.
fn is_readable(kept: &Checkpoint) -> bool {
    kept.building.is_none() && (!kept.behind || kept.paused.is_some())
}

impl<S> Working<S> {
    fn is_skipped(&self, envelope: &Envelope) -> bool {
        self.kept.as_ref().is_some_and(|kept| kept.skipped.contains(&envelope.event.event_id))
    }

    fn progress(&mut self, head: Position) -> Progress {
        let rate = self.meter.reached(self.at);
        Progress { position: self.at, head, rate, ..Progress::default() }
    }
}

impl<P: Projection> fmt::Debug for Runner<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runner")
            .field("projection", &self.projection.name())
            .finish_non_exhaustive()
    }
}

/// Ends the pause of a kept state, so that whoever runs it tries the event again. Says where it was paused.
///
/// # Errors
/// [`StateError`]; [`StateError::Moved`] if it has gone on meanwhile.
pub fn resume(states: &dyn StateStore, state: &StateId) -> Result<Option<Pause>, StateError> {
    end_pause(states, state, |_, _| ())
}

/// Ends the pause of a kept state, and leaves out the event that it was paused at, for ever.
///
/// # Errors
/// As of [`resume`].
pub fn skip(states: &dyn StateStore, state: &StateId) -> Result<Option<Pause>, StateError> {
    end_pause(states, state, |checkpoint, pause| checkpoint.skipped.push(pause.event))
}

fn end_pause(
    states: &dyn StateStore,
    state: &StateId,
    change: impl FnOnce(&mut Checkpoint, &Pause),
) -> Result<Option<Pause>, StateError> {
    let Some(from) = states.checkpoint(state)? else { return Ok(None) };
    let mut to = from.clone();
    let Some(pause) = to.paused.take() else { return Ok(None) };
    change(&mut to, &pause);
    states.save(state, Some(&from), Vec::new(), &to)?;
    Ok(Some(pause))
}

/// Why a projection could not go on. What was saved stays.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The log can't be read.
    #[error("the events can't be read")]
    Read(#[from] ReadError),
    /// The log can't be read, or an event not be applied, while the state was built.
    #[error("the state of the projection can't be built from the events")]
    Replay(#[from] ReplayError),
    /// An event that was applied before can't be applied again: the projection is not pure.
    #[error("an event that was applied before can't be applied again")]
    Apply(#[from] ApplyError),
    /// The state can't be read or saved.
    #[error("the projection can't read or save its state")]
    State(#[from] StateError),
    /// Another one builds the state: try again later, or read what there is.
    #[error("the state of the projection is being built by another one: try again later")]
    BeingBuilt,
    /// The operating system has no randomness.
    #[error("no randomness for the number of a build")]
    Random(#[source] getrandom::Error),
}

fn draw() -> Result<u64, RunError> {
    getrandom::u64().map_err(RunError::Random)
}

/// Events read at once.
const PAGE: usize = 4_096;
/// Events applied between two saves.
const SAVE_AFTER: usize = 16_384;
/// How long a build is waited for that gives no sign of life.
const GIVEN_UP: Duration = Duration::from_secs(10);
/// How often a damaged state is built anew before that is an error.
const REBUILDS: u32 = 2;
