//! What a build does beside building: it saves in steps, and tells how far it is.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use mailtrail_core::Position;
use mailtrail_core::projection::{Checkpoint, Entry, StateError, StateId, StateStore};

use super::progress::{Meter, Progress};

/// Saves a new state in steps: it is a whole one with the last of them. Each step has a number of its own, which
/// tells others that the build goes on.
pub(super) struct Steps<'a> {
    states: &'a dyn StateStore,
    id: StateId,
    kept: Checkpoint,
    entries: Vec<Entry>,
    last: Instant,
}

impl<'a> Steps<'a> {
    pub(super) fn begin(
        states: &'a dyn StateStore,
        id: StateId,
        number: u64,
    ) -> Result<Self, StateError> {
        let mut kept = Checkpoint::default();
        kept.building = Some(number);
        states.save(&id, None, Vec::new(), &kept)?;
        Ok(Self { states, id, kept, entries: Vec::new(), last: Instant::now() })
    }

    pub(super) fn take(&mut self, entry: Entry) -> Result<(), StateError> {
        self.entries.push(entry);
        if self.entries.len() < STEP { Ok(()) } else { self.go_on() }
    }

    pub(super) fn finish(mut self, done: Checkpoint) -> Result<(), StateError> {
        self.step(done)
    }

    fn go_on(&mut self) -> Result<(), StateError> {
        let mut next = self.kept.clone();
        next.building = next.building.map(|number| number.wrapping_add(1));
        self.step(next)
    }

    fn step(&mut self, to: Checkpoint) -> Result<(), StateError> {
        let entries = std::mem::take(&mut self.entries);
        self.states.save(&self.id, Some(&self.kept), entries, &to)?;
        (self.kept, self.last) = (to, Instant::now());
        Ok(())
    }
}

/// Passes on how far the threads of a build are, and gives a sign of life.
pub(super) struct Heard<'a>(Mutex<Hearing<'a>>);

struct Hearing<'a> {
    steps: Steps<'a>,
    failed: Option<StateError>,
    meter: Meter,
    head: Position,
    progress: &'a mut (dyn FnMut(Progress) + Send),
}

impl<'a> Heard<'a> {
    pub(super) fn new(
        head: Position,
        steps: Steps<'a>,
        progress: &'a mut (dyn FnMut(Progress) + Send),
    ) -> Self {
        let meter = Meter::new(Position::START);
        Self(Mutex::new(Hearing { steps, failed: None, meter, head, progress }))
    }

    pub(super) fn reached(&self, position: Position) {
        let mut hearing = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (head, rate) = (hearing.head, hearing.meter.reached(position));
        let progress = Progress { position, head, building: true, rate, ..Progress::default() };
        (hearing.progress)(progress);
        if hearing.failed.is_none() && hearing.steps.last.elapsed() > SIGN_OF_LIFE {
            hearing.failed = hearing.steps.go_on().err();
        }
    }

    /// What goes on to save; the error, if a sign of life could not be given.
    pub(super) fn into_steps(self) -> Result<Steps<'a>, StateError> {
        let hearing = self.0.into_inner().unwrap_or_else(PoisonError::into_inner);
        hearing.failed.map_or(Ok(hearing.steps), Err)
    }
}

/// Entries saved at once.
const STEP: usize = 8_192;
const SIGN_OF_LIFE: Duration = Duration::from_secs(1);
