//! A Maildir that is watched: each mail is moved when its facts are durable.

mod folder;
mod wake;
mod watching;

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::task::{JoinSet, spawn_blocking};

use self::folder::{Content, Folder, MOST_NAMES, Part, Shelf};
pub use self::watching::{Standing, Watching};
use super::record::{Intake, IntakeError, Recorded};

/// A Maildir to which a delivering agent of ours writes what comes to the return paths.
///
/// | a mail in `new/` | goes to |
/// |---|---|
/// | feedback, its facts durable | `cur/`, flagged as seen |
/// | no feedback: an answer of a person (kept with its delivery), or a stray mail | `.NotFeedback/new/` |
/// | to a return path that is not valid, or without a token that the intake requires | `.Refused/new/` |
/// | no mail at all, or over the [size](Self::message_bytes) | `.Unreadable/new/` |
/// | anything else, as the store takes nothing now | nowhere: it is tried again, ever more rarely |
///
/// The subfolders are those of Maildir++: mail clients show them, with their mails as new. They are made
/// when they are needed.
///
/// # Guarantees
/// - **At least once**: a mail leaves `new/` by one rename, after its facts are durable. After a crash between
///   the two it is read again, and adds nothing.
/// - Mails that somebody else moves or deletes meanwhile are no error. What has a dot in front, lies in
///   `tmp/`, or is no file is left alone.
/// - Whom a mail was delivered to is believed as [`Intake::delivered_to`] says.
///
/// # Example
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// use std::{fs, sync::Arc, time::SystemTime};
/// use mailtrail_classify::Classifier;
/// use mailtrail_core::token::{Key, Keys};
/// use mailtrail_memory::MemoryStore;
/// use mailtrail_smtp::{intake::{Intake, Maildir}, return_path::ReturnPath};
/// # let folder = tempfile::tempdir()?;
/// # let folder = folder.path();
/// for part in ["tmp", "new", "cur"] {
///     fs::create_dir(folder.join(part))?;
/// }
/// fs::write(folder.join("new/1.host"), "From: ann@a.example\nSubject: Hello\n\nHello!\n")?;
///
/// let (keys, path) = (Keys::new(Key::new(1, [7; 32])), ReturnPath::new("bounces.school.example"));
/// let clock = || chrono::DateTime::UNIX_EPOCH;
/// let store = Arc::new(MemoryStore::new());
/// let intake = Intake::new(store, keys, path, Classifier::builtin()?, Arc::new(clock));
/// let maildir = Maildir::open(folder, Arc::new(intake))?;
/// maildir.take_all().await?;                              // once; `watch` goes on
/// assert!(folder.join(".NotFeedback/new/1.host").exists());
/// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
/// ```
#[derive(Debug, Clone)]
pub struct Maildir {
    folder: Arc<Folder>,
    intake: Arc<Intake>,
    and_cur: bool,
    message_bytes: usize,
    look_every: Duration,
    retry: (Duration, Duration),
}

/// Why a folder can't be watched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MaildirError {
    /// It lacks a part: make it with `maildirmake`, or let the delivering agent deliver to it once.
    #[error("{} is no Maildir: it has no folder {part}", folder.display())]
    NotAMaildir {
        /// The folder.
        folder: PathBuf,
        /// `new` or `cur`.
        part: &'static str,
    },
}

