//! What is kept of a subscriber, beside the store.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use mailtrail_core::projection::{Checkpoint, CheckpointError, CheckpointStore, checked_name};
use mailtrail_core::{EventId, Position};
use mailtrail_webhook::outbound::MessageId;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;

/// The folder of a subscriber: how far it is, its dead letters, and what it is asked to do.
///
/// One process [sends](super::Outbound) and writes it; others may read it and ask meanwhile.
///
/// # Guarantees
/// What is written survives kill −9 and power loss, and is there whole or not at all.
///
/// # Privacy
/// It holds ids, positions and causes, never what a message says: so an erasure has nothing to erase here.
///
/// # Example
/// ```
/// use mailtrail::outbound::SubscriberFolder;
/// let outbound = tempfile::tempdir()?;
/// let crm = SubscriberFolder::open(outbound.path(), "crm")?;
/// assert!(crm.kept()?.is_none());                  // it was never started
/// assert!(crm.dead_letters()?.is_empty());
/// crm.ask_to_resume()?;                            // whoever sends, or will, goes on
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct SubscriberFolder(PathBuf);

/// How far a subscriber is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Kept {
    /// Every event up to here was looked at.
    pub position: Position,
    /// How many messages were taken in all.
    pub taken: u64,
    /// Why nothing is sent, if it isn't.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused: Option<Pause>,
    /// The messages up to the position that nobody has taken yet, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waiting: Vec<Waiting>,
}

/// A message that waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Waiting {
    /// The message.
    pub message: MessageId,
    /// The place of the event that it tells of.
    pub position: Position,
    /// How often it was tried.
    #[serde(default)]
    pub attempts: u32,
    /// How many messages had been taken when it was tried first.
    #[serde(default)]
    pub taken_before: u64,
    /// When it is to be tried again, if it was tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due_at: Option<DateTime<Utc>>,
}

/// Since when nothing is sent to a subscriber, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Pause {
    /// Since when.
    pub since: DateTime<Utc>,
    /// The place of the event whose message was tried last.
    pub position: Position,
    /// What the last attempt came to.
    pub cause: Box<str>,
}

/// A message that was given up, while the subscriber took others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct DeadLetter {
    /// The message.
    pub message: MessageId,
    /// The event that it tells of.
    pub event: EventId,
    /// That event's place.
    pub position: Position,
    /// How often it was tried.
    pub attempts: u32,
    /// When it was given up.
    pub since: DateTime<Utc>,
    /// What the last attempt came to.
    pub cause: Box<str>,
}

#[expect(
    clippy::missing_errors_doc,
    reason = "of each: that of the operating system, or InvalidData"
)]
impl SubscriberFolder {
    /// The folder of this subscriber, within that of all of them; it is made when something is written.
    pub fn open(outbound: impl AsRef<Path>, name: &str) -> io::Result<Self> {
        let name = checked_name(name).map_err(io::Error::other)?;
        Ok(Self(outbound.as_ref().join(name)))
    }

    /// How far it is; `None` if it was never started.
    pub fn kept(&self) -> io::Result<Option<Kept>> {
        read(&self.0.join(KEPT))
    }

    /// The messages that were given up, in the order of their events.
    pub fn dead_letters(&self) -> io::Result<Vec<DeadLetter>> {
        let mut letters = Vec::new();
        for path in self.letters()? {
            // One that was brought after all may be gone by now.
            letters.extend(read::<DeadLetter>(&path)?);
        }
        letters.sort_by(|a, b| (a.position, &a.message).cmp(&(b.position, &b.message)));
        Ok(letters)
    }

    /// Asks to end the pause, and to try at once what waits.
    pub fn ask_to_resume(&self) -> io::Result<()> {
        write(&self.0, RESUME, &())
    }

    /// Asks to send these dead letters again; all of them, if none is named.
    pub fn ask_to_replay(&self, messages: &[MessageId]) -> io::Result<()> {
        // What was asked for before, and not taken yet, is asked for still.
        let before: Option<Vec<MessageId>> = read(&self.0.join(REPLAY))?;
        let is_all = messages.is_empty() || before.as_ref().is_some_and(Vec::is_empty);
        let asked = [before.unwrap_or_default(), messages.to_vec()].concat();
        write(&self.0, REPLAY, &if is_all { Vec::new() } else { asked })
    }

    pub(super) fn keep(&self, kept: &Kept) -> io::Result<()> {
        write(&self.0, KEPT, kept)
    }

    pub(super) fn bury(&self, letter: &DeadLetter) -> io::Result<()> {
        write(&self.0.join(LETTERS), letter.message.as_str(), letter)
    }

