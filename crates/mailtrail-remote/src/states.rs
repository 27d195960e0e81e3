//! The states of projections as another process sees them.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use mailtrail_core::projection::{
    Checkpoint, Entry, StateError, StateId, StateSnapshot, StateStore,
};
use pollster::block_on;
use serde::{Deserialize, Serialize};

use crate::failure::text;
use crate::link::Link;
use crate::message::{Answer, Request};

/// What is asked of a [`StateStore`]; keys and values go beside it, as records.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum StateRequest {
    States,
    Checkpoint {
        state: StateId,
    },
    Get {
        state: StateId,
    },
    Scan {
        state: StateId,
        limit: usize,
    },
    /// From here on this number means the state as it is now.
    Snapshot {
        state: StateId,
    },
    SnapshotGet {
        snapshot: u64,
    },
    SnapshotScan {
        snapshot: u64,
        limit: usize,
    },
    Forget {
        snapshot: u64,
    },
    Save(Box<Step>),
    Discard {
        state: StateId,
    },
    DiscardAll,
}

/// From which checkpoint to which.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Step {
    state: StateId,
    from: Option<Checkpoint>,
    to: Checkpoint,
}

/// What is answered.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum StateAnswer {
    States {
        states: Vec<(StateId, Checkpoint)>,
    },
    Checkpoint {
        checkpoint: Option<Checkpoint>,
    },
    /// A value, or keys and values in turn.
    Entries,
    /// None if nothing of the state is kept.
    Snapshot {
        taken: Option<(u64, Checkpoint)>,
    },
    Done,
    Failed(Fault),
}

/// [`StateError`] on its way.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Fault {
    Unavailable { cause: String },
    Corrupt { cause: String },
    Unwritable { cause: String },
    Moved,
}

/// The states that the owner of the folder keeps, and shares: the same promises.
#[derive(Debug, Clone)]
pub struct RemoteStates {
    link: Arc<Link>,
}

impl RemoteStates {
    pub(crate) fn new(link: Arc<Link>) -> Self {
        Self { link }
    }

    fn ask(
        &self,
        request: StateRequest,
        records: Vec<Bytes>,
    ) -> Result<(StateAnswer, Vec<Bytes>), StateError> {
        let unavailable = |cause: std::io::Error| StateError::Unavailable { cause: cause.into() };
        match block_on(self.link.ask(&Request::State(request), records)) {
            Ok((Answer::State(StateAnswer::Failed(fault)), _)) => Err(fault.into()),
            Ok((Answer::State(answer), records)) => Ok((answer, records)),
            Ok(_) => Err(nonsense()),
            Err(error) => Err(unavailable(error.into_cause())),
        }
    }

    fn done(&self, request: StateRequest, records: Vec<Bytes>) -> Result<(), StateError> {
        self.ask(request, records).map(|_| ())
    }
}

impl StateStore for RemoteStates {
    fn states(&self) -> Result<Vec<(StateId, Checkpoint)>, StateError> {
        match self.ask(StateRequest::States, Vec::new())? {
            (StateAnswer::States { states }, _) => Ok(states),
            _ => Err(nonsense()),
        }
    }

    fn checkpoint(&self, state: &StateId) -> Result<Option<Checkpoint>, StateError> {
        match self.ask(StateRequest::Checkpoint { state: state.clone() }, Vec::new())? {
            (StateAnswer::Checkpoint { checkpoint }, _) => Ok(checkpoint),
            _ => Err(nonsense()),
        }
    }

    fn get(&self, state: &StateId, key: &[u8]) -> Result<Option<Bytes>, StateError> {
        let key = Bytes::copy_from_slice(key);
        let (_, mut found) = self.ask(StateRequest::Get { state: state.clone() }, vec![key])?;
        Ok(found.pop())
    }

