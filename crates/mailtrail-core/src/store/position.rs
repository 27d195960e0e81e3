//! Places: in the store, and in a stream.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A place in the store. Opaque: gaps are allowed, and only the order means something.
///
/// Monotone in visibility: once a reader has seen a position, nothing will ever appear at or
/// before it.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Position(u64);

impl Position {
    /// Before everything.
    pub const START: Self = Self(0);

    /// The position of this number, which a store chose.
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// Its number, for a store or a checkpoint to keep.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The position that follows directly.
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A place in a stream: counts from 0, without gaps.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Version(u64);

impl Version {
    /// The first of a stream.
    pub const FIRST: Self = Self(0);

    /// The version of this number.
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// Its number.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The version that follows.
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// The version that follows the last of a stream, if it has any.
    pub fn after(last: Option<Self>) -> Self {
        last.map_or(Self::FIRST, Self::next)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
