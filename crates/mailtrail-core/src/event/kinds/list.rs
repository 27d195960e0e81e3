//! The Blocked Email list, and what it kept back.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::Row;
use crate::diagnosis::Diagnosis;
use crate::suppression::Scope;

/// Who kept a delivery from being sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SuppressedBy {
    /// Planning found the address on the blocked list.
    Planner,
    /// The sender did, later.
    #[default]
    Sender,
    /// The provider refused this message because of its own list.
    Provider,
}

/// Why an address is blocked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum BlockCause {
    /// A person decided it.
    Manual,
    /// The recipient complained.
    Complaint,
    /// The recipient unsubscribed.
    Unsubscribe,
    /// The provider's own list has it.
    ProviderList,
    /// Something that this version doesn't know.
    #[default]
    #[serde(other)]
    Other,
}

impl BlockCause {
    /// Why, in the middle of a sentence.
    pub fn words(self) -> &'static str {
        match self {
            Self::Manual => "someone blocked it by hand",
            Self::Complaint => "the recipient complained about an earlier message",
            Self::Unsubscribe => "the recipient unsubscribed",
            Self::ProviderList => "the provider has it on its own list",
            Self::Other => "no cause is known",
        }
    }
}

payload! {
    /// A delivery was kept back because the address is blocked.
    Suppressed {
        /// By whom.
        by: SuppressedBy,
        /// The row, if this is its planning.
        #[serde(skip_serializing_if = "Option::is_none")]
        row: Option<Row>,
        /// Why the address is blocked.
        cause: BlockCause,
        /// Since when.
        #[serde(skip_serializing_if = "Option::is_none")]
        since: Option<DateTime<Utc>>,
        /// What the block covers.
        #[serde(skip_serializing_if = "Option::is_none")]
        scope: Option<Scope>,
        /// What the provider stated.
        #[serde(skip_serializing_if = "Option::is_none")]
        diagnosis: Option<Diagnosis>,
    }
}

/// An address was put on the blocked list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct AddressBlocked {
    /// What it covers.
    pub scope: Scope,
    /// Why.
    pub cause: BlockCause,
}

impl AddressBlocked {
    /// A block of this scope for this cause.
    pub fn new(scope: Scope, cause: BlockCause) -> Self {
        Self { scope, cause }
    }
}

/// An address was taken off the blocked list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct AddressUnblocked {
    /// What it covers: another scope's block stays.
    pub scope: Scope,
}

impl AddressUnblocked {
    /// The end of the block of this scope.
    pub fn new(scope: Scope) -> Self {
        Self { scope }
    }
}
