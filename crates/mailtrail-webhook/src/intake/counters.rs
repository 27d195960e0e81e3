//! What came, and what came of it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use mailtrail_core::store::Appended;

use crate::provider::Refused;

/// What came to one endpoint since the start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Requests whose events are durable.
    pub accepted: u64,
    /// Of these, requests all of whose events were known already: the provider tried again, or someone
    /// replays them.
    pub repeated: u64,
    /// Events that were new.
    pub new_events: u64,
    /// Events that were known already.
    pub known_events: u64,
    /// Requests that we failed to take; the provider tries again.
    pub failed: u64,
    /// Requests that are no evidence, by cause.
    pub refused: BTreeMap<Refused, u64>,
    /// Requests that were not looked at, as their peer had sent too many that did not verify.
    pub held_back: u64,
}

#[derive(Debug)]
pub(super) struct Counters {
    accepted: AtomicU64,
    repeated: AtomicU64,
    new_events: AtomicU64,
    known_events: AtomicU64,
    failed: AtomicU64,
    held_back: AtomicU64,
    /// Has every cause from the start, so that counting needs no lock.
    refused: BTreeMap<Refused, AtomicU64>,
}

impl Default for Counters {
    fn default() -> Self {
        let refused = Refused::ALL.iter().map(|cause| (*cause, AtomicU64::default())).collect();
        Self {
            accepted: AtomicU64::default(),
            repeated: AtomicU64::default(),
            new_events: AtomicU64::default(),
            known_events: AtomicU64::default(),
            failed: AtomicU64::default(),
            held_back: AtomicU64::default(),
            refused,
        }
    }
}

impl Counters {
    pub(super) fn accepted(&self, appended: &Appended) {
        let new = appended.new_events();
        add(&self.accepted, 1);
        add(&self.repeated, usize::from(new == 0 && !appended.events.is_empty()));
        add(&self.new_events, new);
        add(&self.known_events, appended.events.len().saturating_sub(new));
    }

    pub(super) fn held_back(&self) {
        add(&self.held_back, 1);
    }

    pub(super) fn failed(&self) {
        add(&self.failed, 1);
    }

    pub(super) fn refused(&self, cause: Refused) {
        if let Some(count) = self.refused.get(&cause) {
            add(count, 1);
        }
    }

    pub(super) fn read(&self) -> Counts {
        let refused = self.refused.iter().map(|(cause, count)| (*cause, read(count)));
        Counts {
            accepted: read(&self.accepted),
            repeated: read(&self.repeated),
            new_events: read(&self.new_events),
            known_events: read(&self.known_events),
            failed: read(&self.failed),
            refused: refused.filter(|(_, count)| *count > 0).collect(),
            held_back: read(&self.held_back),
        }
    }
}

fn add(counter: &AtomicU64, count: usize) {
    counter.fetch_add(u64::try_from(count).unwrap_or(u64::MAX), Ordering::Relaxed);
}

fn read(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}
