//! A disk, and what of the operations on it a power cut leaves: see [the assumptions](super).

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::{fs, io};

use super::fate::Fate;
use crate::crash::trace::{FileId, Operation, Recording, What};

/// The operations, and when each is durable.
#[derive(Debug)]
pub(super) struct Model {
    recording: Recording,
    /// By operation: when it has been brought to the disk.
    settled: Vec<usize>,
}

/// What is there after a cut.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Image(pub(super) BTreeMap<PathBuf, Node>);

/// A file with its bytes, or a folder.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Node {
    Folder,
    File(Vec<u8>),
}

/// What a disk writes at once.
pub(super) const SECTOR: u64 = 512;

impl Model {
    pub(super) fn new(recording: Recording) -> Self {
        let operations = &recording.operations;
        let settled = operations.iter().enumerate().map(|(at, of)| settled(operations, at, of));
        let settled = settled.collect();
        Self { recording, settled }
    }

    pub(super) fn recording(&self) -> &Recording {
        &self.recording
    }

    /// The moments just before the next sync was done, and the end: a cut between two syncs is most that it can be there.
    pub(super) fn moments(&self) -> Vec<usize> {
        let operations = self.recording.operations.iter();
        let syncs =
            operations.clone().filter(|of| matches!(of.what, What::Sync { .. } | What::SyncAll));
        let mut moments: Vec<_> = syncs.map(|sync| sync.ended).collect();
        moments.extend(operations.map(|of| of.ended + 1).max());
        moments.sort_unstable();
        moments.dedup();
        moments
    }

    /// What was begun by a moment, and was not on the disk for sure.
    pub(super) fn pending(&self, moment: usize) -> Vec<usize> {
        let begun = self.begun(moment);
        begun.filter(|at| self.changes(*at) && self.settled[*at] >= moment).collect()
    }

    fn begun(&self, moment: usize) -> impl Iterator<Item = usize> {
        let operations = self.recording.operations.iter().enumerate();
        operations.filter(move |(_, of)| of.began < moment).map(|(at, _)| at)
    }

    fn changes(&self, at: usize) -> bool {
        let what = &self.recording.operations[at].what;
        !matches!(what, What::Sync { .. } | What::SyncAll | What::Say(_))
    }

    /// The disk after a cut at a moment: all that was settled, and of the rest what these fates say.
    pub(super) fn image(&self, moment: usize, fates: &BTreeMap<usize, Fate>) -> Image {
        let mut image = BTreeMap::new();
        let fate = |at: usize| match fates.get(&at) {
            _ if self.settled[at] < moment => Fate::Kept,
            Some(fate) => *fate,
            None => Fate::Dropped,
        };
        let mut names = Names::default();
        let mut of_file: HashMap<FileId, Vec<(usize, Fate)>> = HashMap::new();
        for at in self.begun(moment).filter(|at| self.changes(*at)) {
            let fate = fate(at);
            match &self.recording.operations[at].what {
                What::Write { file, .. } | What::Resize { file, .. } => {
                    of_file.entry(*file).or_default().push((at, fate));
                }
                what if fate != Fate::Dropped => names.apply(what),
                _ => {}
            }
        }
        self.walk(&names, &of_file, FileId(0), Path::new(""), &mut image);
        Image(image)
    }

    fn walk(
        &self,
        names: &Names,
        of_file: &HashMap<FileId, Vec<(usize, Fate)>>,
        folder: FileId,
        path: &Path,
        image: &mut BTreeMap<PathBuf, Node>,
    ) {
        for (name, file) in names.within(folder) {
            let path = path.join(name);
            if self.is_folder(file) {
                image.insert(path.clone(), Node::Folder);
                self.walk(names, of_file, file, &path, image);
            } else {
                let operations = of_file.get(&file).map(Vec::as_slice).unwrap_or_default();
                image.insert(path, Node::File(self.content(file, operations)));
            }
        }
    }

    fn is_folder(&self, file: FileId) -> bool {
        self.recording.folders.contains(&file)
    }

    fn content(&self, file: FileId, operations: &[(usize, Fate)]) -> Vec<u8> {
        let mut content = Content::default();
        let operation = |at: usize| &self.recording.operations[at].what;
        let last = operations.iter().rposition(|(_, fate)| *fate != Fate::Dropped);
        let operations = operations.get(..last.map_or(0, |last| last + 1)).unwrap_or_default();
        for (turn, (at, fate)) in operations.iter().enumerate() {
            content.brings(turn, operation(*at), *fate);
        }
        for (turn, (at, fate)) in operations.iter().enumerate() {
            content.apply(turn, operation(*at), *fate);
        }
        if self.recording.mapped.contains(&file) {
            // Whatever was written to it by the mapping, and whatever of it came to the disk.
            content.bytes.iter_mut().zip(0_u64..).for_each(|(byte, at)| *byte = noise(at));
        }
        content.bytes
    }
}

