//! What a summary needs to know of a delivery, in as few bytes as it takes.

use mailtrail_core::event::{Envelope, Event};
use mailtrail_core::projection::{Knowledge, StateError, TableKey, TableValue};
use mailtrail_core::{BroadcastId, Fact, Join, Status};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The status of a delivery and what is counted beside it: the least part of its evidence that is still a join.
///
/// Attempts are told apart up to the 31st; all after it are one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Standing {
    broadcast: BroadcastTag,
    status: Status,
    flags: u8,
    attempted: Attempts,
    concluded: Attempts,
}

/// A set of attempts, one bit each. Bytes, so that nothing is lost to alignment: there are millions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Attempts([u8; 4]);

impl Attempts {
    fn get(self) -> u32 {
        u32::from_be_bytes(self.0)
    }

    fn add(&mut self, others: u32) {
        self.0 = (self.get() | others).to_be_bytes();
    }
}

/// The beginning of the SHA-256 of a broadcast's id; all zeros before anything is planned.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
pub(crate) struct BroadcastTag([u8; 12]);

impl BroadcastTag {
    pub(crate) fn of(broadcast: &BroadcastId) -> Self {
        let hash: [u8; 32] = Sha256::digest(broadcast.as_str()).into();
        Self(hash.first_chunk().copied().unwrap_or_default())
    }
}

impl Standing {
    /// The broadcast whose row it is, once it is planned.
    pub(crate) fn planned(&self) -> Option<BroadcastTag> {
        (self.broadcast != BroadcastTag::default()).then_some(self.broadcast)
    }

    pub(crate) fn status(&self) -> Status {
        self.status
    }

    pub(crate) fn is_contradicted(&self) -> bool {
        self.status >= Status::Delivered && self.has(REFUSED)
    }

    pub(crate) fn has_complained(&self) -> bool {
        self.has(COMPLAINED)
    }

    pub(crate) fn has_unsubscribed(&self) -> bool {
        self.has(UNSUBSCRIBED)
    }

    pub(crate) fn is_in_doubt(&self) -> bool {
        self.attempted.get() & !self.concluded.get() != 0
    }

    fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    fn raise(&mut self, floor: Status, event: &Event) {
        self.status = self.status.max(floor);
        if matches!(floor, Status::Blocked | Status::Bounced | Status::Failed) {
            self.flags |= REFUSED;
        }
        if let Some(row) = event.row() {
            self.broadcast = self.broadcast.max(BroadcastTag::of(&row.broadcast));
        }
        let attempt = match event {
            Event::Complained(_) => {
                self.flags |= COMPLAINED;
                None
            }
            Event::Unsubscribed(_) => {
                self.flags |= UNSUBSCRIBED;
                None
            }
            Event::Sent(event) => event.attempt,
            Event::Deferred(event) => event.attempt,
            Event::Bounced(event) => event.attempt,
            Event::Delivered(event) => event.attempt,
            _ => None,
        };
        self.concluded.add(attempt.map_or(0, bit));
    }
}

impl Knowledge for Standing {
    fn learn(&mut self, _: &Envelope, fact: Option<&Fact>) {
        let Some(fact) = fact else { return };
        if let Some(floor) = fact.floor() {
            self.raise(floor, &fact.event);
        }
        if let Event::Attempted(attempted) = &fact.event {
            self.attempted.add(bit(attempted.attempt));
        }
    }
}

impl Join for Standing {
    fn join(&mut self, other: Self) -> bool {
        let before = *self;
        self.broadcast = self.broadcast.max(other.broadcast);
        self.status = self.status.max(other.status);
        self.flags |= other.flags;
        self.attempted.add(other.attempted.get());
        self.concluded.add(other.concluded.get());
        *self != before
    }
}

impl TableValue for Standing {
    fn encode(&self) -> Result<Vec<u8>, StateError> {
        let mut bytes = self.broadcast.0.to_vec();
        bytes.push(
            (0_u8..).zip(Status::ALL).find(|(_, s)| *s == self.status).map_or(0, |(at, _)| at),
        );
        bytes.push(self.flags);
        bytes.extend_from_slice(&self.attempted.0);
        bytes.extend_from_slice(&self.concluded.0);
        Ok(bytes)
    }

    fn decode(bytes: &[u8]) -> Result<Self, StateError> {
        let fields = || {
            let (broadcast, rest) = bytes.split_first_chunk::<12>()?;
            let ([status, flags], rest) = rest.split_first_chunk::<2>()?;
            let (attempted, rest) = rest.split_first_chunk::<4>()?;
            let status = *Status::ALL.get(usize::from(*status))?;
            Some(Self {
                broadcast: BroadcastTag(*broadcast),
                status,
                flags: *flags,
                attempted: Attempts(*attempted),
                concluded: Attempts(rest.try_into().ok()?),
            })
        };
        let corrupt = || StateError::Corrupt { cause: "these bytes are no standing".into() };
        fields().ok_or_else(corrupt)
    }
}

impl TableKey for BroadcastTag {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0);
    }
}

fn bit(attempt: u32) -> u32 {
    1 << attempt.min(31)
}

const REFUSED: u8 = 1;
const COMPLAINED: u8 = 2;
const UNSUBSCRIBED: u8 = 4;
