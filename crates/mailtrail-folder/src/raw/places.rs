//! Where the bodies of a sealed segment are: behind them, in the same file.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use mailtrail_core::event::RawHash;

use super::filter::Filter;
use super::head::{ALIGN, HEAD, HEAD_BYTES, Salt, checksum, fill, part};

/// The beginning of a hash.
pub(super) type Key = [u8; 16];

/// Where the key of a body is.
pub(super) fn key(hash: RawHash) -> Key {
    hash.as_bytes().first_chunk().copied().unwrap_or_default()
}

/// What is kept in memory of a sealed segment.
#[derive(Debug)]
pub(super) struct Places {
    /// Where the bodies end, and the blocks of places begin.
    pub(super) end: u64,
    count: u32,
    /// How each block begins.
    fences: Box<[u64]>,
    filter: Filter,
}

impl Places {
    /// What is written behind the bodies, from `end` on, and what is kept of it.
    pub(super) fn seal(mut places: Vec<(Key, u64)>, salt: &Salt, end: u64) -> (Vec<u8>, Self) {
        places.sort_unstable();
        let (mut bytes, mut at) = (Vec::new(), end);
        for block in places.chunks(PER_BLOCK) {
            let start = bytes.len();
            for (key, offset) in block {
                let place = u32::try_from(offset.wrapping_div(ALIGN)).unwrap_or_default();
                bytes.extend_from_slice(key);
                bytes.extend_from_slice(&place.to_be_bytes());
            }
            bytes.resize(start.saturating_add(BLOCK - 4), 0);
            let crc = checksum(salt, at, bytes.split_at(start).1);
            bytes.extend_from_slice(&crc.to_be_bytes());
            at = at.saturating_add(BLOCK_BYTES);
        }
        let fences = places.chunks(PER_BLOCK).filter_map(|block| block.first());
        let fences: Box<[u64]> = fences.map(|(key, _)| fence(key)).collect();
        let keys: Vec<Key> = places.iter().map(|(key, _)| *key).collect();
        let (filter, count) = (Filter::of(&keys), u32::try_from(keys.len()).unwrap_or(u32::MAX));
        let sealed = Self { end, count, fences, filter };
        let summary = sealed.summary();
        let trailer = sealed.trailer(salt, at, &summary);
        bytes.extend_from_slice(&summary);
        bytes.extend_from_slice(&trailer);
        (bytes, sealed)
    }

    /// Of a segment's file; `None` if it is not sealed, or that is damaged.
    pub(super) fn open(file: &File, salt: &Salt) -> io::Result<Option<Self>> {
        let Some(at) = file.metadata()?.len().checked_sub(HEAD_BYTES) else { return Ok(None) };
        let mut trailer = [0; HEAD];
        file.read_exact_at(&mut trailer, at)?;
        let Some((end, count, filter)) = sealed(&trailer, salt, at) else { return Ok(None) };
        let blocks = blocks(count);
        let begin = end.saturating_add(blocks.saturating_mul(BLOCK_BYTES));
        let length = blocks.saturating_mul(8).saturating_add(filter);
        if begin.checked_add(length) != Some(at) {
            return Ok(None);
        }
        let mut summary = vec![0; usize::try_from(length).unwrap_or_default()];
        file.read_exact_at(&mut summary, begin)?;
        if part(&trailer, 36) != Some(checksum(salt, begin, &summary).to_be_bytes()) {
            return Ok(None);
        }
        let fences = usize::try_from(blocks.saturating_mul(8)).unwrap_or_default();
        let Some((fences, filter)) = summary.split_at_checked(fences) else { return Ok(None) };
        let fences = fences.as_chunks::<8>().0.iter().map(|fence| u64::from_be_bytes(*fence));
        let (fences, filter) = (fences.collect(), Filter::from_bytes(filter));
        Ok(filter.map(|filter| Self { end, count, fences, filter }))
    }

    /// False only if the segment surely does not hold it.
    pub(super) fn may_hold(&self, key: &Key) -> bool {
        self.filter.may_hold(key)
    }

