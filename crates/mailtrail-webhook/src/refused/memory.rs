//! A ring in memory: the reference.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};
use mailtrail_core::id::Endpoint;

use super::{Index, Kept, Limits, RefusedId, RefusedRequest, RefusedRing, RingError};
use crate::provider::Refused;

/// A ring in memory, gone with the process.
///
/// # Example
/// See [`Intake::retry_refused`](crate::Intake::retry_refused).
#[derive(Debug, Default)]
pub struct MemoryRing(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    index: Index,
    requests: HashMap<RefusedId, RefusedRequest>,
    next: RefusedId,
}

impl MemoryRing {
    /// With other limits than the [usual](Limits::default) ones.
    pub fn with_limits(limits: Limits) -> Self {
        Self(Mutex::new(State { index: Index::new(limits), ..State::default() }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RefusedRing for MemoryRing {
    fn keep(&self, request: &RefusedRequest) -> Result<(), RingError> {
        let mut state = self.state();
        let id = state.next;
        let Some(gone) = state.index.admit(request.kept(id)) else { return Ok(()) };
        state.next = id.next();
        state.requests.insert(id, request.clone());
        state.requests.retain(|id, _| !gone.contains(id));
        Ok(())
    }

    fn list(&self, endpoint: Option<&Endpoint>) -> Result<Vec<Kept>, RingError> {
        Ok(self.state().index.list(endpoint))
    }

    fn read(&self, id: RefusedId) -> Result<Option<RefusedRequest>, RingError> {
        Ok(self.state().requests.get(&id).cloned())
    }

    fn refuse_again(&self, id: RefusedId, cause: Refused) -> Result<(), RingError> {
        let mut state = self.state();
        state.index.refuse_again(id, cause);
        if let Some(request) = state.requests.get_mut(&id) {
            request.cause = cause;
        }
        Ok(())
    }

    fn remove(&self, id: RefusedId) -> Result<(), RingError> {
        let mut state = self.state();
        state.index.remove(id);
        state.requests.remove(&id);
        Ok(())
    }

    fn expire(&self, before: DateTime<Utc>) -> Result<u64, RingError> {
        let mut state = self.state();
        let gone = state.index.expire(before);
        state.requests.retain(|id, _| !gone.contains(id));
        Ok(u64::try_from(gone.len()).unwrap_or(u64::MAX))
    }
}