/// Why some mails stay where they are: they are tried again.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TakeError {
    /// The folder can't be looked at.
    #[error("the folder can't be read")]
    Folder(#[source] io::Error),
    /// A mail can't be read or moved: look at who may do so.
    #[error("a mail can't be read or moved")]
    Mail(#[source] io::Error),
    /// The facts of a mail could not be stored.
    #[error("a mail could not be recorded")]
    Record(#[source] IntakeError),
    /// Reading a mail has panicked: that is a defect of ours.
    #[error("a mail could not be looked at")]
    Panicked,
}

impl Maildir {
    /// A Maildir, and what records its mails. The folder must be there with its parts.
    ///
    /// # Errors
    /// [`MaildirError`]: it is none.
    pub fn open(folder: impl Into<PathBuf>, intake: Arc<Intake>) -> Result<Self, MaildirError> {
        let folder = folder.into();
        if let Some(part) = ["new", "cur"].into_iter().find(|part| !folder.join(part).is_dir()) {
            return Err(MaildirError::NotAMaildir { folder, part });
        }
        Ok(Self {
            folder: Arc::new(Folder(folder)),
            intake,
            and_cur: false,
            message_bytes: 25 * 1024 * 1024,
            look_every: Duration::from_secs(30),
            retry: (Duration::from_secs(1), Duration::from_secs(60)),
        })
    }

    /// That also takes, once at its start, what lies in `cur/` and was neither seen nor thrown away: mails that a
    /// mail client has found before us.
    pub fn and_cur(mut self) -> Self {
        self.and_cur = true;
        self
    }

    /// Bytes of a mail; 25 MiB unless set, and never more than 32 MiB. What is longer is not read.
    pub fn message_bytes(mut self, most: usize) -> Self {
        self.message_bytes = most;
        self
    }

    /// How often it looks without being woken; 30 s unless set. On Linux it is woken when a mail comes.
    pub fn look_every(mut self, every: Duration) -> Self {
        self.look_every = every;
        self
    }

    /// How long it waits after a failure: first, and twice as long each time up to the last; 1 s and 60 s
    /// unless set.
    pub fn retry(mut self, first: Duration, last: Duration) -> Self {
        self.retry = (first, last);
        self
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.folder.0
    }

    /// Takes everything that is there. Mails that could not be taken stay.
    ///
    /// # Errors
    /// [`TakeError`], the last of them. After a failure of the store it stops, after others it goes on with the
    /// next mail.
    ///
    /// # Cancellation
    /// Mails that are looked at then are recorded and stay, or are moved.
    pub async fn take_all(&self) -> Result<(), TakeError> {
        if self.and_cur {
            self.take(Part::Cur).await?;
        }
        self.take(Part::New).await
    }

    async fn take(&self, part: Part) -> Result<(), TakeError> {
        let mut before = Vec::new();
        loop {
            let names = self.names(part).await?;
            // What is no mail stays, and may be all that is left.
            let is_all = names.len() < MOST_NAMES || names == before;
            let mut last = Ok(());
            for some in names.chunks(AT_ONCE) {
                if let Err(error) = self.take_some(part, some).await {
                    if matches!(error, TakeError::Record(_)) {
                        return Err(error);
                    }
                    last = Err(error);
                }
            }
            if is_all || last.is_err() {
                return last;
            }
            before = names;
        }
    }

    async fn names(&self, part: Part) -> Result<Vec<OsString>, TakeError> {
        let folder = Arc::clone(&self.folder);
        blocking(move || folder.names(part)).await?.map_err(TakeError::Folder)
    }

    /// At the same time: the store syncs them together.
    async fn take_some(&self, part: Part, names: &[OsString]) -> Result<(), TakeError> {
        let mut mails = JoinSet::new();
        for name in names {
            let (maildir, name) = (self.clone(), name.clone());
            mails.spawn(async move { maildir.take_one(part, name).await });
        }
        let mut worst = Ok(());
        while let Some(taken) = mails.join_next().await {
            match taken.unwrap_or(Err(TakeError::Panicked)) {
                Err(_) if matches!(worst, Err(TakeError::Record(_))) => {}
                Err(error) => worst = Err(error),
                Ok(()) => {}
            }
        }
        worst
    }

    async fn take_one(&self, part: Part, name: OsString) -> Result<(), TakeError> {
        let (folder, most, file) = (Arc::clone(&self.folder), self.message_bytes, name.clone());
        let content = blocking(move || folder.read(part, &file, most)).await?;
        let shelf = match content.map_err(TakeError::Mail)? {
            Content::Gone => return Ok(()),
            Content::TooLarge => {
                self.intake.counters().unreadable();
                Shelf::Aside(UNREADABLE)
            }
            Content::Mail(bytes) => self.record(bytes.into()).await?,
        };
        let folder = Arc::clone(&self.folder);
        blocking(move || folder.shelve(part, &name, shelf)).await?.map_err(TakeError::Mail)
    }

    /// Where a mail goes, once its facts are durable.
    async fn record(&self, mail: Bytes) -> Result<Shelf, TakeError> {
        let to = self.intake.delivered_to(&mail);
        match self.intake.record(mail, to.as_deref()).await {
            Ok(Recorded::Feedback(_)) => Ok(Shelf::Taken),
            Ok(Recorded::Unread(_) | Recorded::NotFeedback) => Ok(Shelf::Aside("NotFeedback")),
            Ok(Recorded::Refused(_)) => Ok(Shelf::Aside("Refused")),
            Err(error) if error.is_of_the_mail() => Ok(Shelf::Aside(UNREADABLE)),
            Err(error) => Err(TakeError::Record(error)),
        }
    }
}

/// Files are read on threads that may wait.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, TakeError> {
    spawn_blocking(work).await.map_err(|_| TakeError::Panicked)
}

const UNREADABLE: &str = "Unreadable";
/// Mails that are looked at at once: at most so many are in memory.
const AT_ONCE: usize = 8;
