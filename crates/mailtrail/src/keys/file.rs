//! The keys file as those see it who change it.

use std::path::PathBuf;
use std::{fs, io};

use mailtrail_core::token::Keys;
use serde::Serialize;

use super::error::KeysError;
use super::replace::{create, lock, replace};
use super::text::{FileKey, Text, with_first, with_retired};

/// A keys file, to be looked at and changed. Rotating keys is: add one, use it everywhere, and later retire
/// the old one.
///
/// # Guarantees
/// - No key is ever lost: the file is replaced in one step, and only by one with all keys of the old one.
///   Two changes at once come one after the other.
/// - What a person wrote beside the keys stays. So do the file's owner and group.
/// - No secret is told.
///
/// A program that runs reads its keys when it starts: restart `serve` after a change.
///
/// # Example
/// ```
/// use mailtrail::{KeyState, KeysError, KeysFile};
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("keys.toml");
/// let file = KeysFile::at(&path);
/// file.add()?;                                                  // as on first use
/// assert!(matches!(file.retire(1), Err(KeysError::LastKey { id: 1 })));
/// assert_eq!(file.add()?, 2);
/// assert!(file.retire(1)?);
/// let states: Vec<_> = file.list()?.iter().map(|key| (key.id, key.state)).collect();
/// assert_eq!(states, [(2, KeyState::Signs), (1, KeyState::Retired)]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct KeysFile {
    path: PathBuf,
}

/// A key, without its secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct KeyEntry {
    /// Its id, which each token of it carries.
    pub id: u8,
    /// What it is for.
    pub state: KeyState,
}

/// What a key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum KeyState {
    /// New tokens are its own.
    Signs,
    /// Its tokens are believed.
    Verifies,
    /// Only its links still work: the pixel, clicks, unsubscribing.
    Retired,
}

impl KeysFile {
    /// The file at this path, which may not be there yet.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// All keys, in the order of the file. One [signs](KeyState::Signs): the first that is not retired.
    ///
    /// # Errors
    /// [`KeysError`], also if there is no file.
    pub fn list(&self) -> Result<Vec<KeyEntry>, KeysError> {
        let text = self.read(&self.text()?)?;
        let signing = text.signing();
        let state = |at: usize, key: &FileKey| match key.is_retired {
            true => KeyState::Retired,
            false if Some(at) == signing => KeyState::Signs,
            false => KeyState::Verifies,
        };
        let keys = text.keys.iter().enumerate();
        Ok(keys.map(|(at, key)| KeyEntry { id: key.id, state: state(at, key) }).collect())
    }

    /// Adds a fresh key, which signs from now on, and gives its id. Those that are there still verify. A file
    /// that is not there is made.
    ///
    /// # Errors
    /// [`KeysError`]; the file is as it was.
    pub fn add(&self) -> Result<u8, KeysError> {
        let _lock = lock(&self.path).map_err(|cause| self.io(cause))?;
        let text = match self.text() {
            Err(KeysError::Io { cause, .. }) if cause.kind() == io::ErrorKind::NotFound => {
                return self.create().map(|key| key.id);
            }
            text => text?,
        };
        let key = fresh(free_id(&self.read(&text)?).ok_or(KeysError::NoIdLeft)?)?;
        let new = with_first(&text, &key).ok_or_else(|| self.invalid(NO_TABLES))?;
        self.replace(&new)?;
        Ok(key.id)
    }

    /// Retires a key: it signs no more, and only its links still work. Says whether it was not retired yet.
    ///
    /// # Errors
    /// [`UnknownId`](KeysError::UnknownId); [`LastKey`](KeysError::LastKey) if no other could sign; the file
    /// is as it was.
    pub fn retire(&self, id: u8) -> Result<bool, KeysError> {
        let _lock = lock(&self.path).map_err(|cause| self.io(cause))?;
        let text = self.text()?;
        let keys = self.read(&text)?.keys;
        let key = keys.iter().find(|key| key.id == id).ok_or(KeysError::UnknownId { id })?;
        if key.is_retired {
            return Ok(false);
        }
        if keys.iter().filter(|key| !key.is_retired).count() == 1 {
            return Err(KeysError::LastKey { id });
        }
        let new = with_retired(&text, id).ok_or_else(|| self.invalid(NO_TABLES))?;
        self.replace(&new)?;
        Ok(true)
    }

    /// The keys as tokens need them; of a fresh file if there is none.
    pub(super) fn keys(&self) -> Result<Keys, KeysError> {
        match self.text() {
            Err(KeysError::Io { cause, .. }) if cause.kind() == io::ErrorKind::NotFound => {
                Ok(Keys::new(self.create()?.key()))
            }
            text => self.read(&text?)?.keys().ok_or_else(|| self.invalid("no key signs")),
        }
    }

    fn create(&self) -> Result<FileKey, KeysError> {
        let key = fresh(1)?;
        create(&self.path, &key.written()).map_err(|cause| self.io(cause))?;
        Ok(key)
    }

    fn replace(&self, text: &str) -> Result<(), KeysError> {
        replace(&self.path, text).map_err(|cause| self.io(cause))
    }

    fn text(&self) -> Result<String, KeysError> {
        fs::read_to_string(&self.path).map_err(|cause| self.io(cause))
    }

    fn read(&self, text: &str) -> Result<Text, KeysError> {
        Text::read(text).map_err(|what| self.invalid(what))
    }

    fn io(&self, cause: io::Error) -> KeysError {
        KeysError::Io { path: self.path.clone(), cause }
    }

    fn invalid(&self, what: &'static str) -> KeysError {
        KeysError::Invalid { path: self.path.clone(), what }
    }
}

fn fresh(id: u8) -> Result<FileKey, KeysError> {
    let mut secret = [0; 32];
    getrandom::fill(&mut secret).map_err(KeysError::Random)?;
    Ok(FileKey::new(id, secret))
}

/// One that was never used, as far as the file knows.
fn free_id(text: &Text) -> Option<u8> {
    let last = text.keys.iter().map(|key| key.id).max()?;
    let is_free = |id: &u8| text.keys.iter().all(|key| key.id != *id);
    last.checked_add(1).or_else(|| (0..=u8::MAX).find(is_free))
}

const NO_TABLES: &str = "it can't be changed as it is written: write each key as a table, [[key]]";
