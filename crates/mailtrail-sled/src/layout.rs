//! Which key holds what. All keys are in sled's default tree, so that one batch is one step.
//!
//! | key | value |
//! |---|---|
//! | `m` `format` | format of the store, u32 |
//! | `m` `namespace` | 16 bytes |
//! | `m` `head` | position u64, chain hash 32 |
//! | `e` position u64 | record (`mailtrail_core::store::record`) |
//! | `i` event id 16 | position u64 |
//! | `s` category 15, id 16, version u64 | position u64 |
//!
//! All numbers are big endian. A category is filled up with zeros.

use mailtrail_core::event::ChainHash;
use mailtrail_core::store::Head;
use mailtrail_core::{EventId, Position, StreamId, Version};

/// The format that this version writes, and the newest that it reads.
pub(crate) const FORMAT: u32 = 1;
pub(crate) const FORMAT_KEY: &[u8] = b"mformat";
pub(crate) const NAMESPACE_KEY: &[u8] = b"mnamespace";
pub(crate) const HEAD_KEY: &[u8] = b"mhead";

pub(crate) fn event_key(position: Position) -> Vec<u8> {
    prefixed(b'e', &position.get().to_be_bytes())
}

/// The position of an event's key; `None` for any other key.
pub(crate) fn event_position(key: &[u8]) -> Option<Position> {
    key.strip_prefix(b"e").and_then(position_of)
}

pub(crate) fn id_key(id: EventId) -> Vec<u8> {
    prefixed(b'i', id.as_bytes())
}

pub(crate) fn stream_prefix(stream: StreamId) -> Vec<u8> {
    let mut key = prefixed(b's', stream.category().as_str().as_bytes());
    key.resize(16, 0);
    key.extend_from_slice(stream.id());
    key
}

pub(crate) fn stream_key(stream: StreamId, version: Version) -> Vec<u8> {
    let mut key = stream_prefix(stream);
    key.extend_from_slice(&version.get().to_be_bytes());
    key
}

/// The version at the end of a stream's key.
pub(crate) fn version_of(key: &[u8]) -> Option<Version> {
    key.last_chunk::<8>().map(|bytes| Version::new(u64::from_be_bytes(*bytes)))
}

pub(crate) fn position_of(value: &[u8]) -> Option<Position> {
    value.try_into().ok().map(|bytes| Position::new(u64::from_be_bytes(bytes)))
}

pub(crate) fn head_value(head: Head) -> Vec<u8> {
    let mut value = head.position.get().to_be_bytes().to_vec();
    value.extend_from_slice(head.hash.as_bytes());
    value
}

pub(crate) fn head_of(value: &[u8]) -> Option<Head> {
    let (position, hash) = value.split_first_chunk::<8>()?;
    let hash = ChainHash::from_bytes(hash.try_into().ok()?);
    Some(Head::new(Position::new(u64::from_be_bytes(*position)), hash))
}

fn prefixed(prefix: u8, rest: &[u8]) -> Vec<u8> {
    let mut key = vec![prefix];
    key.extend_from_slice(rest);
    key
}
