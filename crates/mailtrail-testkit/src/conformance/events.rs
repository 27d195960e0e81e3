//! The events that the cases append: any type, any bytes.

use bytes::Bytes;
use chrono::DateTime;
use mailtrail_core::event::Source;
use mailtrail_core::id::Category;
use mailtrail_core::{EventId, NewEvent, StreamId};

pub(crate) fn stream(number: u8) -> StreamId {
    StreamId::from_parts(Category::DELIVERY, [number; 16])
}

pub(crate) fn id(number: u32) -> EventId {
    let mut bytes = [0xa5; 16];
    bytes[..4].copy_from_slice(&number.to_be_bytes());
    EventId::from_bytes(bytes)
}

pub(crate) fn event(number: u32) -> NewEvent {
    typed(number, "conformance")
}

pub(crate) fn typed(number: u32, event_type: &str) -> NewEvent {
    // No JSON, and not even UTF-8: a store never looks into it.
    let data = Bytes::from(vec![0xff, 0x00, u8::try_from(number % 251).unwrap_or(0)]);
    let mut event =
        NewEvent::from_bytes(id(number), event_type.into(), 1, data, Source::known("testkit"));
    // What comes later occurred earlier: the order of a log is that of its positions alone.
    event.occurred_at = DateTime::from_timestamp(1_790_000_000 - i64::from(number), 0);
    if number.is_multiple_of(2) {
        event.private = Some(Bytes::from(format!("private {number}")));
    }
    event
}
