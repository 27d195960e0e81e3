//! Several relays, one of which serves us.

use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use mail_send::Error;
use tokio::time::Instant;

use super::super::error::{SendError, not_connected};
use super::super::relay::Relay;
use super::super::session::{NotOpen, Session, Terms};

/// Relays in the order in which they are to be used.
#[derive(Debug)]
pub(super) struct Relays(Vec<Candidate>);

#[derive(Debug)]
struct Candidate {
    relay: Relay,
    terms: Terms,
    /// It didn't serve us: until then it is asked last.
    avoided_until: Mutex<Option<Instant>>,
}

impl Relays {
    pub(super) fn new(relays: impl IntoIterator<Item = Relay>) -> Self {
        let candidates = relays.into_iter().map(|relay| Candidate {
            terms: relay.terms(),
            relay,
            avoided_until: Mutex::default(),
        });
        Self(candidates.collect())
    }

    /// A connection to the first that serves us. What is wrong with the first one is what is told if
    /// none does.
    pub(super) async fn open(&self) -> Result<Session, SendError> {
        let now = Instant::now();
        let (avoided, good): (Vec<_>, Vec<_>) =
            self.0.iter().partition(|candidate| candidate.is_avoided(now));
        let mut first = None;
        for candidate in good.into_iter().chain(avoided) {
            match candidate.open().await {
                Ok(session) => {
                    candidate.avoid_until(None);
                    return Ok(session);
                }
                Err(error) => {
                    candidate.avoid_until(Instant::now().checked_add(AVOIDED_FOR));
                    first.get_or_insert(error);
                }
            }
        }
        Err(first.unwrap_or(SendError::NoRoute))
    }
}

impl Candidate {
    async fn open(&self) -> Result<Session, SendError> {
        let (host, port) = (self.relay.host.as_str(), self.relay.port);
        let lookup = tokio::time::timeout(self.terms.connect_timeout, async {
            Ok(tokio::net::lookup_host((host, port)).await?.collect::<Vec<SocketAddr>>())
        });
        let addresses = lookup.await.map_err(|_| not_connected(Error::Timeout))?;
        let addresses = addresses.map_err(|error| not_connected(Error::Io(error)))?;
        let session = Session::open(host, &addresses, &self.terms).await;
        session.map_err(|NotOpen { error, .. }| not_connected(error))
    }

    fn is_avoided(&self, now: Instant) -> bool {
        let until = self.avoided_until.lock().unwrap_or_else(PoisonError::into_inner);
        until.is_some_and(|until| now < until)
    }

    fn avoid_until(&self, until: Option<Instant>) {
        *self.avoided_until.lock().unwrap_or_else(PoisonError::into_inner) = until;
    }
}

const AVOIDED_FOR: Duration = Duration::from_secs(60);
