//! Who is logged in.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use data_encoding::BASE64URL_NOPAD;
use sha2::{Digest, Sha256};

use super::Role;

/// Who looks at a page. Never printed: it holds the token.
#[derive(Clone)]
pub(super) struct Viewer {
    pub(super) name: Arc<str>,
    pub(super) role: Role,
    /// The session; none for a program, which shows its secret each time.
    pub(super) session: Option<Arc<str>>,
}

/// The operating system has no randomness for a token.
#[derive(Debug, thiserror::Error)]
#[error("no randomness for a new token")]
#[non_exhaustive]
pub struct TokenError(#[source] getrandom::Error);

/// The sessions and the one-time links, by digests of their tokens: what leaks from here opens nothing.
#[derive(Debug, Default)]
pub(super) struct Sessions(Mutex<Held>);

#[derive(Debug, Default)]
struct Held {
    sessions: HashMap<Hashed, Session>,
    links: HashMap<Hashed, DateTime<Utc>>,
}

#[derive(Debug)]
struct Session {
    name: Arc<str>,
    role: Role,
    ends: DateTime<Utc>,
}

type Hashed = [u8; 32];

impl Sessions {
    /// Begins a session; its token.
    pub(super) fn begin(
        &self,
        name: &str,
        role: Role,
        now: DateTime<Utc>,
    ) -> Result<String, TokenError> {
        let token = random()?;
        let mut held = self.lock();
        held.make_room(now);
        held.sessions
            .insert(hashed(&token), Session { name: name.into(), role, ends: now + LASTS });
        Ok(token)
    }

    /// Whose session this token is of.
    pub(super) fn find(&self, token: &str, now: DateTime<Utc>) -> Option<Viewer> {
        let held = self.lock();
        let session = held.sessions.get(&hashed(token)).filter(|session| now < session.ends)?;
        let (name, role) = (Arc::clone(&session.name), session.role);
        Some(Viewer { name, role, session: Some(token.into()) })
    }

    /// Ends a session.
    pub(super) fn end(&self, token: &str) {
        self.lock().sessions.remove(&hashed(token));
    }

    /// A token that may be redeemed once.
    pub(super) fn link(&self, now: DateTime<Utc>) -> Result<String, TokenError> {
        let token = random()?;
        let mut held = self.lock();
        held.make_room(now);
        held.links.insert(hashed(&token), now + LINK_LASTS);
        Ok(token)
    }

    /// Whether this is the first time that this token comes, and in time.
    pub(super) fn redeem(&self, token: &str, now: DateTime<Utc>) -> bool {
        self.lock().links.remove(&hashed(token)).is_some_and(|ends| now < ends)
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    fn make_room(&mut self, now: DateTime<Utc>) {
        self.sessions.retain(|_, session| now < session.ends);
        self.links.retain(|_, ends| now < *ends);
        if self.sessions.len() >= MOST {
            let oldest = self.sessions.iter().min_by_key(|(_, session)| session.ends);
            if let Some(oldest) = oldest.map(|(token, _)| *token) {
                self.sessions.remove(&oldest);
            }
        }
    }
}

fn random() -> Result<String, TokenError> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(TokenError)?;
    Ok(BASE64URL_NOPAD.encode(&bytes))
}

fn hashed(token: &str) -> Hashed {
    Sha256::digest(token).into()
}

/// A working day, and no longer.
pub(super) const LASTS: TimeDelta = TimeDelta::hours(12);
const LINK_LASTS: TimeDelta = TimeDelta::minutes(10);
/// Over it the oldest session ends.
const MOST: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_and_links_end() {
        let sessions = Sessions::default();
        let now = DateTime::UNIX_EPOCH;
        let token = sessions.begin("ann", Role::ReadOnly, now).unwrap();
        let just_before = now + LASTS - TimeDelta::seconds(1);
        assert_eq!(&*sessions.find(&token, just_before).unwrap().name, "ann");
        assert!(sessions.find(&token, now + LASTS).is_none());
        assert!(sessions.find("", now).is_none());
        sessions.end(&token);
        assert!(sessions.find(&token, now).is_none());

        let link = sessions.link(now).unwrap();
        assert!(sessions.redeem(&link, now) && !sessions.redeem(&link, now));
        let late = sessions.link(now).unwrap();
        assert!(!sessions.redeem(&late, now + LINK_LASTS));
    }

    #[test]
    fn so_many_sessions_and_no_more() {
        let sessions = Sessions::default();
        let at = |second| DateTime::UNIX_EPOCH + TimeDelta::milliseconds(second);
        let first = sessions.begin("ann", Role::Admin, at(0)).unwrap();
        for number in 0..10_000 {
            sessions.begin("bob", Role::Admin, at(number + 1)).unwrap();
        }
        assert_eq!(sessions.lock().sessions.len(), MOST);
        assert!(sessions.find(&first, at(1)).is_none());
    }
}
