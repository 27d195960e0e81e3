//! The ten statuses, a chain, and the words that people see for them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::lattice::Join;

/// What people see in the *Delivery Results* column. A chain: a status only ever moves up.
///
/// ```
/// use mailtrail_core::{Join, Status};
/// let mut status = Status::Delivered;
/// status.join(Status::Bounced);                       // a late bounce
/// assert_eq!(status, Status::Delivered);
/// assert_eq!(Status::NoEmailSelected.label(), "No Email Selected");
/// assert_eq!(serde_json::to_string(&Status::SoftBounced).unwrap(), "\"soft_bounced\"");
/// ```
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::exhaustive_enums, reason = "ten by definition of the product")]
pub enum Status {
    /// Planned; nobody has confirmed taking it.
    #[default]
    Unsent,
    /// The contact has no address associated with this type of broadcast.
    NoEmailSelected,
    /// Another row of the same broadcast has the address.
    Duplicate,
    /// Handed over; no word yet from the recipient's server.
    Sent,
    /// Attempts failed so far, and someone is still trying.
    SoftBounced,
    /// The address is on a Blocked Email list, ours or the provider's.
    Blocked,
    /// Given up because of a problem at the recipient's email service provider.
    Bounced,
    /// Given up because the address is invalid.
    Failed,
    /// The recipient's server confirmed delivery.
    Delivered,
    /// The recipient opened it.
    Opened,
}

impl Status {
    /// All ten, from the lowest to the highest.
    pub const ALL: [Self; 10] = [
        Self::Unsent,
        Self::NoEmailSelected,
        Self::Duplicate,
        Self::Sent,
        Self::SoftBounced,
        Self::Blocked,
        Self::Bounced,
        Self::Failed,
        Self::Delivered,
        Self::Opened,
    ];

    /// The label that people see.
    pub fn label(self) -> &'static str {
        match self {
            Self::Unsent => "Unsent",
            Self::NoEmailSelected => "No Email Selected",
            Self::Duplicate => "Duplicate",
            Self::Sent => "Sent",
            Self::SoftBounced => "Soft Bounced",
            Self::Blocked => "Blocked",
            Self::Bounced => "Bounced",
            Self::Failed => "Failed",
            Self::Delivered => "Delivered",
            Self::Opened => "Opened",
        }
    }

    /// The code used in JSON and on the command line.
    pub fn code(self) -> &'static str {
        match self {
            Self::Unsent => "unsent",
            Self::NoEmailSelected => "no_email_selected",
            Self::Duplicate => "duplicate",
            Self::Sent => "sent",
            Self::SoftBounced => "soft_bounced",
            Self::Blocked => "blocked",
            Self::Bounced => "bounced",
            Self::Failed => "failed",
            Self::Delivered => "delivered",
            Self::Opened => "opened",
        }
    }

    /// What it means, in one sentence.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::Unsent => "Planned; nobody has confirmed taking it yet.",
            Self::NoEmailSelected => {
                "The contact has no email address associated with this type of broadcast."
            }
            Self::Duplicate => "The address is already used by another row of the same broadcast.",
            Self::Sent => {
                "Handed over; no word yet from the recipient's server. It may well have arrived."
            }
            Self::SoftBounced => "Attempts have failed so far, and someone is still trying.",
            Self::Blocked => "The address is on the Blocked Email list.",
            Self::Bounced => {
                "Given up because of a problem at the recipient's email service provider."
            }
            Self::Failed => "Given up because the address is invalid: the contact must update it.",
            Self::Delivered => "The recipient's server confirmed delivery.",
            Self::Opened => "The recipient opened it.",
        }
    }
}

impl Join for Status {
    fn join(&mut self, other: Self) -> bool {
        let grows = other > *self;
        if grows {
            *self = other;
        }
        grows
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}

/// A text is no code of a status.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "no such status; the codes are: unsent no_email_selected duplicate sent soft_bounced blocked bounced failed delivered opened"
)]
#[non_exhaustive]
pub struct UnknownStatus;

impl FromStr for Status {
    type Err = UnknownStatus;
    fn from_str(text: &str) -> Result<Self, UnknownStatus> {
        Self::ALL.into_iter().find(|status| status.code() == text).ok_or(UnknownStatus)
    }
}
