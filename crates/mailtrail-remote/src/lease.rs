//! Leases: a name that one user at a time holds, for as long as it is connected. Nothing is stored.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use crate::link::Link;

/// The leases of one owner. Clones are the same.
///
/// ```
/// use mailtrail_remote::Leases;
/// let leases = Leases::default();
/// let held = leases.take("broadcast/snow-day").unwrap();
/// assert!(leases.take("broadcast/snow-day").is_none());
/// drop(held);
/// assert!(leases.take("broadcast/snow-day").is_some());
/// ```
#[derive(Debug, Clone, Default)]
pub struct Leases(Arc<Mutex<HashSet<Box<str>>>>);

impl Leases {
    /// Takes a name, if nobody holds it.
    pub fn take(&self, name: &str) -> Option<Lease> {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let holder = Holder::Owner(self.clone());
        held.insert(name.into()).then(|| Lease { name: name.into(), holder })
    }

    fn release(&self, name: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
    }
}

/// A name that is held. Dropping it gives it back.
#[derive(Debug)]
#[must_use = "a lease ends when it is dropped"]
pub struct Lease {
    name: Box<str>,
    holder: Holder,
}

#[derive(Debug)]
enum Holder {
    Owner(Leases),
    Remote(Arc<Link>),
}

impl Lease {
    pub(crate) fn remote(name: &str, link: Arc<Link>) -> Self {
        Self { name: name.into(), holder: Holder::Remote(link) }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        match &self.holder {
            Holder::Owner(leases) => leases.release(&self.name),
            Holder::Remote(link) => link.release(&self.name),
        }
    }
}

/// Why a lease was not given.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LeaseError {
    /// Someone else has it.
    #[error("{name} is in use by another process: wait until it has ended")]
    Held {
        /// Its name.
        name: Box<str>,
    },
    /// The owner of the store does not answer.
    #[error("the owner of the store does not answer")]
    Unavailable(#[source] std::io::Error),
}