    fn scan(
        &self,
        state: &StateId,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Entry>, StateError> {
        let bounds = bounds(prefix, after);
        let (_, found) = self.ask(StateRequest::Scan { state: state.clone(), limit }, bounds)?;
        entries(&found).ok_or_else(nonsense)
    }

    fn snapshot(&self, state: &StateId) -> Result<Option<Arc<dyn StateSnapshot>>, StateError> {
        match self.ask(StateRequest::Snapshot { state: state.clone() }, Vec::new())? {
            (StateAnswer::Snapshot { taken }, _) => {
                let of = |(number, checkpoint)| -> Arc<dyn StateSnapshot> {
                    Arc::new(RemoteSnapshot { states: self.clone(), number, checkpoint })
                };
                Ok(taken.map(of))
            }
            _ => Err(nonsense()),
        }
    }

    fn save(
        &self,
        state: &StateId,
        from: Option<&Checkpoint>,
        entries: Vec<Entry>,
        to: &Checkpoint,
    ) -> Result<(), StateError> {
        let (state, from, to) = (state.clone(), from.cloned(), to.clone());
        self.done(StateRequest::Save(Box::new(Step { state, from, to })), records(entries))
    }

    fn discard(&self, state: &StateId) -> Result<(), StateError> {
        self.done(StateRequest::Discard { state: state.clone() }, Vec::new())
    }

    fn discard_all(&self) -> Result<(), StateError> {
        self.done(StateRequest::DiscardAll, Vec::new())
    }
}

/// A snapshot that the owner holds for us, as long as we are connected.
#[derive(Debug)]
struct RemoteSnapshot {
    states: RemoteStates,
    number: u64,
    checkpoint: Checkpoint,
}

impl StateSnapshot for RemoteSnapshot {
    fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, StateError> {
        let request = StateRequest::SnapshotGet { snapshot: self.number };
        let (_, mut found) = self.states.ask(request, vec![Bytes::copy_from_slice(key)])?;
        Ok(found.pop())
    }

    fn scan(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Entry>, StateError> {
        let request = StateRequest::SnapshotScan { snapshot: self.number, limit };
        let (_, found) = self.states.ask(request, bounds(prefix, after))?;
        entries(&found).ok_or_else(nonsense)
    }
}

impl Drop for RemoteSnapshot {
    fn drop(&mut self) {
        // Without a connection there is nothing to forget.
        self.states.done(StateRequest::Forget { snapshot: self.number }, Vec::new()).ok();
    }
}

fn bounds(prefix: &[u8], after: Option<&[u8]>) -> Vec<Bytes> {
    std::iter::once(prefix).chain(after).map(Bytes::copy_from_slice).collect()
}

/// The snapshots that a user holds.
#[derive(Debug, Default)]
pub(crate) struct Held {
    snapshots: HashMap<u64, Arc<dyn StateSnapshot>>,
    last: u64,
}

impl Held {
    fn hold(&mut self, snapshot: Arc<dyn StateSnapshot>) -> Result<(u64, Checkpoint), StateError> {
        if self.snapshots.len() >= SNAPSHOTS {
            let cause = "this user holds too many snapshots";
            return Err(StateError::Unavailable { cause: cause.into() });
        }
        let checkpoint = snapshot.checkpoint().clone();
        self.last = self.last.wrapping_add(1);
        self.snapshots.insert(self.last, snapshot);
        Ok((self.last, checkpoint))
    }

