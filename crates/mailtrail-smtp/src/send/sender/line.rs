//! One connection after the other to a next hop, and what the last message over it came to.

use super::super::route::NextHop;
use super::super::session::Session;
use super::Unrecorded;

/// What one worker sends over.
#[derive(Debug, Default)]
pub(in crate::send) struct Line {
    pub(super) open: Option<(NextHop, Session)>,
    /// Recorded with the beginning of the next attempt: one append, and one wait, for both.
    pub(super) unrecorded: Option<Unrecorded>,
}

impl Line {
    /// Keeps a connection for the next message, if another can follow on it.
    pub(super) fn keep(&mut self, next_hop: NextHop, session: Session) {
        self.open = session.is_open().then_some((next_hop, session));
    }

    /// Whether it is not stored yet what the last message came to.
    pub(in crate::send) fn has_unrecorded(&self) -> bool {
        self.unrecorded.is_some()
    }

    /// Ends the connection.
    pub(in crate::send) async fn close(self) {
        if let Some((_, session)) = self.open {
            session.close().await;
        }
    }
}
