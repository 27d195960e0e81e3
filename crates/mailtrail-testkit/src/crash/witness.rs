//! The sync witness: between the write of an event and the first word about it, the kernel was told to bring it to
//! the disk. Read off a trace of system calls.

use std::collections::HashMap;
use std::fs;

use super::child::{Parent, Said};
use super::trace::{FileId, Recording, What, strace, wrapper};
use super::{Limits, skipped};

const EVENTS: u64 = 20;

/// Neither an acknowledgement nor a reader's first sight of an event comes before the file that it was written to was
/// synced: `fsync` or `fdatasync`, after the last write to it. Says that it was skipped where there is no strace.
///
/// # Panics
/// If it comes before, or if what the store does can't be seen: see [`Limits::may_map`].
#[expect(clippy::expect_used, clippy::panic, reason = "a test")]
pub fn what_is_acknowledged_or_observed_was_synced(parent: &Parent, test: &str, limits: &Limits) {
    let Some(strace) = strace() else { return skipped(test, "strace is not there") };
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().canonicalize().expect("its path");
    let (trace, disk) = (path.join("trace"), path.join("disk"));
    fs::create_dir(&disk).expect("a folder");
    let mut process = parent.records(&disk.join("store"), 0, EVENTS, &wrapper(&strace, &trace));
    while process.next_word().is_some() {}
    process.wait();
    let trace = fs::read_to_string(trace).expect("the trace can be read");
    let recording = Recording::read(&trace, &disk.to_string_lossy(), &limits.mapped_names());
    let recording = recording.unwrap_or_else(|error| panic!("the store can't be seen: {error}"));
    let witness = Witness::of(&recording);
    let (acknowledged, observed) = (witness.acknowledged, witness.observed);
    assert_eq!((acknowledged, observed), (EVENTS, EVENTS), "every word was seen");
    assert!(
        witness.early.is_empty(),
        "rule: acknowledged ⇒ durable, observed ⇒ durable\nsaid before it was synced:\n{}",
        witness.early.join("\n")
    );
}

/// What was written and synced since the last event.
#[derive(Debug, Default)]
struct Witness {
    /// By file: bytes written since the last word.
    written: HashMap<FileId, Written>,
    /// By event: where it was written to.
    holds: HashMap<u64, (FileId, Written)>,
    /// The events that were spoken of.
    last: Option<u64>,
    acknowledged: u64,
    observed: u64,
    early: Vec<String>,
}

/// How much was written, when that had ended, and whether it was synced afterwards.
#[derive(Debug, Default, Clone, Copy)]
struct Written {
    bytes: usize,
    ended: usize,
    synced: bool,
}

impl Written {
    fn sync(&mut self, began: usize) {
        self.synced |= began > self.ended;
    }
}

impl Witness {
    fn of(recording: &Recording) -> Self {
        let mut witness = Self::default();
        let mut operations: Vec<_> = recording.operations.iter().collect();
        // A word may be heard as soon as it begins; all else has happened when it has ended.
        operations
            .sort_by_key(|of| if matches!(of.what, What::Say(_)) { of.began } else { of.ended });
        for operation in operations {
            match &operation.what {
                What::Write { file, bytes, .. } => witness.write(*file, bytes, operation.ended),
                What::Sync { file } => witness.sync(*file, operation.began),
                What::Say(said) => witness.word(*said),
                _ => {}
            }
        }
        witness
    }

    fn write(&mut self, file: FileId, bytes: &[u8], ended: usize) {
        for number in events(bytes) {
            // Written once more, as engines do with pages, it is still the synced one that counts.
            let written = Written { bytes: bytes.len(), ended, synced: false };
            self.holds.entry(number).or_insert((file, written));
        }
        let written = self.written.entry(file).or_default();
        *written = Written { bytes: written.bytes + bytes.len(), ended, synced: false };
    }

    fn sync(&mut self, file: FileId, began: usize) {
        let held = self.holds.values_mut().filter(|(of, _)| *of == file);
        held.for_each(|(_, written)| written.sync(began));
        self.written.entry(file).or_default().sync(began);
    }

    /// The first word about an event.
    fn word(&mut self, said: Said) {
        match said {
            Said::Acknowledged(_) => self.acknowledged += 1,
            Said::Observed(_) => self.observed += 1,
            Said::Erased(_) => return,
        }
        let number = said.number();
        if self.last.is_some_and(|last| number <= last) {
            return;
        }
        // Where the event can't be read off the trace, its file is the one that most was written to.
        let most = self.written.values().max_by_key(|written| written.bytes);
        let guessed = most.is_some_and(|written| written.synced);
        if !self.holds.get(&number).map_or(guessed, |(_, written)| written.synced) {
            self.early.push(said.to_string());
        }
        self.written.clear();
        self.last = Some(number);
    }
}

/// The events whose text is in what was written.
fn events(bytes: &[u8]) -> impl Iterator<Item = u64> {
    let text = String::from_utf8_lossy(bytes).into_owned();
    let numbers = text.split("private text of event ").skip(1).filter_map(|rest| {
        let (number, _) = rest.split_once('.')?;
        number.parse().ok()
    });
    numbers.collect::<Vec<_>>().into_iter()
}

#[cfg(test)]
mod tests {
    use super::super::trace::lines::{ROOT, made, pwrite, said, sync};
    use super::*;

    fn early(lines: &[&str]) -> usize {
        let trace = [made(5, "log"), made(6, "head"), lines.concat()].concat();
        Witness::of(&Recording::read(&trace, ROOT, &[]).unwrap()).early.len()
    }

    #[test]
    fn a_word_before_the_sync_is_noticed() {
        let write = &*pwrite(5, "log", 0, &[b'x'; 500]);
        let head = &*pwrite(6, "head", 0, &[b'x'; 64]);
        let (sync, other) = (&*sync(5, "log"), &*sync(6, "head"));
        let [word, next] = &[0, 1].map(|number| said(&format!("acknowledged {number}")));
        let seen = &*said("observed 0");
        assert_eq!(early(&[write, sync, head, word, seen]), 0);
        assert_eq!(early(&[write, word, sync]), 1);
        assert_eq!(early(&[write, seen, sync, word]), 1, "a reader saw it");
        assert_eq!(early(&[write, sync, write, word]), 1, "written after it");
        assert_eq!(early(&[write, other, word]), 1, "another file");
        assert_eq!(early(&[write, sync, word, write, next]), 1);
        assert_eq!(early(&[word]), 1, "nothing at all");
        let record = &*pwrite(5, "log", 0, b"...private text of event 0.\xff");
        assert_eq!(early(&[record, sync, write, word]), 0, "another page, later");
        assert_eq!(early(&[write, sync, record, word]), 1, "the record itself");
    }

    #[test]
    fn a_sync_brings_nothing_that_was_written_meanwhile() {
        let write = &*pwrite(5, "log", 0, b"private text of event 0.");
        let word = &*said("acknowledged 0");
        let begun = &*sync(5, "log").replace("7 ", "9 ").replace(") = 0", " <unfinished ...>");
        let done = "9 <... fdatasync resumed>) = 0\n";
        assert_eq!(early(&[begun, write, done, word]), 1);
        assert_eq!(early(&[write, begun, word, done]), 1);
        assert_eq!(early(&[write, begun, done, word]), 0);
    }
}
