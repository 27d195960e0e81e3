//! Which file holds what, and how: `docs/format.md` has it byte by byte.

use mailtrail_core::event::ChainHash;
use mailtrail_core::store::{Head, OpenError};
use mailtrail_core::{Namespace, Position};

/// The format that this version writes, and the newest that it reads.
pub(crate) const FORMAT: u32 = 1;

/// The folder of the events.
pub(crate) const EVENTS: &str = "events";
/// The folder of fjall, which can be made anew from the events.
pub(crate) const INDEX: &str = "index";
/// How far the index goes.
pub(crate) const INDEXED: &str = "indexed";
/// Positions whose private parts are being erased.
pub(crate) const ERASING: &str = "erasing";

/// The length of a segment's header; the first record comes behind it.
pub(crate) const HEADER: u64 = 128;
/// What stands before each record: its length u32, and how many of its group follow u32.
pub(crate) const PREFIX: usize = 8;
/// Of every so many records the offset is kept.
pub(crate) const STRIDE: u64 = 16;

const MAGIC: &[u8; 16] = b"mailtrail events";

/// The beginning of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) namespace: Namespace,
    /// The record before the first.
    pub(crate) before: Head,
}

impl Header {
    pub(crate) fn encode(self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(&FORMAT.to_be_bytes());
        bytes.extend_from_slice(self.namespace.as_bytes());
        bytes.extend_from_slice(&head_bytes(self.before));
        seal(&mut bytes);
        bytes
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, OpenError> {
        let corrupt = || OpenError::Corrupt { cause: "a segment's header is unreadable".into() };
        let rest = bytes.strip_prefix(MAGIC).ok_or_else(corrupt)?;
        let (format, _) = rest.split_first_chunk::<4>().ok_or_else(corrupt)?;
        let said = bytes.get(..SAID).ok_or_else(corrupt)?;
        let sealed = opened(said).ok_or_else(corrupt)?;
        let format = u32::from_be_bytes(*format);
        if format > FORMAT {
            return Err(OpenError::NewerFormat { format, newest: FORMAT });
        }
        let fields = sealed.get(20..).ok_or_else(corrupt)?;
        let (namespace, head) = fields.split_first_chunk::<16>().ok_or_else(corrupt)?;
        let before = head_of(head).ok_or_else(corrupt)?;
        Ok(Self { namespace: Namespace::from_bytes(*namespace), before })
    }
}

/// The name of the segment that begins with this position.
pub(crate) fn segment_name(first: u64) -> String {
    format!("{first:020}.log")
}

/// The position in a segment's name; `None` for any other file.
pub(crate) fn segment_first(name: &str) -> Option<u64> {
    name.strip_suffix(".log").filter(|digits| digits.len() == 20)?.parse().ok()
}

/// Adds the CRC-32C of what is there.
pub(crate) fn seal(bytes: &mut Vec<u8>) {
    bytes.extend_from_slice(&crc32c::crc32c(bytes).to_be_bytes());
}

/// What was sealed, if it is whole.
pub(crate) fn opened(sealed: &[u8]) -> Option<&[u8]> {
    let (bytes, crc) = sealed.split_last_chunk::<4>()?;
    (crc32c::crc32c(bytes) == u32::from_be_bytes(*crc)).then_some(bytes)
}

pub(crate) fn head_bytes(head: Head) -> [u8; 40] {
    let mut bytes = [0; 40];
    let (position, hash) = bytes.split_at_mut(8);
    position.copy_from_slice(&head.position.get().to_be_bytes());
    hash.copy_from_slice(head.hash.as_bytes());
    bytes
}

pub(crate) fn head_of(bytes: &[u8]) -> Option<Head> {
    let (position, hash) = bytes.split_first_chunk::<8>()?;
    let hash = ChainHash::from_bytes(hash.try_into().ok()?);
    Some(Head::new(Position::new(u64::from_be_bytes(*position)), hash))
}

/// Magic, format, namespace, head, CRC.
const SAID: usize = 16 + 4 + 16 + 40 + 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_read_as_written_and_a_newer_one_is_refused() {
        let before = Head::new(Position::new(7), ChainHash::from_bytes([3; 32]));
        let header = Header { namespace: Namespace::from_bytes([9; 16]), before };
        let bytes = header.encode();
        assert_eq!(bytes.len(), SAID);
        assert_eq!(Header::decode(&bytes).unwrap(), header);
        for at in 0..bytes.len() {
            let mut spoilt = bytes.clone();
            spoilt[at] ^= 1;
            assert!(matches!(Header::decode(&spoilt), Err(OpenError::Corrupt { .. })), "{at}");
        }
        let mut newer = bytes[..SAID - 4].to_vec();
        newer[19] = 2;
        seal(&mut newer);
        let refused = Header::decode(&newer).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "the store has format 2; this version reads up to 1: use a newer mailtrail"
        );
        assert_eq!(segment_first(&segment_name(42)), Some(42));
        assert_eq!(segment_first("next"), None);
    }
}
