//! A projection that follows its store on a thread of its own.

use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use futures_channel::oneshot;
use futures_util::future::{Either, select};
use mailtrail_core::event::ChainHash;
use mailtrail_core::projection::{Checkpoint, KeptState, Projection, StateError};
use mailtrail_core::store::{Head, HeadWatch};
use mailtrail_core::{EventStore, Position};
use pollster::block_on;

use super::progress::Progress;
use super::runner::{RunError, Runner};

/// A projection that follows its store: catch-up, then live, until it is dropped.
///
/// # Guarantees
/// As of [`Runner`]. Dropping it ends the thread after the step that it is in; what was saved stays. Where the
/// store or the state is not to be had it tries again, and [`progress`](Self::progress) says why.
///
/// # Example
/// ```
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// # use std::sync::Arc;
/// # use mailtrail::core::plan::{Broadcast, Contact, ContactAddress};
/// # use mailtrail::memory::{MemoryStates, MemoryStore};
/// # use mailtrail::prelude::*;
/// use mailtrail::projection::Runner;
/// use mailtrail::report::BroadcastSummary;
/// # let (store, states) = (Arc::new(MemoryStore::new()), Arc::new(MemoryStates::default()));
/// # let tracker = Tracker::shared(store.clone()).open();
/// let live = Runner::parted(store.clone(), states, BroadcastSummary).spawn()?;
/// # let ann = Contact::new("c1".parse()?).address(ContactAddress::new("ann@a.example"));
/// # tracker.plan(Broadcast::new("snow-day".parse()?, "emergency".parse()?), [ann]).await?;
/// live.reached(store.head().await?.position).await;
/// let summary = live.state()?.expect("it has caught up").of(&"snow-day".parse()?)?;
/// assert_eq!(summary.of(Status::Unsent), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(()) })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Live<P: Projection> {
    runner: Arc<Runner<P>>,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    progress: Mutex<Progress>,
    reached: HeadWatch,
    stop: Stop,
}

impl<P: Projection + 'static> Runner<P>
where
    P::State: KeptState + 'static,
{
    /// Follows the store on a thread of its own.
    ///
    /// # Errors
    /// That of the operating system, if it gives no thread.
    pub fn spawn(self) -> std::io::Result<Live<P>> {
        let (stop, stopped) = Stop::new();
        let reached = HeadWatch::new(Head::default());
        let shared = Arc::new(Shared { progress: Mutex::default(), reached, stop });
        let runner = Arc::new(self);
        let of = (Arc::clone(&runner), Arc::clone(&shared));
        let thread = thread::Builder::new()
            .name(format!("mailtrail-{}", runner.name()))
            .spawn(move || follow(&of.0, &of.1, stopped))?;
        Ok(Live { runner, shared, thread: Some(thread) })
    }
}

impl<P: Projection> Live<P>
where
    P::State: KeptState,
{
    /// How far it is.
    pub fn progress(&self) -> Progress {
        self.shared.progress().clone()
    }

    /// Tells how far it is, whenever it is asked: also what it was last, when this has ended.
    pub fn watch(&self) -> impl Fn() -> Progress + Send + Sync + use<P> {
        let shared = Arc::clone(&self.shared);
        move || shared.progress().clone()
    }

    /// The state as it was saved last; `None` if there is none yet.
    ///
    /// # Errors
    /// [`StateError`].
    pub fn state(&self) -> Result<Option<P::State>, StateError> {
        self.runner.state()
    }

    /// Waits until everything up to a position is in the state that was saved. Waits as long as the projection is
    /// paused before it.
    pub async fn reached(&self, position: Position) {
        let before = Position::new(position.get().saturating_sub(1));
        if position > Position::START {
            self.shared.reached.changed(before).await;
        }
    }

    /// Its runner: to resume, to skip, to compare.
    pub fn runner(&self) -> &Runner<P> {
        &self.runner
    }
}

impl<P: Projection> Drop for Live<P> {
    fn drop(&mut self) {
        self.shared.stop.stop();
        if let Some(thread) = self.thread.take() {
            // A panic of the projection is caught where it is applied.
            thread.join().ok();
        }
    }
}

impl<P: Projection> fmt::Debug for Live<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Live").field("runner", &self.runner).finish_non_exhaustive()
    }
}

impl Shared {
    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn follow<P: Projection>(runner: &Runner<P>, shared: &Shared, mut stopped: oneshot::Receiver<()>)
where
    P::State: KeptState,
{
    let mut working = None;
    while !shared.stop.is_stopped() {
        let mut told = |progress: Progress| *shared.progress() = progress;
        match block_on(runner.go_on(&mut working, &mut told)) {
            Ok(checkpoint) => {
                let position = checkpoint.position;
                // Where it can't be read, that is told by what comes next.
                let head = block_on(runner.store().head()).map_or(position, |head| head.position);
                tell(shared, checkpoint, head);
                shared.reached.publish(Head::new(position, ChainHash::default()));
                if shared.progress().paused.is_some() {
                    // Whoever ends the pause changes the checkpoint: that is looked at again.
                    shared.stop.wait(LOOK_AGAIN);
                } else if let Err(error) = block_on(wait(&**runner.store(), position, &mut stopped))
                {
                    shared.progress().error = Some(error);
                    shared.stop.wait(TRY_AGAIN);
                }
            }
            Err(RunError::BeingBuilt) => shared.stop.wait(LOOK_AGAIN),
            Err(error) => {
                shared.progress().error = Some(chain(&error));
                shared.stop.wait(TRY_AGAIN);
            }
        }
    }
}

fn tell(shared: &Shared, checkpoint: Checkpoint, head: Position) {
    let mut progress = shared.progress();
    progress.position = checkpoint.position;
    progress.head = head.max(checkpoint.position);
    (progress.building, progress.paused, progress.error) = (false, checkpoint.paused, None);
}

/// Waits for more, or for the end.
async fn wait(
    store: &dyn EventStore,
    past: Position,
    stopped: &mut oneshot::Receiver<()>,
) -> Result<(), String> {
    match select(store.changed(past), stopped).await {
        Either::Left((changed, _)) => changed.map(drop).map_err(|error| chain(&error)),
        Either::Right(_) => Ok(()),
    }
}

pub(crate) fn chain(error: &(dyn std::error::Error + '_)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// Ends a thread that waits, for a time or for a future.
struct Stop {
    stopped: Mutex<(bool, Option<oneshot::Sender<()>>)>,
    wakes: Condvar,
}

impl Stop {
    fn new() -> (Self, oneshot::Receiver<()>) {
        let (sender, receiver) = oneshot::channel();
        (Self { stopped: Mutex::new((false, Some(sender))), wakes: Condvar::new() }, receiver)
    }

    fn stop(&self) {
        let mut stopped = self.lock();
        stopped.0 = true;
        // Dropped, it wakes whoever waits for it.
        stopped.1 = None;
        self.wakes.notify_all();
    }

    fn is_stopped(&self) -> bool {
        self.lock().0
    }

    fn wait(&self, at_most: Duration) {
        let stopped = self.lock();
        if !stopped.0 {
            drop(self.wakes.wait_timeout(stopped, at_most));
        }
    }

    fn lock(&self) -> MutexGuard<'_, (bool, Option<oneshot::Sender<()>>)> {
        self.stopped.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How soon a pause that someone ended is noticed.
const LOOK_AGAIN: Duration = Duration::from_millis(250);
/// How soon it is tried again to read and to save.
const TRY_AGAIN: Duration = Duration::from_secs(1);
