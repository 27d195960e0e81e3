//! Connections that wait for their next message.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::route::NextHop;
use super::session::Session;

/// Open connections by next hop.
#[derive(Debug, Default)]
pub(super) struct Pool(Mutex<HashMap<NextHop, Vec<Session>>>);

impl Pool {
    /// One that waits, if any does.
    pub(super) fn take(&self, next_hop: &NextHop) -> Option<Session> {
        let mut waiting = self.waiting();
        let sessions = waiting.get_mut(next_hop)?;
        let session = sessions.pop();
        if sessions.is_empty() {
            waiting.remove(next_hop);
        }
        session
    }

    /// Keeps one for the next message, if another can follow on it.
    pub(super) fn give_back(&self, next_hop: &NextHop, session: Session) {
        if session.is_open() {
            self.waiting().entry(next_hop.clone()).or_default().push(session);
        }
    }

    /// Ends all.
    pub(super) async fn close_all(&self) {
        let all: Vec<_> = self.waiting().drain().flat_map(|(_, sessions)| sessions).collect();
        for session in all {
            session.close().await;
        }
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<NextHop, Vec<Session>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
