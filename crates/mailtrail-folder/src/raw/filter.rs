//! Which bodies a segment surely doesn't hold.

use super::places::Key;

/// A Bloom filter whose bits of one key lie in 64 bytes: a body that is not there is mostly told by one look into memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Filter(Box<[u8]>);

impl Filter {
    pub(super) fn of(keys: &[Key]) -> Self {
        let bits = keys.len().saturating_mul(BITS_PER_KEY);
        let bytes = bits.div_ceil(LINE * 8).max(1).saturating_mul(LINE);
        let mut filter = Self(vec![0; bytes].into());
        for key in keys {
            let (line, bits) = filter.line(key);
            let start = line.saturating_mul(LINE);
            for (byte, bit) in bits {
                if let Some(at) = filter.0.get_mut(start.saturating_add(byte)) {
                    *at |= bit;
                }
            }
        }
        filter
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let whole = !bytes.is_empty() && bytes.len().is_multiple_of(LINE);
        whole.then(|| Self(bytes.into()))
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// False only if it surely is not there.
    pub(super) fn may_hold(&self, key: &Key) -> bool {
        let (line, mut bits) = self.line(key);
        let line = self.0.chunks_exact(LINE).nth(line).unwrap_or_default();
        bits.all(|(byte, bit)| line.get(byte).is_some_and(|at| at & bit != 0))
    }

    /// The line of a key, and its bits: which byte there, and which bit of it. A key is as random as a hash.
    fn line(&self, key: &Key) -> (usize, impl Iterator<Item = (usize, u8)> + use<>) {
        let number = u128::from_be_bytes(*key);
        let lines = self.0.len().checked_div(LINE).unwrap_or_default();
        let lines = u128::try_from(lines).unwrap_or_default();
        let line = (number & 0xffff_ffff).saturating_mul(lines).wrapping_shr(32);
        let bits = (0..PROBES).map(move |probe| {
            let bits = number.wrapping_shr(probe.saturating_mul(9).saturating_add(32)) & 0x1ff;
            let bits = u16::try_from(bits).unwrap_or_default();
            (usize::from(bits.wrapping_shr(3)), 1_u8.wrapping_shl(u32::from(bits & 7)))
        });
        (usize::try_from(line).unwrap_or_default(), bits)
    }
}

const LINE: usize = 64;
const BITS_PER_KEY: usize = 10;
const PROBES: u32 = 6;

#[cfg(test)]
mod tests {
    use mailtrail_core::event::RawHash;

    use super::*;
    use crate::raw::places::key;

    #[test]
    fn it_tells_most_of_what_is_not_there() {
        let keys: Vec<Key> =
            (0..20_000_u32).map(|number| key(RawHash::of(&number.to_be_bytes()))).collect();
        let filter = Filter::of(&keys[..10_000]);
        assert!(keys[..10_000].iter().all(|key| filter.may_hold(key)));
        let wrong = keys[10_000..].iter().filter(|key| filter.may_hold(key)).count();
        assert!(wrong < 300, "{wrong} of 10,000");
        assert_eq!(Filter::from_bytes(filter.as_bytes()), Some(filter));
        assert!(!Filter::of(&[]).may_hold(&keys[0]));
    }
}
