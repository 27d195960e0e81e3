//! Reading: every record is checked, and a panic of sled is damage.

use std::io;
use std::ops::Deref;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use mailtrail_core::event::Envelope;
use mailtrail_core::store::{Filter, OpenError, Page, ReadError, StreamPage, record};
use mailtrail_core::{EventId, Position, StreamId, Version};

use crate::layout;

/// sled's tree, read with care. Clones are the same.
#[derive(Debug, Clone)]
pub(crate) struct Reads(Arc<RwLock<Option<sled::Db>>>);

impl Reads {
    pub(crate) fn new(db: sled::Db) -> Self {
        Self(Arc::new(RwLock::new(Some(db))))
    }

    /// The tree, for as long as the guard lives: no handle outlives it, so that [`replace`](Self::replace)
    /// can close it.
    fn tree(&self) -> Result<Tree<'_>, ReadError> {
        let guard = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if guard.is_some() { Ok(Tree(guard)) } else { Err(closed()) }
    }

    /// Closes the tree and puts another in its place, while nobody reads. Where that fails there is none.
    pub(crate) fn replace<E>(&self, open: impl FnOnce() -> Result<sled::Db, E>) -> Result<(), E> {
        let mut held = self.0.write().unwrap_or_else(PoisonError::into_inner);
        drop(held.take());
        *held = Some(open()?);
        Ok(())
    }

    /// Calls for every entry of the tree, in order of the keys.
    pub(crate) fn each<E: From<ReadError>>(
        &self,
        mut call: impl FnMut(&[u8], &sled::IVec) -> Result<(), E>,
    ) -> Result<(), E> {
        let tree = self.tree()?;
        let mut entries = tree.iter();
        while let Some((key, value)) = guarded(|| entries.next().transpose())? {
            call(&key, &value)?;
        }
        Ok(())
    }

    pub(crate) fn by_id(&self, id: EventId) -> Result<Option<Envelope>, ReadError> {
        self.tree()?.by_id(id)
    }

    /// The event at a position that must be there.
    pub(crate) fn at(&self, position: Position) -> Result<Envelope, ReadError> {
        self.tree()?.at(position)
    }

    pub(crate) fn last_version(&self, stream: StreamId) -> Result<Option<Version>, ReadError> {
        self.tree()?.last_version(stream)
    }

    /// A page of a stream, up to the head that readers may see.
    pub(crate) fn stream(
        &self,
        stream: StreamId,
        from: Version,
        limit: usize,
        head: Position,
    ) -> Result<StreamPage, ReadError> {
        self.tree()?.stream(stream, from, limit, head)
    }

    /// A page of the log, up to the head that readers may see.
    pub(crate) fn all(
        &self,
        filter: &Filter,
        after: Position,
        limit: usize,
        head: Position,
    ) -> Result<Page, ReadError> {
        self.tree()?.all(filter, after, limit, head)
    }

    pub(crate) fn value(&self, key: &[u8]) -> Result<Option<sled::IVec>, ReadError> {
        self.tree()?.value(key)
    }

    /// Writes a batch of so many entries in one step.
    pub(crate) fn apply(&self, batch: sled::Batch, entries: usize) -> Result<(), ReadError> {
        self.apply_soon(batch, entries)?;
        let tree = self.tree()?;
        guarded(|| tree.flush()).map(|_| ())
    }

    /// One step, which a crash may take back.
    pub(crate) fn apply_soon(&self, batch: sled::Batch, entries: usize) -> Result<(), ReadError> {
        let tree = self.tree()?;
        apply(&tree, batch, entries)
    }

    /// At most so many entries from a key on, as long as their keys begin so.
    pub(crate) fn scan(
        &self,
        from: &[u8],
        prefix: &[u8],
        limit: usize,
    ) -> Result<Vec<(sled::IVec, sled::IVec)>, ReadError> {
        let tree = self.tree()?;
        let mut entries = tree.range(from..);
        let mut found = Vec::new();
        while found.len() < limit {
            match guarded(|| entries.next().transpose())? {
                Some((key, value)) if key.starts_with(prefix) => found.push((key, value)),
                Some(_) | None => break,
            }
        }
        Ok(found)
    }
}

struct Tree<'a>(RwLockReadGuard<'a, Option<sled::Db>>);