    fn get(&self, number: u64) -> Result<&dyn StateSnapshot, StateError> {
        self.snapshots.get(&number).map(|snapshot| &**snapshot).ok_or_else(nonsense)
    }
}

/// The owner's side.
pub(crate) fn answer(
    states: Option<&dyn StateStore>,
    held: &mut Held,
    request: StateRequest,
    beside: &[Bytes],
) -> (StateAnswer, Vec<Bytes>) {
    let Some(states) = states else {
        let cause = "the owner of the store keeps no states".to_owned();
        return (StateAnswer::Failed(Fault::Unavailable { cause }), Vec::new());
    };
    let answered = answered(states, held, request, beside);
    answered.unwrap_or_else(|error| (StateAnswer::Failed(error.into()), Vec::new()))
}

fn answered(
    states: &dyn StateStore,
    held: &mut Held,
    request: StateRequest,
    beside: &[Bytes],
) -> Result<(StateAnswer, Vec<Bytes>), StateError> {
    let done = |()| (StateAnswer::Done, Vec::new());
    match request {
        StateRequest::States => Ok((StateAnswer::States { states: states.states()? }, Vec::new())),
        StateRequest::Checkpoint { state } => {
            let checkpoint = states.checkpoint(&state)?;
            Ok((StateAnswer::Checkpoint { checkpoint }, Vec::new()))
        }
        StateRequest::Get { state } => {
            let key = beside.first().ok_or_else(nonsense)?;
            Ok((StateAnswer::Entries, states.get(&state, key)?.into_iter().collect()))
        }
        StateRequest::Scan { state, limit } => {
            let (prefix, after) = scanned(beside)?;
            let found = states.scan(&state, prefix, after, limit.min(SCAN_ENTRIES))?;
            Ok((StateAnswer::Entries, records(found)))
        }
        StateRequest::Snapshot { state } => {
            let taken = states.snapshot(&state)?.map(|taken| held.hold(taken)).transpose()?;
            Ok((StateAnswer::Snapshot { taken }, Vec::new()))
        }
        StateRequest::SnapshotGet { snapshot } => {
            let key = beside.first().ok_or_else(nonsense)?;
            let found = held.get(snapshot)?.get(key)?;
            Ok((StateAnswer::Entries, found.into_iter().collect()))
        }
        StateRequest::SnapshotScan { snapshot, limit } => {
            let (prefix, after) = scanned(beside)?;
            let found = held.get(snapshot)?.scan(prefix, after, limit.min(SCAN_ENTRIES))?;
            Ok((StateAnswer::Entries, records(found)))
        }
        StateRequest::Forget { snapshot } => {
            held.snapshots.remove(&snapshot);
            Ok(done(()))
        }
        StateRequest::Save(step) => {
            let Step { state, from, to } = *step;
            let entries = entries(beside).ok_or_else(nonsense)?;
            states.save(&state, from.as_ref(), entries, &to).map(done)
        }
        StateRequest::Discard { state } => states.discard(&state).map(done),
        StateRequest::DiscardAll => states.discard_all().map(done),
    }
}

/// Prefix, and after which key.
fn scanned(beside: &[Bytes]) -> Result<(&[u8], Option<&[u8]>), StateError> {
    let prefix = beside.first().ok_or_else(nonsense)?;
    Ok((prefix, beside.get(1).map(|after| &**after)))
}

fn records(entries: Vec<Entry>) -> Vec<Bytes> {
    entries.into_iter().flat_map(|entry| [entry.key, entry.value]).collect()
}

fn entries(records: &[Bytes]) -> Option<Vec<Entry>> {
    let (pairs, []) = records.as_chunks::<2>() else { return None };
    Some(
        pairs.iter().map(|[key, value]| Entry { key: key.clone(), value: value.clone() }).collect(),
    )
}

fn nonsense() -> StateError {
    StateError::Unavailable { cause: "what came over the socket makes no sense".into() }
}

impl From<StateError> for Fault {
    fn from(error: StateError) -> Self {
        match error {
            StateError::Unavailable { cause } => Self::Unavailable { cause: text(&*cause) },
            StateError::Corrupt { cause } => Self::Corrupt { cause: text(&*cause) },
            StateError::Unwritable { cause } => Self::Unwritable { cause: text(&*cause) },
            StateError::Moved => Self::Moved,
            other => Self::Unavailable { cause: text(&other) },
        }
    }
}

impl From<Fault> for StateError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Unavailable { cause } => Self::Unavailable { cause: cause.into() },
            Fault::Corrupt { cause } => Self::Corrupt { cause: cause.into() },
            Fault::Unwritable { cause } => Self::Unwritable { cause: cause.into() },
            Fault::Moved => Self::Moved,
        }
    }
}

/// Entries in one answer.
const SCAN_ENTRIES: usize = 16_384;
/// Snapshots that one user may hold.
const SNAPSHOTS: usize = 256;