    /// Where bodies of this key are; `None` if the block that says it is damaged.
    pub(super) fn find(&self, file: &File, salt: &Salt, key: &Key) -> io::Result<Option<Vec<u64>>> {
        // Equal keys may lie on both sides of a fence: the blocks that may hold it are those from the last that begins
        // before it to the last that begins not after it.
        let fence = fence(key);
        let first = self.fences.partition_point(|begin| *begin < fence).saturating_sub(1);
        let last = self.fences.partition_point(|begin| *begin <= fence);
        let mut found = Vec::new();
        for number in first..last {
            let at = u64::try_from(number).unwrap_or_default().saturating_mul(BLOCK_BYTES);
            let at = self.end.saturating_add(at);
            let mut block = [0; BLOCK];
            file.read_exact_at(&mut block, at)?;
            let Some((entries, crc)) = block.split_last_chunk::<4>() else { continue };
            if checksum(salt, at, entries).to_be_bytes() != *crc {
                return Ok(None);
            }
            let begun = number.saturating_mul(PER_BLOCK);
            let count = usize::try_from(self.count).unwrap_or_default().saturating_sub(begun);
            let entries = entries.as_chunks::<ENTRY>().0.iter().take(count.min(PER_BLOCK));
            let same = entries.filter(|entry| entry.starts_with(key));
            found.extend(same.filter_map(|entry| {
                Some(u64::from(u32::from_be_bytes(part(entry, 16)?)).saturating_mul(ALIGN))
            }));
        }
        Ok(Some(found))
    }

    /// Fences and filter.
    fn summary(&self) -> Vec<u8> {
        let fences = self.fences.iter().flat_map(|fence| fence.to_be_bytes());
        fences.chain(self.filter.as_bytes().iter().copied()).collect()
    }

    fn trailer(&self, salt: &Salt, summary_at: u64, summary: &[u8]) -> [u8; HEAD] {
        let length = u64::try_from(summary.len()).unwrap_or_default();
        let filter = u32::try_from(self.filter.as_bytes().len()).unwrap_or_default();
        let at = summary_at.saturating_add(length);
        let mut trailer = [0; HEAD];
        let fields = MAGIC.iter().copied().chain(self.end.to_be_bytes());
        let fields = fields.chain(self.count.to_be_bytes()).chain(filter.to_be_bytes());
        fill(&mut trailer, 0, fields);
        fill(&mut trailer, 36, checksum(salt, summary_at, summary).to_be_bytes());
        let crc = checksum(salt, at, trailer.split_at(CRC_AT).0);
        fill(&mut trailer, CRC_AT, crc.to_be_bytes());
        trailer
    }
}

/// What a trailer says: where the bodies end, how many there are, and how long the filter is.
fn sealed(trailer: &[u8; HEAD], salt: &Salt, at: u64) -> Option<(u64, u32, u64)> {
    let crc = checksum(salt, at, trailer.split_at(CRC_AT).0);
    let known = part::<16>(trailer, 0)? == *MAGIC && part(trailer, CRC_AT)? == crc.to_be_bytes();
    known.then_some(())?;
    let (end, count) = (u64::from_be_bytes(part(trailer, 16)?), part(trailer, 24)?);
    Some((end, u32::from_be_bytes(count), u32::from_be_bytes(part(trailer, 28)?).into()))
}

fn blocks(count: u32) -> u64 {
    u64::try_from(usize::try_from(count).unwrap_or_default().div_ceil(PER_BLOCK))
        .unwrap_or_default()
}

fn fence(key: &Key) -> u64 {
    key.first_chunk().copied().map(u64::from_be_bytes).unwrap_or_default()
}

/// A key and a place in units of [`ALIGN`].
const ENTRY: usize = 20;
const BLOCK: usize = 4_096;
const BLOCK_BYTES: u64 = 4_096;
/// What goes into a block beside its checksum.
const PER_BLOCK: usize = (BLOCK - 4) / ENTRY;
const CRC_AT: usize = 40;
const MAGIC: &[u8; 16] = b"mailtrail sealed";
