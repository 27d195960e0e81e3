//! How bodies become unreadable, one by one or by their age.

use std::collections::HashMap;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use chrono::{DateTime, Utc};
use mailtrail_core::event::RawHash;

use super::head::{Age, HEAD_BYTES, Head, Salt};
use super::places::Places;
use super::segment::{self, beginning, walk};
use super::shelf::{Place, Shelf};
use super::writer::nanoseconds;

/// Where a body is that has a file of its own.
pub(super) fn own_path(folder: &Path, hash: RawHash) -> PathBuf {
    folder.join(hash.to_string())
}

/// Waits for its turn to change what is written already: one process and one thread at a time.
pub(super) fn changes(folder: &Path) -> io::Result<File> {
    let file = changes_file(folder)?;
    file.lock()?;
    Ok(file)
}

/// `None` while somebody else changes something.
pub(super) fn try_changes(folder: &Path) -> io::Result<Option<File>> {
    let file = changes_file(folder)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

fn changes_file(folder: &Path) -> io::Result<File> {
    File::options().write(true).create(true).truncate(false).open(folder.join(CHANGES))
}

/// Makes every copy of these unreadable. Says how many bodies there were.
pub(super) fn remove(shelf: &Shelf, hashes: &[RawHash]) -> io::Result<u64> {
    let _changes = changes(shelf.folder())?;
    shelf.refresh()?;
    let (mut removed, mut own, mut places) = (0_u64, false, Vec::new());
    for hash in hashes {
        let packed = shelf.find(*hash)?.places;
        let file = remove_file(&own_path(shelf.folder(), *hash))?;
        removed = removed.saturating_add(u64::from(file || !packed.is_empty()));
        own |= file;
        places.extend(packed);
    }
    erase(shelf, &places)?;
    if own { crate::sync(shelf.folder()).map(|()| removed) } else { Ok(removed) }
}

/// Makes unreadable what was put last before this time. Says how many bodies.
pub(super) fn expire(shelf: &Shelf, before: DateTime<Utc>) -> io::Result<u64> {
    let _changes = changes(shelf.folder())?;
    shelf.refresh()?;
    let expired = expire_files(shelf.folder(), before.into())?;
    let nanoseconds = before.timestamp_nanos_opt().unwrap_or(i64::MAX);
    let mut packed = 0_u64;
    for segment in begun_before(shelf, nanoseconds) {
        packed = packed.saturating_add(expire_segment(shelf, segment, nanoseconds)?);
    }
    Ok(expired.saturating_add(packed))
}

/// The segments that may hold something older: what is in one is no older than itself.
fn begun_before(shelf: &Shelf, nanoseconds: i64) -> Vec<(u64, Salt, u64)> {
    let segments = shelf.read();
    let old = segments.iter().filter(|(_, segment)| segment.begun < nanoseconds);
    old.map(|(number, segment)| (*number, segment.salt, segment.end())).collect()
}

fn expire_segment(
    shelf: &Shelf,
    (number, salt, end): (u64, Salt, u64),
    before: i64,
) -> io::Result<u64> {
    let Some(file) = shelf.change(number)? else { return Ok(0) };
    // Where the age is damaged: no later than something was written there.
    let latest = nanoseconds(file.metadata()?.modified()?);
    let (mut expired, mut kept) = (Vec::new(), false);
    let mut each = |at, head: &Head| match head.age {
        Age::Erased => {}
        Age::Put(age) if age >= before => kept = true,
        Age::Unknown if latest >= before => kept = true,
        Age::Put(_) | Age::Unknown => {
            expired.push(Place { segment: number, salt, at, head: *head });
        }
    };
    walk(&file, &salt, (HEAD_BYTES, end), true, &mut each)?;
    // Who writes to it holds its lock.
    if !kept && file.try_lock().is_ok() && ends(&file, &salt, end)? {
        fs::remove_file(segment::path(shelf.folder(), number))?;
        crate::sync(shelf.folder())?;
        shelf.write().remove(&number);
    } else {
        erase(shelf, &expired)?;
    }
    Ok(u64::try_from(expired.len()).unwrap_or(u64::MAX))
}

/// Whether nothing was written behind that by now.
fn ends(file: &File, salt: &Salt, end: u64) -> io::Result<bool> {
    if Places::open(file, salt)?.is_some_and(|places| places.end == end) {
        return Ok(true);
    }
    let length = file.metadata()?.len();
    Ok(beginning(file)?.is_some()
        && walk(file, salt, (end, length), true, &mut |_, _| ())?.end == end)
}

/// First the bytes, durably, then what says that they are erased: in between they are damaged, and can be erased again.
fn erase(shelf: &Shelf, places: &[Place]) -> io::Result<()> {
    let mut files = HashMap::new();
    for place in places {
        if !files.contains_key(&place.segment)
            && let Some(file) = shelf.change(place.segment)?
        {
            files.insert(place.segment, file);
        }
    }
    let each = |change: &dyn Fn(&File, &Place) -> io::Result<()>| {
        for place in places {
            files.get(&place.segment).map_or(Ok(()), |file| change(file, place))?;
        }
        files.values().try_for_each(File::sync_data)
    };
    each(&|file, place| segment::overwrite(file, place.at, place.head.length))?;
    each(&|file, place| segment::set_age(file, &place.salt, place.at, Age::Erased))
}

/// Removes what has a file of its own, and what was left of one that was never finished.
fn expire_files(folder: &Path, before: SystemTime) -> io::Result<u64> {
    let mut expired = 0_u64;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name == CHANGES || segment::number(&name).is_some() {
            continue;
        }
        if entry.metadata()?.modified()? < before && remove_file(&entry.path())? {
            expired = expired.saturating_add(1);
        }
    }
    Ok(expired)
}

/// Whether it was there.
fn remove_file(path: &Path) -> io::Result<bool> {
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

const CHANGES: &str = "changes.lock";
