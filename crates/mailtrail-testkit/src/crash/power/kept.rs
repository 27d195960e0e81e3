//! Power cuts while states of projections are kept.

use std::collections::BTreeMap;
use std::path::Path;

use mailtrail_core::Position;
use mailtrail_core::projection::{Checkpoint, Entry, StateError, StateId, StateStore};
use mailtrail_core::store::OpenError;

use super::look::{Broken, Class, exit_code};

/// A step: which entries it sets, by their keys.
fn entries(step: u64) -> Vec<Entry> {
    let value = |of: u64| format!("{of} of step {step}");
    let many = if step.is_multiple_of(MANY) { 0..300 } else { 0..0 };
    let keys = [0, 1 + step % 5].into_iter().chain(many.map(|key| 10 + key));
    let entry = |key| Entry { key: format!("{key:03}").into(), value: value(key).into() };
    keys.map(entry).collect()
}

/// All that is kept after a step.
fn kept(step: u64) -> Vec<Entry> {
    let mut kept = BTreeMap::new();
    for entry in (1..=step).flat_map(entries) {
        kept.insert(entry.key, entry.value);
    }
    kept.into_iter().map(|(key, value)| Entry { key, value }).collect()
}

fn id() -> StateId {
    StateId::new("power", 1)
}

fn at(step: u64) -> Checkpoint {
    Checkpoint::at(Position::new(step))
}

/// Opens the states several times, and saves steps.
#[expect(clippy::panic, reason = "a test, whose exit code the parent looks at")]
pub(in crate::crash) fn work<S: StateStore>(
    open: &impl Fn(&Path) -> Result<S, OpenError>,
    folder: &Path,
) {
    for opening in 0..OPENINGS {
        let states = match open(folder) {
            Ok(states) => states,
            Err(error) => panic!("the folder does not open: {error}"),
        };
        for step in opening * STEPS + 1..=(opening + 1) * STEPS {
            if let Err(error) = save(&states, step) {
                panic!("step {step} could not be saved: {error}");
            }
        }
    }
}

fn save(states: &dyn StateStore, step: u64) -> Result<(), StateError> {
    let from = (step > 1).then(|| at(step - 1));
    states.save(&id(), from.as_ref(), entries(step), &at(step))
}

/// Opens what a cut left, and goes on from the step that is there, whichever it is.
pub(in crate::crash) fn survey<S: StateStore>(
    open: &impl Fn(&Path) -> Result<S, OpenError>,
    folder: &Path,
) -> i32 {
    exit_code(surveyed(open, folder))
}

fn surveyed<S: StateStore>(
    open: &impl Fn(&Path) -> Result<S, OpenError>,
    folder: &Path,
) -> Result<(), Broken> {
    let opened = || open(folder).map_err(|error| Broken::of("it is opened", error));
    let states = opened()?;
    let mut step = whole(&states)?;
    if step == 0 {
        // As whoever builds a state anew begins.
        states.discard(&id()).map_err(|error| Broken::of("a discard", error))?;
    }
    for _ in 0..MORE {
        step += 1;
        save(&states, step).map_err(|error| Broken::of("a step", error))?;
        if whole(&states)? != step {
            return Err(Broken::because(Class::Wrong, "a step is not there"));
        }
    }
    drop(states);
    if whole(&opened()?)? == step {
        return Ok(());
    }
    Err(Broken::because(Class::Wrong, "it is another state when opened again"))
}

/// The step that is there, all of it; 0 is none, or one that can't be read and says so.
fn whole(states: &dyn StateStore) -> Result<u64, Broken> {
    match read(states) {
        Ok(None) | Err(StateError::Corrupt { .. }) => Ok(0),
        Ok(Some((checkpoint, entries))) => {
            let step = checkpoint.position.get();
            let same = checkpoint == at(step) && step <= LAST + MORE && entries == kept(step);
            let how = || format!("the entries are not those of step {step}");
            same.then_some(step).ok_or_else(|| Broken::because(Class::Wrong, how()))
        }
        Err(error) => Err(Broken::of("a read", error)),
    }
}

fn read(states: &dyn StateStore) -> Result<Option<(Checkpoint, Vec<Entry>)>, StateError> {
    let Some(checkpoint) = states.checkpoint(&id())? else { return Ok(None) };
    let (mut entries, mut after) = (Vec::<Entry>::new(), None);
    loop {
        let page = states.scan(&id(), b"", after.as_deref(), 100)?;
        let Some(last) = page.last() else { return Ok(Some((checkpoint, entries))) };
        after = Some(last.key.clone());
        entries.extend(page);
    }
}

/// How often it is opened, and the steps of each time.
const OPENINGS: u64 = 5;
const STEPS: u64 = 8;
const LAST: u64 = OPENINGS * STEPS;
/// The steps that are saved after a cut.
const MORE: u64 = 3;
/// Of so many steps one has many entries.
const MANY: u64 = 11;
