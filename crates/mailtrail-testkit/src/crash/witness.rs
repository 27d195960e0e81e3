//! The sync witness: between the write of an event and the first word about it, the kernel was told to bring it to
//! the disk. Read off a trace of system calls.

use std::collections::HashMap;
use std::process::Command;

use super::child::Parent;
use super::skipped;

const EVENTS: u64 = 20;

/// Neither an acknowledgement nor a reader's first sight of an event comes before the file that it was written to was
/// synced: `fsync` or `fdatasync`, after the last write to it. Says that it was skipped where there is no strace.
///
/// # Panics
/// If it comes before.
#[expect(clippy::expect_used, reason = "a test")]
pub fn what_is_acknowledged_or_observed_was_synced(parent: &Parent, test: &str) {
    let Some(strace) = strace() else { return skipped(test, "strace is not there") };
    let folder = tempfile::tempdir().expect("a folder");
    let (trace, store) = (folder.path().join("trace"), folder.path().join("store"));
    let calls = "--trace=write,pwrite64,writev,pwritev,pwritev2,fsync,fdatasync,msync";
    let (trace_path, store_path) = (trace.to_string_lossy(), store.to_string_lossy());
    let wrapper =
        [&strace, "-f", "-y", "-s", "65536", calls, "-o", &*trace_path].map(str::to_owned);
    let mut process = parent.records(&store, 0, EVENTS, &wrapper);
    while process.next_word().is_some() {}
    process.wait();
    let trace = std::fs::read_to_string(trace).expect("the trace can be read");
    let mut witness = Witness::of(&store_path);
    trace.lines().for_each(|line| witness.line(line));
    let (acknowledged, observed) = (witness.acknowledged, witness.observed);
    assert_eq!((acknowledged, observed), (EVENTS, EVENTS), "every word was seen");
    assert!(
        witness.early.is_empty(),
        "rule: acknowledged ⇒ durable, observed ⇒ durable\nsaid before it was synced:\n{}",
        witness.early.join("\n")
    );
}

/// What was written and synced since the last event.
struct Witness<'a> {
    folder: &'a str,
    /// By file: bytes written since the last word, and whether it was synced after the last of them.
    written: HashMap<String, (u64, bool)>,
    synced: bool,
    /// By event: the file that it was written to, and whether that was synced afterwards.
    holds: HashMap<u64, (String, bool)>,
    /// The events that were spoken of.
    last: Option<u64>,
    acknowledged: u64,
    observed: u64,
    early: Vec<String>,
}

impl<'a> Witness<'a> {
    fn of(folder: &'a str) -> Self {
        Self {
            folder,
            written: HashMap::new(),
            synced: false,
            holds: HashMap::new(),
            last: None,
            acknowledged: 0,
            observed: 0,
            early: Vec::new(),
        }
    }

    fn line(&mut self, line: &str) {
        // A call that another thread's interrupts is told twice; it has happened when it is resumed.
        let syncs = line.contains("fsync") || line.contains("fdatasync") || line.contains("msync");
        if let Some(number) = said(line, "acknowledged") {
            self.acknowledged += 1;
            self.word(number, line);
        } else if let Some(number) = said(line, "observed") {
            self.observed += 1;
            self.word(number, line);
        } else if let Some(file) = file(line, self.folder) {
            if syncs {
                self.synced = true;
                let held = self.holds.values_mut().filter(|(of, _)| *of == file);
                held.for_each(|(_, synced)| *synced = true);
                self.written.entry(file).or_default().1 = true;
            } else {
                for number in events(line) {
                    // Written once more, as engines do with pages, it is still the synced one that counts.
                    self.holds.entry(number).or_insert_with(|| (file.clone(), false));
                }
                let written = self.written.entry(file).or_default();
                *written = (written.0 + bytes(line), false);
            }
        } else if syncs {
            self.synced = true;
        }
    }

    /// The first word about an event.
    fn word(&mut self, number: u64, line: &str) {
        if self.last.is_some_and(|last| number <= last) {
            return;
        }
        // Where the event can't be read off the trace, its file is the one that most was written to; a store that maps
        // its file into memory writes none.
        let most = self.written.values().max_by_key(|(bytes, _)| *bytes);
        let guessed = || most.map_or(self.synced, |(_, synced)| *synced);
        if !self.holds.get(&number).map_or_else(guessed, |(_, synced)| *synced) {
            self.early.push(line.to_owned());
        }
        self.written.clear();
        (self.synced, self.last) = (false, Some(number));
    }
}

fn said(line: &str, what: &str) -> Option<u64> {
    let (_, rest) = line.split_once(what)?;
    let digits: String = rest.trim_start().chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

/// The events whose text is in what was written.
fn events(line: &str) -> impl Iterator<Item = u64> {
    line.split("private text of event ").skip(1).filter_map(|rest| {
        let (number, _) = rest.split_once('.')?;
        number.parse().ok()
    })
}

/// The file of the folder that a call is about.
fn file(line: &str, folder: &str) -> Option<String> {
    let (_, rest) = line.split_once(&format!("<{folder}"))?;
    rest.split_once('>').map(|(file, _)| file.to_owned())
}

fn bytes(line: &str) -> u64 {
    line.rsplit_once("= ").and_then(|(_, result)| result.trim().parse().ok()).unwrap_or(1)
}

fn strace() -> Option<String> {
    if let Some(path) = std::env::var_os("MAILTRAIL_STRACE") {
        return path.into_string().ok();
    }
    let found = Command::new("strace").arg("-V").output();
    found.is_ok_and(|output| output.status.success()).then(|| "strace".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn early(trace: &str) -> usize {
        let mut witness = Witness::of("/store");
        trace.lines().for_each(|line| witness.line(line));
        witness.early.len()
    }

    #[test]
    fn a_word_before_the_sync_is_noticed() {
        let write = "7 pwrite64(5</store/log>, \"...\"..., 500, 0) = 500\n";
        let head = "7 pwrite64(6</store/head>, \"...\"..., 64, 0) = 64\n";
        let sync = "7 fdatasync(5</store/log>) = 0\n";
        let other = "7 fdatasync(6</store/head>) = 0\n";
        let word = |number: u64| {
            format!("8 write(1<pipe:[1]>, \"\\nacknowledged {number}\\n\", 16) = 16\n")
        };
        let seen =
            |number: u64| format!("9 write(1<pipe:[1]>, \"\\nobserved {number}\\n\", 12) = 12\n");
        assert_eq!(early(&format!("{write}{sync}{head}{}{}", word(0), seen(0))), 0);
        assert_eq!(early(&format!("{write}{}{sync}", word(0))), 1);
        assert_eq!(early(&format!("{write}{}{sync}{}", seen(0), word(0))), 1, "a reader saw it");
        assert_eq!(early(&format!("{write}{sync}{write}{}", word(0))), 1, "written after it");
        assert_eq!(early(&format!("{write}{other}{}", word(0))), 1, "another file");
        assert_eq!(early(&format!("{write}{sync}{}{write}{}", word(0), word(1))), 1);
        assert_eq!(early(&format!("7 msync(0x7f, 4096, MS_SYNC) = 0\n{}", word(0))), 0, "mapped");
        assert_eq!(early(&word(0)), 1, "nothing at all");
        let record =
            "7 pwrite64(5</store/log>, \"...private text of event 0.\\372\", 300, 0) = 300\n";
        assert_eq!(early(&format!("{record}{sync}{write}{}", word(0))), 0, "another page, later");
        assert_eq!(early(&format!("{write}{sync}{record}{}", word(0))), 1, "the record itself");
    }
}
