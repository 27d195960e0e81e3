//! One subscriber, on a thread of its own.

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use futures_channel::oneshot;
use mailtrail_core::Position;
use mailtrail_core::projection::CheckpointError;
use mailtrail_core::store::ReadError;
use mailtrail_report::EmailLog;
use tokio::runtime;

use super::folder::{Pause, SubscriberFolder};
use super::sending::Sending;
use super::subscriber::Subscriber;
use crate::Tracker;
use crate::projection::Live;

/// Sends to one subscriber, until it is stopped or dropped.
///
/// # Guarantees
/// - **At least once**: what was stored is sent, also after kill −9. A message that comes again has the same id and, but
///   for an erasure meanwhile, the same bytes.
/// - **In order for each delivery**: a message goes when those of earlier events of its delivery are taken, or dead
///   letters. A delivery whose message fails holds up no other one.
/// - A message tells the status as it was folded up to its event, whenever it is made.
/// - One that fails as often as the [schedule](Subscriber::schedule) has attempts becomes a dead letter, if others were
///   taken meanwhile; if none was, or the answer is 410, the subscriber is *paused*, and nothing is left out.
///
/// # Limits
/// At most 256 messages wait in memory, and 64 are tried again at the same time; reading goes no further then.
///
/// # Example
/// ```
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// # use std::sync::Arc;
/// # use mailtrail::core::plan::{Broadcast, Contact, ContactAddress};
/// # use mailtrail::memory::{MemoryStates, MemoryStore};
/// # use mailtrail::prelude::*;
/// use mailtrail::outbound::{JsonLines, Outbound, Subscriber, SubscriberFolder};
/// use mailtrail::projection::Runner;
/// use mailtrail::report::EmailLog;
/// # let (store, folder) = (Arc::new(MemoryStore::new()), tempfile::tempdir()?);
/// # let tracker = Tracker::shared(store.clone()).open();
///
/// let log = Runner::parted(store, Arc::new(MemoryStates::default()), EmailLog).spawn()?;
/// let lines = folder.path().join("crm.jsonl");
/// let crm = Subscriber::new("crm", JsonLines::file(&lines)?)?;
/// let kept = SubscriberFolder::open(folder.path(), "crm")?;
/// let crm = Outbound::start(crm, &tracker, Arc::new(log), kept).await?;
///
/// # let broadcast = Broadcast::new("snow-day".parse()?, "emergency".parse()?);
/// let nowhere = Contact::new("c1".parse()?);
/// tracker.plan(broadcast, [nowhere]).await?;
/// let head = tracker.store().head().await?.position;
/// while crm.standing().position < head || crm.standing().waiting > 0 {
///     std::thread::yield_now();
/// }
/// assert!(std::fs::read_to_string(&lines)?.contains(r#""from":"unsent","to":"no_email_selected""#));
/// # Ok::<(), Box<dyn std::error::Error>>(()) })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Outbound {
    name: Box<str>,
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// How a subscriber stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Standing {
    /// Every event up to here was looked at.
    pub position: Position,
    /// The end of the log, as it was looked at last.
    pub head: Position,
    /// How many messages were taken since the start.
    pub taken: u64,
    /// How many attempts failed since the start.
    pub failed: u64,
    /// How many messages wait, of events up to the position.
    pub waiting: usize,
    /// How many messages are dead letters.
    pub dead_letters: usize,
    /// Why nothing is sent, if it isn't.
    pub paused: Option<Pause>,
    /// Why it could not go on when it last tried; it tries again.
    pub error: Option<String>,
}

impl Standing {
    /// How many positions it is behind.
    pub fn lag(&self) -> u64 {
        self.head.get().saturating_sub(self.position.get())
    }
}

impl Outbound {
    /// Goes on with a subscriber, or begins with a new one.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn start(
        subscriber: Subscriber,
        tracker: &Tracker,
        log: Arc<Live<EmailLog>>,
        folder: SubscriberFolder,
    ) -> Result<Self, StartError> {
        let name = subscriber.name.clone();
        let shared = Arc::new(Shared::default());
        let sending = Sending::open(subscriber, tracker, log, folder, Arc::clone(&shared)).await?;
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = oneshot::channel();
        let thread =
            thread::Builder::new().name(format!("mailtrail-to-{name}")).spawn(move || {
                runtime.block_on(sending.run(stopped));
                // An attempt that hangs is given up: its message comes again.
                runtime.shutdown_background();
            })?;
        Ok(Self { name, shared, stop: Some(stop), thread: Some(thread) })
    }

    /// The subscriber's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How it stands.
    pub fn standing(&self) -> Standing {
        self.shared.standing().clone()
    }

    /// Tells how it stands, whenever it is asked: also how it stood last, when this has ended.
    pub fn watch(&self) -> impl Fn() -> Standing + Send + Sync + use<> {
        let shared = Arc::clone(&self.shared);
        move || shared.standing().clone()
    }

    /// Says that it is to end: what is under way may still take up to 4 seconds. Dropping it waits for that.
    pub fn stop(&mut self) {
        // Dropped, it wakes whoever waits for it.
        self.stop = None;
    }
}

impl Drop for Outbound {
    fn drop(&mut self) {
        self.stop();
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}

impl fmt::Debug for Outbound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbound").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Why nothing can be sent to a subscriber.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// Its folder can't be read or written, or there is no thread.
    #[error("what is kept of the subscriber can't be read or written")]
    Io(#[from] io::Error),
    /// The end of the log can't be read, where a new subscriber begins.
    #[error("the end of the log can't be read")]
    Head(#[from] ReadError),
    /// Its place is none.
    #[error("the place of the subscriber can't be read")]
    Place(#[from] CheckpointError),
}

/// How it stands, for those who ask.
#[derive(Debug, Default)]
pub(super) struct Shared(Mutex<Standing>);

impl Shared {
    pub(super) fn standing(&self) -> MutexGuard<'_, Standing> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long what is under way may still take at the end: service managers wait at least ten seconds.
pub(super) const CLOSE_WITHIN: Duration = Duration::from_secs(4);
