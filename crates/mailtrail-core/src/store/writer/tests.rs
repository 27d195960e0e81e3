//! The writer over an engine that is slow, fails or panics when it is told to.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use chrono::DateTime;
use futures_executor::block_on;
use futures_util::future::join_all;
use proptest::prelude::*;

use super::*;
use crate::event::{NewEvent, Source};
use crate::id::Category;
use crate::store::append::{Known, StoredAt};
use crate::store::{Expected, Outcome};

/// What is stored, in order.
#[derive(Debug, Clone, Default)]
struct Stored(Arc<Mutex<Vec<Envelope>>>);

impl Stored {
    fn last<T>(
        &self,
        is_it: impl Fn(&Envelope) -> bool,
        read: impl Fn(&Envelope) -> T,
    ) -> Option<T> {
        let stored = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        stored.iter().rev().find(|envelope| is_it(envelope)).map(read)
    }
}

/// An engine in memory.
#[derive(Debug, Default)]
struct Slow {
    stored: Stored,
    fault: Arc<AtomicU8>,
    /// Microseconds for each group in turn.
    takes: Vec<u64>,
    written: usize,
}

const WORKS: u8 = 0;
const FAILS: u8 = 1;
const PANICS: u8 = 2;

impl Engine for Slow {
    fn find(&self, id: EventId) -> Result<Option<Found>, ReadError> {
        Ok(self.stored.last(|envelope| envelope.event.event_id == id, |found| Found::from(found)))
    }

    fn last_version(&self, stream: StreamId) -> Result<Option<Version>, ReadError> {
        Ok(self.stored.last(|envelope| envelope.stream == stream, |envelope| envelope.version))
    }

    fn commit(&mut self, group: &[Envelope]) -> Result<(), BoxError> {
        let takes = self.takes.get(self.written % self.takes.len().max(1)).copied();
        self.written += 1;
        thread::sleep(Duration::from_micros(takes.unwrap_or_default()));
        match self.fault.load(Ordering::Acquire) {
            FAILS => return Err(std::io::Error::from(std::io::ErrorKind::StorageFull).into()),
            PANICS => panic!("as it was told to"),
            _ => {}
        }
        self.stored.0.lock().unwrap().extend_from_slice(group);
        Ok(())
    }

    fn redact(&mut self, _: &[EventId]) -> Result<(), RedactError> {
        Err(RedactError::Unsupported)
    }
}

fn start(engine: Slow) -> Writer {
    let clock = Arc::new(|| DateTime::UNIX_EPOCH);
    Writer::start(engine, WriterOptions::new(Head::default(), clock, Box::new(Salt::default)))
        .unwrap()
}

fn event(number: u8) -> NewEvent {
    let (id, source) = (EventId::from_bytes([number; 16]), Source::known("test"));
    NewEvent::from_bytes(id, "test".into(), 1, Bytes::new(), source)
}

fn stream(number: u8) -> StreamId {
    StreamId::from_parts(Category::DELIVERY, [number; 16])
}

fn batch(number: u8) -> AppendBatch {
    AppendBatch::new().write(stream(1), Expected::Any, vec![event(number)])
}

/// What failed was not durable: no reader may see it, whatever is asked of the writer afterwards.
#[test]
fn after_a_failed_write_nothing_more_becomes_visible() {
    let engine = Slow::default();
    let fault = Arc::clone(&engine.fault);
    let writer = start(engine);
    assert_eq!(block_on(writer.append(batch(1))).unwrap().outcome, Outcome::New);
    let head = writer.watch().head();
    assert_eq!(head.position, Position::new(1));

    fault.store(FAILS, Ordering::Release);
    let failed = block_on(writer.append(batch(2)));
    assert!(matches!(failed, Err(AppendError::OutcomeUnknown { .. })), "{failed:?}");
    fault.store(WORKS, Ordering::Release);
    for number in [2, 3, 1] {
        let refused = block_on(writer.append(batch(number)));
        let Err(AppendError::Unavailable { cause }) = refused else { panic!("{refused:?}") };
        let why = cause.source().and_then(|why| why.downcast_ref::<std::io::Error>()).unwrap();
        assert_eq!(why.kind(), std::io::ErrorKind::StorageFull, "callers get at the cause");
        assert_eq!(writer.watch().head(), head, "after batch {number}");
    }
}