    pub(super) fn unbury(&self, message: &MessageId) -> io::Result<()> {
        gone_or(fs::remove_file(self.0.join(LETTERS).join(message.as_str()))).map(drop)
    }

    /// Whether someone asked to resume. It is asked once.
    pub(super) fn take_resume(&self) -> io::Result<bool> {
        gone_or(fs::remove_file(self.0.join(RESUME)))
    }

    /// The dead letters that someone asked to send again. They are asked for once; until they are taken they stay dead.
    pub(super) fn take_replay(&self) -> io::Result<Vec<DeadLetter>> {
        let path = self.0.join(REPLAY);
        let Some(asked) = read::<Vec<MessageId>>(&path)? else { return Ok(Vec::new()) };
        let mut letters = self.dead_letters()?;
        letters.retain(|letter| asked.is_empty() || asked.contains(&letter.message));
        gone_or(fs::remove_file(path))?;
        Ok(letters)
    }

    fn letters(&self) -> io::Result<Vec<PathBuf>> {
        let entries = match fs::read_dir(self.0.join(LETTERS)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let mut paths = Vec::new();
        for entry in entries {
            let path = entry?.path();
            // What a crash left of one that was being written is named otherwise.
            if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("msg_")) {
                paths.push(path);
            }
        }
        Ok(paths)
    }
}

/// The place of the subscription.
impl CheckpointStore for SubscriberFolder {
    fn load(&self, _: &str) -> Result<Option<Checkpoint>, CheckpointError> {
        let kept = self.kept().map_err(no_place)?;
        Ok(kept.map(|kept| Checkpoint::at(kept.position)))
    }

    fn save(&self, _: &str, checkpoint: &Checkpoint) -> Result<(), CheckpointError> {
        let kept = self.kept().map_err(no_place)?.unwrap_or_default();
        self.keep(&Kept { position: checkpoint.position, ..kept }).map_err(no_place)
    }
}

fn no_place(error: io::Error) -> CheckpointError {
    let damaged = error.kind() == io::ErrorKind::InvalidData;
    let cause = error.into();
    if damaged {
        CheckpointError::Corrupt { cause }
    } else {
        CheckpointError::Unavailable { cause }
    }
}

/// Writes a file in one step, in a folder that is made if it isn't there.
fn write(folder: &Path, name: &str, value: &impl Serialize) -> io::Result<()> {
    if !folder.exists() {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        // With the folder of all of them, and the store's, which has that.
        let made = folder.ancestors().take(3).filter(|path| !path.as_os_str().is_empty());
        made.map(File::open).try_for_each(|folder| folder?.sync_all())?;
    }
    let mut new = NamedTempFile::new_in(folder)?;
    serde_json::to_writer(&mut new, value)?;
    new.write_all(b"\n")?;
    new.as_file().sync_all()?;
    new.persist(folder.join(name)).map_err(|error| error.error)?;
    File::open(folder)?.sync_all()
}

fn read<T: DeserializeOwned>(path: &Path) -> io::Result<Option<T>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes).map_err(|error| {
            let what = format!("{} is damaged: {error}", path.display());
            io::Error::new(io::ErrorKind::InvalidData, what)
        })?)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether there was something to remove.
fn gone_or(removed: io::Result<()>) -> io::Result<bool> {
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        removed => removed.map(|()| true),
    }
}

const KEPT: &str = "kept.json";
const RESUME: &str = "resume";
const REPLAY: &str = "replay";
const LETTERS: &str = "dead-letters";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_twice_before_it_is_taken_is_asked_for_together() {
        let outbound = tempfile::tempdir().unwrap();
        let folder = SubscriberFolder::open(outbound.path(), "crm").unwrap();
        let ids = ["msg_1", "msg_2", "msg_3"].map(|id| MessageId::from(id.to_owned()));
        for message in &ids {
            let (event, position) = (EventId::from_bytes([0; 16]), Position::new(1));
            let (message, since, cause) = (message.clone(), DateTime::UNIX_EPOCH, "?".into());
            let letter = DeadLetter { message, event, position, attempts: 1, since, cause };
            folder.bury(&letter).unwrap();
        }
        let taken = || folder.take_replay().unwrap().len();
        assert_eq!(taken(), 0, "nobody asked");
        for (asked, together) in [(vec![&ids[..1], &ids[1..2]], 2), (vec![&ids[..0], &ids[..1]], 3)]
        {
            for ids in asked {
                folder.ask_to_replay(ids).unwrap();
            }
            assert_eq!((taken(), taken()), (together, 0));
        }
    }
}
