//! Power cuts: a store is recorded while it works, and opened in folders that a power cut could have left meanwhile.
//!
//! # What a disk promises
//! Modelled is what POSIX and the manuals of ext4 and XFS promise, and no more.
//!
//! - What was written to a file, and its size, are on the disk after an `fsync` or `fdatasync` of it that began when the write
//!   had ended. `sync_file_range` promises nothing. Before that any of its sectors of 512 bytes may be there and any may not,
//!   in whatever order they were written. A sector goes from the cache to the disk as a whole: where a later write to it is
//!   there, the earlier ones to it are, too.
//! - A file may be as long as a write made it though its bytes are not there: then there are zeros.
//! - A size that was set (`ftruncate`, `O_TRUNC`) is there if anything that was done to the file later is.
//! - A name (of a file or folder that was made, removed or renamed) is on the disk after an `fsync` of its folder. Before that any
//!   of them may be there. ext4 and XFS bring a new file's name with its `fsync`, too, and all names in their order; POSIX
//!   doesn't say so, and a store must not count on it.
//! - A rename is there as a whole or not at all, also between two folders: the sync of either brings it. A file has one name.
//! - What was written to a shared mapping may be there or not, whatever was synced. Only files that a store
//!   [states](super::Limits::may_map) are mapped so: they hold noise after a cut.
//!
//! A cut may be at any moment. What was said by then (acknowledged, seen by a reader, erased) must be so afterwards.

mod bodies;
mod cut;
mod fate;
mod kept;
mod look;
mod model;
mod work;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use super::child::Parent;
use super::trace::{Operation, Recording, What, strace, wrapper};
use super::{Limits, Places, skipped, soaks};
use cut::Cut;
use look::{Broken, Class, Kind};
use model::Model;

pub(super) use bodies::{survey as survey_bodies, work as keep_bodies};
pub(super) use kept::{survey as survey_states, work as keep_states};
pub(super) use look::survey;
pub(super) use work::work;

/// What was acknowledged, and what any reader had seen, is there after a power cut, whenever it is and whatever of the
/// operations that were not synced it leaves; nothing else is, and the store goes on from there. Says that it was skipped where
/// there is no strace.
///
/// In the long form (`MAILTRAIL_SOAK`) a cut at each sync and 200 between them.
///
/// # Panics
/// If it is not, unless the limits state so.
#[expect(clippy::print_stdout, reason = "a test says what it found")]
pub fn what_is_acknowledged_or_observed_survives_a_power_cut(
    parent: &Parent,
    test: &str,
    limits: &Limits,
) {
    let Some(strace) = strace() else { return skipped(test, "strace is not there") };
    let since = Instant::now();
    let mut places = Places::of_this_run();
    let found = find(parent, &strace, limits, &mut places);
    let (took, seed) = (since.elapsed().as_secs_f32(), places.said());
    println!("power cuts: {}: {found} in {took:.1} s; {seed}", store(test));
    if let Some(why) = limits.power_cuts {
        println!("damage that it tells is a stated limit: {why}");
    }
    assert!(
        found.unstated(limits) == 0,
        "rule: acknowledged ⇒ durable, observed ⇒ durable\n{found}; {seed}\n{}",
        found.scripts
    );
    println!("{}", found.scripts);
}

/// The crate and the module of a test, by which its store is known.
fn store(test: &str) -> String {
    let module = test.rsplit_once("::").map_or(test, |(module, _)| module);
    let package = std::env::var_os("CARGO_PKG_NAME").unwrap_or_default();
    format!("{} {module}", package.to_string_lossy()).trim_start().to_owned()
}

/// Records the store and tries the cuts.
fn find(parent: &Parent, strace: &str, limits: &Limits, places: &mut Places) -> Found {
    let model = Model::new(recorded(parent, strace, limits));
    let cuts = cuts(&model, places);
    let mut found = Found { opened: cuts.len(), ..Found::default() };
    for (cut, broken) in looked_at(parent, &model, &cuts) {
        found.kinds.entry(broken.kind()).or_default().push((cut, broken));
    }
    found.scripts = found.scripts(parent, &model);
    found
}

