//! What becomes of an operation that was not synced.

use std::fmt;

/// What of it a power cut leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// Nothing.
    Dropped,
    /// All of it.
    Kept,
    /// The first so many sectors of a write.
    First(usize),
    /// Some sectors of a write, by this seed.
    Some(u64),
    /// The size of the file, and zeros.
    Grown,
}

impl Fate {
    /// Whether the sector of this number in a write is there.
    pub(super) fn keeps(self, number: usize) -> bool {
        match self {
            Self::Dropped | Self::Grown => false,
            Self::Kept => true,
            Self::First(sectors) => number < sectors,
            Self::Some(seed) => mixed(seed ^ number as u64) & 1 == 1,
        }
    }

    /// Whether the file is as long as all of the write makes it.
    pub(super) fn grows(self) -> bool {
        match self {
            Self::Dropped | Self::First(_) => false,
            Self::Kept | Self::Grown => true,
            Self::Some(seed) => seed & 1 == 1,
        }
    }
}

impl fmt::Display for Fate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dropped => f.write_str("dropped"),
            Self::Kept => f.write_str("kept"),
            Self::First(sectors) => write!(f, "torn: its first {sectors} sectors kept"),
            Self::Some(_) => f.write_str("torn: some of its sectors kept"),
            Self::Grown => f.write_str("torn: the size of the file alone, with zeros"),
        }
    }
}

/// The finalizer of `SplitMix64`.
fn mixed(mut of: u64) -> u64 {
    of = of.wrapping_add(0x9e37_79b9_7f4a_7c15);
    of = (of ^ (of >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    of = (of ^ (of >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    of ^ (of >> 31)
}
