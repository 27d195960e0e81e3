//! Random places in a file, the same for the same seed.

use std::hash::{BuildHasher, RandomState};

/// Flips single bits at random places. Say what [`flip`](Self::flip) says when a test fails: it holds the seed.
///
/// ```
/// use mailtrail_testkit::crash::Places;
/// let (mut one, mut other) = ([0; 100], [0; 100]);
/// let said = Places::seeded(7).flip(&mut one);
/// assert_eq!(said, Places::seeded(7).flip(&mut other));
/// assert!(said.ends_with("MAILTRAIL_SEED=7"));
/// assert_eq!((one, one.iter().map(|byte| byte.count_ones()).sum::<u32>()), (other, 1));
/// ```
#[derive(Debug, Clone)]
pub struct Places {
    seed: u64,
    random: u64,
}

impl Places {
    /// By the seed that `MAILTRAIL_SEED` names, to see a failure again; else by a new one.
    ///
    /// # Panics
    /// If `MAILTRAIL_SEED` is no number.
    #[expect(clippy::expect_used, clippy::disallowed_methods, reason = "a test, told from outside")]
    pub fn of_this_run() -> Self {
        let told = std::env::var("MAILTRAIL_SEED").ok();
        let told = told.map(|seed| seed.parse().expect("MAILTRAIL_SEED is a number"));
        Self::seeded(told.unwrap_or_else(|| RandomState::new().hash_one(())))
    }

    /// By this seed.
    pub fn seeded(seed: u64) -> Self {
        Self { seed, random: seed }
    }

    /// Flips one bit of these bytes, and says which. Of no bytes, none.
    pub fn flip(&mut self, bytes: &mut [u8]) -> String {
        let (length, random) = (bytes.len() as u64, self.next());
        let at = (random >> 3) % length.max(1);
        if let Some(byte) = bytes.get_mut(at as usize) {
            *byte ^= 1 << (random & 7);
        }
        format!("byte {at}, bit {}, of MAILTRAIL_SEED={}", random & 7, self.seed)
    }

    /// How this run is repeated.
    pub(crate) fn said(&self) -> String {
        format!("MAILTRAIL_SEED={}", self.seed)
    }

    /// Any number below this one.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % (end as u64).max(1)).unwrap_or(0)
    }

    /// `SplitMix64`: small, seeded, the same everywhere.
    pub(crate) fn next(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}
