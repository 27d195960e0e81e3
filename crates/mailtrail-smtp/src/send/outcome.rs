//! What became of a delivery.

use chrono::{DateTime, Utc};

/// What became of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// A relay took it.
    Sent,
    /// The recipient's server took it.
    Delivered,
    /// It is tried again at this time.
    Deferred(DateTime<Utc>),
    /// Given up.
    Bounced,
    /// The address was blocked since it was planned.
    Blocked,
    /// It is not due before this time.
    NotDue(DateTime<Utc>),
    /// An attempt is in doubt: the reply was lost, or the last run ended before it came.
    InDoubt,
    /// There is nothing to send: it was never planned to be, or it is settled.
    Settled,
    /// Another sender has taken this attempt.
    Taken,
}