impl Tree<'_> {
    fn by_id(&self, id: EventId) -> Result<Option<Envelope>, ReadError> {
        let Some(value) = self.value(&layout::id_key(id))? else { return Ok(None) };
        let position = layout::position_of(&value).ok_or(ReadError::Corrupt { position: None })?;
        self.at(position).map(Some)
    }

    /// The event at a position that must be there.
    fn at(&self, position: Position) -> Result<Envelope, ReadError> {
        let corrupt = || ReadError::Corrupt { position: Some(position) };
        let value = self.value(&layout::event_key(position))?.ok_or_else(corrupt)?;
        decode(&value, position)
    }

    fn last_version(&self, stream: StreamId) -> Result<Option<Version>, ReadError> {
        let prefix = layout::stream_prefix(stream);
        let last = guarded(|| self.scan_prefix(prefix).next_back().transpose())?;
        let version = |(key, _): (sled::IVec, sled::IVec)| layout::version_of(&key);
        last.map(|entry| version(entry).ok_or(ReadError::Corrupt { position: None })).transpose()
    }

    /// A page of a stream, up to the head that readers may see.
    fn stream(
        &self,
        stream: StreamId,
        from: Version,
        limit: usize,
        head: Position,
    ) -> Result<StreamPage, ReadError> {
        let (first, end) =
            (layout::stream_key(stream, from), layout::stream_key(stream, Version::new(u64::MAX)));
        let mut range = self.range(first..=end);
        let mut events: Vec<Envelope> = Vec::new();
        let mut bytes = 0_usize;
        let mut last = None;
        while let Some((_, value)) = guarded(|| range.next().transpose())? {
            let position =
                layout::position_of(&value).ok_or(ReadError::Corrupt { position: None })?;
            if position > head {
                break;
            }
            if events.len() == limit.max(1) || bytes >= PAGE_BYTES {
                last = self.last_visible(stream, head)?;
                break;
            }
            let envelope = self.at(position)?;
            let expected = events.last().map_or(from, |before| before.version.next());
            if envelope.stream != stream || envelope.version != expected {
                return Err(ReadError::Corrupt { position: Some(position) });
            }
            bytes = bytes.saturating_add(envelope.event.payload_bytes());
            events.push(envelope);
        }
        let last = match (last, events.last()) {
            (Some(last), _) => Some(last),
            (None, Some(read)) => Some(read.version),
            (None, None) => self.last_visible(stream, head)?,
        };
        Ok(StreamPage::new(events, from, last))
    }

    /// A page of the log, up to the head that readers may see.
    fn all(
        &self,
        filter: &Filter,
        after: Position,
        limit: usize,
        head: Position,
    ) -> Result<Page, ReadError> {
        let mut scanned_to = after.min(head);
        let mut events = Vec::new();
        let mut bytes = 0_usize;
        if after < head {
            let mut expected = after.next();
            let mut range = self.range(layout::event_key(expected)..=layout::event_key(head));
            while events.len() < limit.max(1) && bytes < PAGE_BYTES && scanned_to < head {
                let corrupt = ReadError::Corrupt { position: Some(expected) };
                let Some((key, value)) = guarded(|| range.next().transpose())? else {
                    return Err(corrupt);
                };
                if *key != *layout::event_key(expected) {
                    return Err(corrupt);
                }
                let envelope = decode(&value, expected)?;
                scanned_to = expected;
                expected = expected.next();
                if filter.matches(envelope.stream, &envelope.event.event_type) {
                    bytes = bytes.saturating_add(envelope.event.payload_bytes());
                    events.push(envelope);
                }
            }
        }
        Ok(Page::new(events, scanned_to, head))
    }

    fn value(&self, key: &[u8]) -> Result<Option<sled::IVec>, ReadError> {
        guarded(|| self.get(key))
    }

    /// The last version that is not behind the head.
    fn last_visible(&self, stream: StreamId, head: Position) -> Result<Option<Version>, ReadError> {
        let mut entries = self.scan_prefix(layout::stream_prefix(stream)).rev();
        while let Some((key, value)) = guarded(|| entries.next().transpose())? {
            if layout::position_of(&value).is_some_and(|position| position <= head) {
                return Ok(layout::version_of(&key));
            }
        }
        Ok(None)
    }
}

impl Deref for Tree<'_> {
    type Target = sled::Db;

    #[expect(clippy::expect_used, reason = "a Tree is made only of a guard that holds one")]
    fn deref(&self) -> &sled::Db {
        self.0.as_ref().expect("checked when it was made")
    }
}

fn closed() -> ReadError {
    let cause = "an erasure failed half-way: open the store again, which goes on with it";
    ReadError::Unavailable { cause: cause.into() }
}

/// Writes a batch, and lets sled free what that replaced.
///
/// sled collects its garbage a little at a time, as often as it is called; a batch is one call, whatever its size.
/// Without a call for each entry it keeps about 7 kB an event for ever.
pub(crate) fn apply(
    tree: &sled::Tree,
    batch: sled::Batch,
    entries: usize,
) -> Result<(), ReadError> {
    guarded(|| tree.apply_batch(batch))?;
    guarded(|| (0..entries).try_for_each(|_| tree.get(layout::FORMAT_KEY).map(drop)))
}

