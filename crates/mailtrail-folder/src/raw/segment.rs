//! A file of bodies: how it is walked, read and erased from.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::head::{AGE_BYTES, ALIGN, Age, Beginning, HEAD, HEAD_BYTES, Head, Salt};

/// The path of a segment.
pub(super) fn path(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{number:020}.{SUFFIX}"))
}

/// The number of a segment's name.
pub(super) fn number(name: &str) -> Option<u64> {
    name.strip_suffix(SUFFIX)?.strip_suffix('.')?.parse().ok()
}

/// What stands at a file's beginning; `None` if it is no segment.
pub(super) fn beginning(file: &File) -> io::Result<Option<Beginning>> {
    let mut bytes = [0; HEAD];
    match file.read_exact_at(&mut bytes, 0) {
        Ok(()) => Ok(Beginning::decode(&bytes)),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error),
    }
}

/// What a walk came to.
#[derive(Debug, Default)]
pub(super) struct Walked {
    /// Behind the last body.
    pub(super) end: u64,
    /// What lies between the bodies of the last group: what a power cut has left of others of it.
    pub(super) torn: Vec<(u64, u64)>,
}

/// Visits the heads from an offset on, without the bodies. `beyond` goes on behind what is no head, if another follows:
/// nobody may be writing then.
pub(super) fn walk(
    file: &File,
    salt: &Salt,
    (from, to): (u64, u64),
    beyond: bool,
    each: &mut dyn FnMut(u64, &Head),
) -> io::Result<Walked> {
    let mut window = Window { file, salt, to, begin: 0, bytes: Vec::new() };
    let (mut at, mut group, mut gaps) = (from, from, Vec::new());
    loop {
        while let Some(head) = window.head(at)? {
            each(at, &head);
            group = at.saturating_sub(head.group.into());
            at = at.saturating_add(Head::room(head.length));
        }
        let Some(next) = window.next(at).transpose().filter(|_| beyond).transpose()? else { break };
        gaps.push((at, next));
        at = next;
    }
    gaps.retain(|(begin, _)| *begin >= group);
    Ok(Walked { end: at, torn: gaps })
}

/// The part of a file in which heads are looked for.
struct Window<'a> {
    file: &'a File,
    salt: &'a Salt,
    /// Where the bodies end at the latest.
    to: u64,
    begin: u64,
    bytes: Vec<u8>,
}

impl Window<'_> {
    /// The head at an offset, if its body ends within the file.
    fn head(&mut self, at: u64) -> io::Result<Option<Head>> {
        let Some(bytes) = self.bytes(at)? else { return Ok(None) };
        let head = Head::decode(&bytes, self.salt, at);
        let ends = |head: &Head| {
            at.saturating_add(HEAD_BYTES).saturating_add(head.length.into()) <= self.to
        };
        Ok(head.filter(ends))
    }

    /// The next head behind an offset at which there is none.
    fn next(&mut self, mut at: u64) -> io::Result<Option<u64>> {
        while at < self.to {
            at = at.saturating_add(ALIGN);
            if self.head(at)?.is_some() {
                return Ok(Some(at));
            }
        }
        Ok(None)
    }

    fn bytes(&mut self, at: u64) -> io::Result<Option<[u8; HEAD]>> {
        if at.saturating_add(HEAD_BYTES) > self.to {
            return Ok(None);
        }
        if let Some(bytes) = self.held(at) {
            return Ok(Some(bytes));
        }
        self.bytes.resize(WINDOW, 0);
        let mut length = 0;
        while let Some(rest) = self.bytes.get_mut(length..).filter(|rest| !rest.is_empty()) {
            let from = at.saturating_add(u64::try_from(length).unwrap_or_default());
            match self.file.read_at(rest, from)? {
                0 => break,
                read => length = length.saturating_add(read),
            }
        }
        self.bytes.truncate(length);
        self.begin = at;
        Ok(self.held(at))
    }

    fn held(&self, at: u64) -> Option<[u8; HEAD]> {
        let at = usize::try_from(at.checked_sub(self.begin)?).ok()?;
        self.bytes.get(at..)?.first_chunk().copied()
    }
}

/// The head at an offset.
pub(super) fn head(file: &File, salt: &Salt, at: u64) -> io::Result<Option<Head>> {
    let mut bytes = [0; HEAD];
    match file.read_exact_at(&mut bytes, at) {
        Ok(()) => Ok(Head::decode(&bytes, salt, at)),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error),
    }
}

/// The bytes behind a head, whatever they are by now.
pub(super) fn body(file: &File, at: u64, length: u32) -> io::Result<Bytes> {
    let mut bytes = vec![0; usize::try_from(length).unwrap_or_default()];
    file.read_exact_at(&mut bytes, at.saturating_add(HEAD_BYTES))?;
    Ok(bytes.into())
}

/// Writes zeros over a body. It is unreadable once the file is synced, and only then may be [told to be](set_age).
pub(super) fn overwrite(file: &File, at: u64, length: u32) -> io::Result<()> {
    zero(file, at.saturating_add(HEAD_BYTES), length.into())
}

/// Says when a body was put, or that it is erased.
pub(super) fn set_age(file: &File, salt: &Salt, at: u64, age: Age) -> io::Result<()> {
    file.write_all_at(&age.encode(salt, at), at.saturating_add(AGE_BYTES))
}

/// Writes zeros.
pub(super) fn zero(file: &File, mut at: u64, mut length: u64) -> io::Result<()> {
    let zeros = vec![0; WINDOW];
    while length > 0 {
        let part = usize::try_from(length).unwrap_or(WINDOW).min(WINDOW);
        file.write_all_at(zeros.get(..part).unwrap_or_default(), at)?;
        let part = u64::try_from(part).unwrap_or_default();
        (at, length) = (at.saturating_add(part), length.saturating_sub(part));
    }
    Ok(())
}

const SUFFIX: &str = "bodies";
/// How much is read at once where heads are looked for.
const WINDOW: usize = 64 << 10;
