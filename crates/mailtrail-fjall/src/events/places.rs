//! Where the records of a segment lie: the offset of every sixteenth.
//!
//! Kept in a file beside the segment, which can be made anew from it.

use mailtrail_core::store::Head;

use crate::layout::{self, STRIDE};

/// Offsets of the records `first`, `first + STRIDE`, …
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Places(Vec<u32>);

impl Places {
    /// Notes where the record with this number in the segment lies: those that are not kept are left out.
    pub(crate) fn note(&mut self, number: u64, offset: u64) {
        if number.is_multiple_of(STRIDE) {
            // A segment ends far below 4 GiB: it grows beyond its room by one group at most.
            self.0.push(u32::try_from(offset).unwrap_or(u32::MAX));
        }
    }

    /// The last record at or before this number whose offset is kept.
    pub(crate) fn before(&self, number: u64) -> Option<(u64, u64)> {
        let slot = number.checked_div(STRIDE)?;
        let slot = slot.min(u64::try_from(self.0.len()).ok()?.checked_sub(1)?);
        let offset = self.0.get(usize::try_from(slot).ok()?)?;
        Some((slot.saturating_mul(STRIDE), (*offset).into()))
    }
}

/// What is kept beside a segment: how far it was known, and the places up to there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) first: u64,
    /// The last record.
    pub(crate) head: Head,
    /// Where the next one will be.
    pub(crate) end: u64,
    pub(crate) places: Places,
}

impl Known {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = layout::FORMAT.to_be_bytes().to_vec();
        bytes.extend_from_slice(&self.first.to_be_bytes());
        bytes.extend_from_slice(&layout::head_bytes(self.head));
        bytes.extend_from_slice(&self.end.to_be_bytes());
        bytes.extend(self.places.0.iter().flat_map(|offset| offset.to_be_bytes()));
        layout::seal(&mut bytes);
        bytes
    }

    /// `None` if it says nothing.
    pub(crate) fn decode(sealed: &[u8]) -> Option<Self> {
        let (format, rest) = layout::opened(sealed)?.split_first_chunk::<4>()?;
        let (first, rest) = rest.split_first_chunk::<8>()?;
        let (head, rest) = rest.split_first_chunk::<40>()?;
        let (end, places) = rest.split_first_chunk::<8>()?;
        let (places, []) = places.as_chunks::<4>() else { return None };
        (u32::from_be_bytes(*format) == layout::FORMAT).then_some(())?;
        let places = Places(places.iter().map(|offset| u32::from_be_bytes(*offset)).collect());
        let (first, end) = (u64::from_be_bytes(*first), u64::from_be_bytes(*end));
        Some(Self { first, head: layout::head_of(head)?, end, places })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_kept_record_before_is_found() {
        let mut places = Places::default();
        assert_eq!(places.before(0), None);
        (0..40).for_each(|number| places.note(number, 128 + number * 100));
        for (number, kept) in [(0, 0), (15, 0), (16, 16), (39, 32), (400, 32)] {
            assert_eq!(places.before(number), Some((kept, 128 + kept * 100)), "{number}");
        }
        let known = Known { first: 9, head: Head::default(), end: 4_128, places };
        let mut bytes = known.encode();
        assert_eq!(Known::decode(&bytes), Some(known));
        bytes[7] ^= 1;
        assert_eq!(Known::decode(&bytes), None);
    }
}