/// The operations of a process that does all that a store is asked for.
#[expect(clippy::expect_used, clippy::panic, reason = "a test")]
fn recorded(parent: &Parent, strace: &str, limits: &Limits) -> Recording {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().canonicalize().expect("its path");
    let (trace, disk) = (path.join("trace"), path.join("disk"));
    fs::create_dir(&disk).expect("a folder");
    let mut process = parent.works(&disk.join(STORE), &wrapper(strace, &trace));
    while process.next_word().is_some() {}
    assert!(process.wait(), "the store does its work while it is recorded");
    let trace = fs::read_to_string(trace).expect("the trace can be read");
    let root = disk.to_string_lossy();
    let recording = Recording::read(&trace, &root, &limits.mapped_names())
        .unwrap_or_else(|error| panic!("the store can't be recorded: {error}"));
    let writes = |of: &Operation| matches!(of.what, What::Write { .. });
    assert!(recording.operations.iter().any(writes), "the store was seen to write");
    recording
}

/// The folder of the store, on the disk.
const STORE: &str = "store";

/// The cuts that are tried.
fn cuts(model: &Model, places: &mut Places) -> Vec<Cut> {
    let (at_syncs, between) = if soaks() { (usize::MAX, 200) } else { (60, 40) };
    let mut cuts = Cut::at_syncs(model, places);
    while cuts.len() > at_syncs {
        cuts.swap_remove(places.below(cuts.len()));
    }
    cuts.extend((0..between).map(|_| Cut::chosen(model, places)));
    cuts
}

/// Those of the cuts that broke something.
fn looked_at(parent: &Parent, model: &Model, cuts: &[Cut]) -> Vec<(Cut, Broken)> {
    let (next, found) = (AtomicUsize::new(0), Mutex::<Vec<_>>::default());
    let look = || {
        while let Some(cut) = cuts.get(next.fetch_add(1, Ordering::Relaxed)) {
            if let Err(broken) = look_at(parent, model, cut) {
                found.lock().unwrap_or_else(PoisonError::into_inner).push((cut.clone(), broken));
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from).min(4) {
            scope.spawn(look);
        }
    });
    found.into_inner().unwrap_or_else(PoisonError::into_inner)
}

#[expect(clippy::expect_used, reason = "a test")]
fn look_at(parent: &Parent, model: &Model, cut: &Cut) -> Result<(), Broken> {
    let folder = tempfile::tempdir().expect("a folder");
    cut.image(model).write(folder.path()).expect("the folder can be written");
    look::looked(parent, &folder.path().join(STORE), &cut.words(model))
}

/// What was broken, by kind.
#[derive(Debug, Default)]
struct Found {
    opened: usize,
    kinds: BTreeMap<Kind, Vec<(Cut, Broken)>>,
    scripts: String,
}

impl Found {
    /// Of each kind the shortest script that shows it.
    fn scripts(&self, parent: &Parent, model: &Model) -> String {
        let script = |(kind, found): (&Kind, &Vec<(Cut, Broken)>)| {
            let (cut, mut broken) = found.iter().min_by_key(|(cut, _)| cut.moment)?.clone();
            let script = cut.script(model, |less| match look_at(parent, model, less) {
                Err(same) if same.kind() == *kind => {
                    broken = same;
                    true
                }
                _ => false,
            });
            Some(format!("{:?}, {} times: {}\n{script}", kind.0, found.len(), broken.how))
        };
        self.kinds.iter().filter_map(script).collect::<Vec<_>>().join("\n")
    }

    /// What the limits don't state.
    fn unstated(&self, limits: &Limits) -> usize {
        let stated = |class| class == Class::Damaged && limits.power_cuts.is_some();
        self.kinds.keys().filter(|(class, _)| !stated(*class)).count()
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let broken: usize = self.kinds.values().map(Vec::len).sum();
        write!(f, "{} folders opened, {broken} broken", self.opened)
    }
}
