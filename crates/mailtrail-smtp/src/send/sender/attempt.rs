//! Which attempt it is, and which count for the schedule.

use mailtrail_core::Evidence;
use mailtrail_core::event::{Envelope, Event};

use super::super::facts::PUT_BACK;

#[derive(Debug, Clone, Copy)]
pub(super) struct Attempt {
    /// Counted from 1.
    pub(super) number: u32,
    /// The same without those that were put back: what the schedule counts.
    pub(super) scheduled: u32,
}

impl Attempt {
    pub(super) fn next(evidence: &Evidence, trail: &[Envelope]) -> Self {
        let number = evidence.last_attempt().unwrap_or(0).saturating_add(1);
        let put_back = trail.iter().filter(|envelope| is_put_back(envelope)).count();
        let put_back = u32::try_from(put_back).unwrap_or(u32::MAX);
        Self { number, scheduled: number.saturating_sub(put_back).max(1) }
    }
}

fn is_put_back(envelope: &Envelope) -> bool {
    let Ok(fact) = envelope.fact() else { return false };
    matches!(&fact.event, Event::Deferred(deferred) if deferred.diagnosis.rule.as_deref() == Some(PUT_BACK))
}