/// Nobody waits for ever for an engine that panicked: alone, or while others are gathered.
#[test]
fn a_panic_of_the_engine_is_a_failed_write() {
    for before in [1, 9] {
        let engine = Slow { takes: vec![200], ..Slow::default() };
        let fault = Arc::clone(&engine.fault);
        let writer = start(engine);
        block_on(join_all((0..before).map(|number| writer.append(batch(number)))));
        fault.store(PANICS, Ordering::Release);
        let answers =
            block_on(join_all((100..100 + before).map(|number| writer.append(batch(number)))));
        assert!(answers.iter().all(Result::is_err), "{answers:?}");
        let unknown =
            |answer: &Result<_, _>| matches!(answer, Err(AppendError::OutcomeUnknown { .. }));
        let mut later = (0..1_000).map(|_| block_on(writer.append(batch(7))));
        // Until the thread is gone it may have been queued.
        let after = later.find(|answer| !unknown(answer));
        assert!(matches!(after, Some(Err(AppendError::Unavailable { .. }))), "{after:?}");
        assert!(matches!(block_on(writer.redact(&[])), Err(RedactError::Unavailable { .. })));
        assert_eq!(writer.watch().head().position.get(), u64::from(before));
    }
}

#[derive(Debug, Clone)]
struct Step {
    stream: u8,
    id: u8,
    expected: Expected,
}

fn step() -> impl Strategy<Value = Step> {
    let expected = prop_oneof![
        Just(Expected::Any),
        Just(Expected::NoStream),
        (0_u64..6).prop_map(|version| Expected::Exact(Version::new(version))),
    ];
    (0..3_u8, any::<u8>(), expected).prop_map(|(stream, id, expected)| Step {
        stream,
        id,
        expected,
    })
}

/// What a caller got, and whether that was stored when it did.
fn run(writer: &Writer, stored: &Stored, step: &Step) -> (Result<Appended, AppendError>, bool) {
    let batch = AppendBatch::new().write(stream(step.stream), step.expected, vec![event(step.id)]);
    let answer = block_on(writer.append(batch));
    let is_there = |place: &StoredAt| {
        let there = stored.last(
            |envelope| envelope.event.event_id == place.event_id,
            |envelope| (envelope.stream, envelope.version, envelope.position),
        );
        there == Some((place.stream, place.version, place.position))
            && writer.watch().head().position >= place.position
    };
    let is_stored = answer.as_ref().is_ok_and(|appended| appended.events.iter().all(is_there));
    (answer, is_stored)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// However batches come together in groups, it is as if one came after the other: no id is stored twice, no version
    /// twice or left out, and what was answered is there. After a failure nothing more is.
    #[test]
    fn batches_of_many_callers_are_as_if_one_came_after_the_other(
        callers in prop::collection::vec(prop::collection::vec(step(), 1..40), 1..9),
        takes in prop::collection::vec(0_u64..300, 1..5),
        fails_after in prop::option::of(0_u64..3_000),
    ) {
        let engine = Slow { takes, ..Slow::default() };
        let (stored, fault) = (engine.stored.clone(), Arc::clone(&engine.fault));
        let writer = start(engine);
        let answers: Vec<_> = thread::scope(|scope| {
            if let Some(after) = fails_after {
                let fault = Arc::clone(&fault);
                scope.spawn(move || {
                    thread::sleep(Duration::from_micros(after));
                    fault.store(FAILS, Ordering::Release);
                });
            }
            let (writer, stored) = (&writer, &stored);
            let each = |steps: &Vec<Step>| steps.iter().map(|step| run(writer, stored, step)).collect::<Vec<_>>();
            let running: Vec<_> = callers.iter().map(|steps| scope.spawn(move || each(steps))).collect();
            running.into_iter().flat_map(|caller| caller.join().unwrap()).collect()
        });
        drop(writer);
        let stored = stored.0.lock().unwrap();
        let ids: HashSet<_> = stored.iter().map(|envelope| envelope.event.event_id).collect();
        prop_assert_eq!(ids.len(), stored.len());
        for (index, envelope) in stored.iter().enumerate() {
            prop_assert_eq!(envelope.position.get(), index as u64 + 1);
            let before = stored[..index].iter().filter(|before| before.stream == envelope.stream);
            prop_assert_eq!(envelope.version.get(), before.count() as u64);
        }
        let mut new = 0;
        for (answer, is_stored) in &answers {
            match answer {
                Ok(appended) => {
                    prop_assert!(is_stored, "{:?}", appended);
                    new += usize::from(appended.events.iter().any(|place| place.known == Known::No));
                }
                Err(AppendError::Conflict { .. } | AppendError::IdReused { .. }) => {}
                Err(error) => prop_assert!(fails_after.is_some(), "{:?}", error),
            }
        }
        prop_assert_eq!(new, stored.len());
    }
}