pub(crate) fn decode(value: &sled::IVec, position: Position) -> Result<Envelope, ReadError> {
    let corrupt = ReadError::Corrupt { position: Some(position) };
    match record::decode(&Bytes::copy_from_slice(value)) {
        Ok(envelope) if envelope.position == position => Ok(envelope),
        Ok(_) | Err(_) => Err(corrupt),
    }
}

/// Calls sled. What it can't read is damage, also where it panics.
pub(crate) fn guarded<T>(call: impl FnOnce() -> sled::Result<T>) -> Result<T, ReadError> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(sled::Error::Io(cause))) => match as_it_was(cause) {
            cause if is_damage(&cause) => Err(ReadError::Corrupt { position: None }),
            cause => Err(ReadError::Unavailable { cause: cause.into() }),
        },
        Ok(Err(_)) | Err(_) => Err(ReadError::Corrupt { position: None }),
    }
}

/// Opens sled's files. What it can't read is damage, also where it panics.
///
/// The folder is ours, so whoever still locks the files is on its way out: threads of sled hold them for a moment after
/// a store is dropped.
pub(crate) fn guarded_open(config: &sled::Config) -> Result<sled::Db, OpenError> {
    let since = Instant::now();
    loop {
        match catch_unwind(AssertUnwindSafe(|| config.open())) {
            Ok(Ok(db)) => return Ok(db),
            Ok(Err(sled::Error::Io(cause))) if is_locked(&cause) => {
                if since.elapsed() > PATIENCE {
                    return Err(OpenError::InUse { owner: None });
                }
                thread::sleep(LOOK_AGAIN);
            }
            Ok(Err(sled::Error::Io(cause))) if !is_damage(&cause) => {
                return Err(OpenError::Io(as_it_was(cause)));
            }
            // Its other errors are texts for whoever works on sled.
            Ok(Err(_)) | Err(_) => {
                return Err(OpenError::Corrupt { cause: "sled can't read its files".into() });
            }
        }
    }
}

/// Whether sled says that someone locks its file: it has no other word for that.
fn is_locked(cause: &io::Error) -> bool {
    cause.to_string().starts_with("could not acquire lock")
}

/// How long another's lock of sled's files is waited for.
const PATIENCE: Duration = Duration::from_secs(2);
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// What the operating system said: sled gives every error but the first as the text of a debugger.
pub(crate) fn as_it_was(cause: io::Error) -> io::Error {
    let text = cause.to_string();
    let code = text.strip_prefix("Os { code: ").and_then(|rest| rest.split_once(','));
    match code.map(|(code, _)| code.parse()) {
        Some(Ok(code)) => io::Error::from_raw_os_error(code),
        Some(Err(_)) | None => cause,
    }
}

/// Why a store can't be opened that can't be read.
pub(crate) fn not_opened(error: ReadError) -> OpenError {
    match error {
        ReadError::Unavailable { cause } => OpenError::Io(
            cause.downcast::<io::Error>().map_or_else(io::Error::other, |cause| *cause),
        ),
        error => OpenError::Corrupt { cause: error.into() },
    }
}

/// A file that is missing, ends too early, or doesn't hold what it should, is not the operating system's fault.
pub(crate) fn is_damage(cause: &io::Error) -> bool {
    matches!(
        cause.kind(),
        io::ErrorKind::NotFound
            | io::ErrorKind::UnexpectedEof
            | io::ErrorKind::InvalidData
            | io::ErrorKind::InvalidInput
    )
}

/// A page ends when it holds so many bytes of payload.
const PAGE_BYTES: usize = 8 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    /// A power cut may take the name of a file that sled's log speaks of.
    #[test]
    fn a_file_that_is_missing_is_damage_also_where_sled_says_it_again() {
        let first = sled::Error::Io(io::Error::from_raw_os_error(2));
        for error in [first.clone(), first] {
            let refused = guarded(|| Err::<(), _>(error.clone()));
            assert!(matches!(refused, Err(ReadError::Corrupt { position: None })), "{refused:?}");
        }
    }

    #[test]
    fn a_full_disk_is_one_also_where_sled_says_it_again() {
        let first = sled::Error::Io(io::Error::from_raw_os_error(28));
        let sled::Error::Io(again) = first.clone() else { panic!("{first:?}") };
        assert_eq!(again.raw_os_error(), None, "sled gives a text");
        assert_eq!(as_it_was(again).raw_os_error(), Some(28));
        let refused = guarded(|| Err::<(), _>(first.clone()));
        let Err(ReadError::Unavailable { cause }) = refused else { panic!("{refused:?}") };
        let opened = not_opened(ReadError::Unavailable { cause });
        assert!(matches!(opened, OpenError::Io(e) if e.kind() == io::ErrorKind::StorageFull));
        assert_eq!(as_it_was(io::Error::other("Os { code: x,")).to_string(), "Os { code: x,");
    }
}
