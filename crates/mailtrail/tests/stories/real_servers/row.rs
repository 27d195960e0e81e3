//! What the Email Log is expected to say of a delivery.

use mailtrail::core::Status;
use mailtrail::core::evidence::Evidence;
use mailtrail::core::reason::Reason;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) status: Status,
    /// In JSON words.
    reason: Option<&'static str>,
    /// Whether someone has reported that it is late.
    pub(crate) late: bool,
    /// How many reports speak against the status.
    contradictions: usize,
}

/// Handed over, and no word since.
pub(crate) const SENT: Row = Row::new(Status::Sent, None);
/// Its server says that it has it.
pub(crate) const DELIVERED: Row = Row::new(Status::Delivered, None);

/// Given up, as the address is invalid.
pub(crate) const fn failed(reason: &'static str) -> Row {
    Row::new(Status::Failed, Some(reason))
}

/// Given up for another reason.
pub(crate) const fn bounced(reason: &'static str) -> Row {
    Row::new(Status::Bounced, Some(reason))
}

/// Someone still tries.
pub(crate) const fn soft_bounced(reason: &'static str) -> Row {
    Row::new(Status::SoftBounced, Some(reason)).late()
}

impl Row {
    const fn new(status: Status, reason: Option<&'static str>) -> Self {
        Self { status, reason, late: false, contradictions: 0 }
    }

    pub(crate) fn of(evidence: &Evidence, contradictions: usize) -> Self {
        let reason = evidence.why().and_then(|why| why.reason).map(Reason::name);
        let late = evidence.deferrals() > 0;
        Self { status: evidence.status(), reason, late, contradictions }
    }

    pub(crate) const fn late(mut self) -> Self {
        self.late = true;
        self
    }

    pub(crate) const fn contradicted(mut self) -> Self {
        self.contradictions = 1;
        self
    }
}
