//! The stored form of a record: written once, then kept.

use std::path::PathBuf;

use chrono::DateTime;
use mailtrail_core::event::{ChainHash, Delivered, Envelope, Salt, Source};
use mailtrail_core::store::record;
use mailtrail_core::{DeliveryId, EventId, Fact, NewEvent, Position, Private, StreamId, Version};

fn fact() -> (StreamId, NewEvent) {
    let mut id = [0xc5; 16];
    id[8..].copy_from_slice(&1_u64.to_be_bytes());
    let mut private = Private::default();
    private.text = Some("text 1".into());
    let fact = Fact::new(Delivered::default().into());
    let event = NewEvent::new(EventId::from_bytes(id), &fact, &private, Source::known("test"));
    (StreamId::delivery(DeliveryId::from_bytes([1; 16])), event.unwrap())
}

#[test]
fn a_record_of_format_1_never_changes() {
    let (stream, event) = fact();
    let event = event.occurred_at(DateTime::from_timestamp(1_700_000_000, 5));
    let recorded_at = DateTime::from_timestamp(1_700_000_001, 0).unwrap();
    let place = (Position::new(7), stream, Version::new(3));
    let previous = ChainHash::from_bytes([1; 32]);
    let envelope = Envelope::seal(place, recorded_at, event, Salt::from_bytes([2; 16]), previous);
    let bytes = record::encode(&envelope);
    let hex = data_encoding::HEXLOWER.encode(&bytes);
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/format/1/record.hex");
    if !path.exists() {
        assert!(std::env::var_os("CI").is_none(), "the golden record is missing");
        std::fs::write(&path, &hex).unwrap();
    }
    assert_eq!(hex, std::fs::read_to_string(&path).unwrap(), "it is a stored format");
    assert_eq!(record::decode(&bytes.into()).unwrap(), envelope);
}