/// When an operation is on the disk for sure: after the first sync, begun when it had ended, of its file, or of the
/// folder that has the name.
fn settled(operations: &[Operation], at: usize, of: &Operation) -> usize {
    let by = |sync: &&Operation| match (&sync.what, &of.what) {
        (What::SyncAll, _) => true,
        (What::Sync { file: synced }, What::Write { file, .. } | What::Resize { file, .. }) => {
            synced == file
        }
        (What::Sync { file: synced }, What::Link { folder, .. } | What::Unlink { folder, .. }) => {
            synced == folder
        }
        (What::Sync { file: synced }, What::Rename { from, to, .. }) => {
            *synced == from.0 || *synced == to.0
        }
        _ => false,
    };
    let mut later = operations.get(at..).unwrap_or_default().iter();
    later.find(|sync| sync.began >= of.ended && by(sync)).map_or(usize::MAX, |sync| sync.ended)
}

/// Which names there are.
#[derive(Debug, Default)]
struct Names(BTreeMap<(FileId, String), FileId>);

impl Names {
    fn apply(&mut self, what: &What) {
        match what {
            // Where the name is still taken, it was not given.
            What::Link { folder, name, file } => {
                self.0.entry((*folder, name.clone())).or_insert(*file);
            }
            What::Unlink { folder, name, file } => {
                let name = (*folder, name.clone());
                if self.0.get(&name) == Some(file) && self.within(*file).next().is_none() {
                    self.0.remove(&name);
                }
            }
            What::Rename { to, file, .. } => {
                self.0.retain(|_, named| named != file);
                self.0.insert(to.clone(), *file);
            }
            _ => {}
        }
    }

    fn within(&self, folder: FileId) -> impl Iterator<Item = (&str, FileId)> {
        let from = self.0.range((folder, String::new())..);
        let of = from.take_while(move |((within, _), _)| *within == folder);
        of.map(|((_, name), file)| (name.as_str(), *file))
    }
}

/// A file, while it is put together.
#[derive(Debug, Default)]
struct Content {
    bytes: Vec<u8>,
    /// By sector: the last operation of which it came to the disk. All before it, in this sector, came with it.
    last: Vec<Option<usize>>,
}

impl Content {
    fn brings(&mut self, turn: usize, what: &What, fate: Fate) {
        let What::Write { at, bytes, .. } = what else { return };
        for (number, sector) in sectors(*at, bytes.len()).enumerate() {
            if fate.keeps(number) {
                let sector = usize::try_from(sector).unwrap_or(usize::MAX);
                if self.last.len() <= sector {
                    self.last.resize(sector + 1, None);
                }
                self.last[sector] = Some(turn);
            }
        }
    }

    fn apply(&mut self, turn: usize, what: &What, fate: Fate) {
        match what {
            // A size that is followed by anything that was kept was kept: a journal has them in order.
            What::Resize { size, .. } => {
                self.bytes.resize(usize::try_from(*size).unwrap_or(usize::MAX), 0);
            }
            What::Write { at, bytes, .. } => {
                if fate.grows() {
                    self.grow(at + bytes.len() as u64);
                }
                for sector in sectors(*at, bytes.len()) {
                    let index = usize::try_from(sector).unwrap_or(usize::MAX);
                    if self.last.get(index).copied().flatten().is_some_and(|last| turn <= last) {
                        self.copy(sector, *at, bytes);
                    }
                }
            }
            _ => {}
        }
    }

    fn grow(&mut self, size: u64) {
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        if self.bytes.len() < size {
            self.bytes.resize(size, 0);
        }
    }

    /// What lies in this sector of bytes that were written there.
    fn copy(&mut self, sector: u64, at: u64, bytes: &[u8]) {
        let from = at.max(sector * SECTOR);
        let to = (at + bytes.len() as u64).min((sector + 1) * SECTOR);
        self.grow(to);
        let index = |offset: u64| usize::try_from(offset).unwrap_or(usize::MAX);
        let of = &bytes[index(from - at)..index(to - at)];
        self.bytes[index(from)..index(to)].copy_from_slice(of);
    }
}

/// The sectors that so many bytes at a place touch.
pub(super) fn sectors(at: u64, length: usize) -> std::ops::Range<u64> {
    let end = at + length as u64;
    if length == 0 { 0..0 } else { at / SECTOR..end.div_ceil(SECTOR) }
}

fn noise(at: u64) -> u8 {
    (at.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8
}

impl Image {
    /// Writes it into a folder, which is empty.
    pub(super) fn write(&self, root: &Path) -> io::Result<()> {
        for (path, node) in &self.0 {
            match node {
                Node::Folder => fs::create_dir(root.join(path))?,
                Node::File(bytes) => fs::write(root.join(path), bytes)?,
            }
        }
        Ok(())
    }
}
