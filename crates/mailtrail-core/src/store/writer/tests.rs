//! The writer over an engine that fails when it is told to.

use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use chrono::DateTime;
use futures_executor::block_on;

use super::*;
use crate::event::{NewEvent, Source};
use crate::store::{Expected, Outcome};

/// Keeps nothing but the ids, and fails as long as it is told to.
struct Failing {
    fails: Arc<AtomicBool>,
    stored: Vec<Envelope>,
}

impl Engine for Failing {
    fn find(&self, id: EventId) -> Result<Option<Found>, ReadError> {
        let found = self.stored.iter().find(|envelope| envelope.event.event_id == id);
        Ok(found.map(Found::from))
    }

    fn last_version(&self, stream: StreamId) -> Result<Option<Version>, ReadError> {
        let of_stream = self.stored.iter().filter(|envelope| envelope.stream == stream);
        Ok(of_stream.map(|envelope| envelope.version).max())
    }

    fn commit(&mut self, group: &[Envelope]) -> Result<(), BoxError> {
        if self.fails.load(Ordering::Acquire) {
            return Err(std::io::Error::from(std::io::ErrorKind::StorageFull).into());
        }
        self.stored.extend_from_slice(group);
        Ok(())
    }

    fn redact(&mut self, _: &[EventId]) -> Result<(), RedactError> {
        Err(RedactError::Unsupported)
    }
}

fn batch(number: u8) -> AppendBatch {
    let (id, source) = (EventId::from_bytes([number; 16]), Source::known("test"));
    let event = NewEvent::from_bytes(id, "test".into(), 1, Bytes::new(), source);
    let stream = StreamId::from_parts(crate::id::Category::DELIVERY, [1; 16]);
    AppendBatch::new().write(stream, Expected::Any, vec![event])
}

/// What failed was not durable: no reader may see it, whatever is asked of the writer afterwards.
#[test]
fn after_a_failed_write_nothing_more_becomes_visible() {
    let fails = Arc::new(AtomicBool::new(false));
    let engine = Failing { fails: Arc::clone(&fails), stored: Vec::new() };
    let clock = Arc::new(|| DateTime::UNIX_EPOCH);
    let options = WriterOptions::new(Head::default(), clock, Box::new(Salt::default));
    let writer = Writer::start(engine, options).unwrap();
    assert_eq!(block_on(writer.append(batch(1))).unwrap().outcome, Outcome::New);
    let head = writer.watch().head();
    assert_eq!(head.position, Position::new(1));

    fails.store(true, Ordering::Release);
    let failed = block_on(writer.append(batch(2)));
    assert!(matches!(failed, Err(AppendError::OutcomeUnknown { .. })), "{failed:?}");
    fails.store(false, Ordering::Release);
    for number in [2, 3, 1] {
        let refused = block_on(writer.append(batch(number)));
        let Err(AppendError::Unavailable { cause }) = refused else { panic!("{refused:?}") };
        let why = cause.source().and_then(|why| why.downcast_ref::<std::io::Error>()).unwrap();
        assert_eq!(why.kind(), std::io::ErrorKind::StorageFull, "callers get at the cause");
        assert_eq!(writer.watch().head(), head, "after batch {number}");
    }
}
