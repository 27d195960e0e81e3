//! Any run of commands gives the answers of the reference store.

use std::sync::Arc;

use futures_executor::block_on;
use mailtrail_core::store::{AppendError, Filter};
use mailtrail_core::{AppendBatch, EventStore, Expected, Namespace, Position, Version};
use mailtrail_memory::MemoryStore;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::events::{event, stream, typed};

#[derive(Debug, Clone)]
struct Write {
    stream: u8,
    expected: u8,
    events: Vec<(u32, bool)>,
}

#[derive(Debug, Clone)]
struct Command {
    writes: Vec<Write>,
    require: Option<(u8, u8)>,
    skip_known: bool,
}

fn command() -> impl Strategy<Value = Command> {
    let write = (0_u8..4, 0_u8..6, vec((0_u32..24, prop::bool::weighted(0.1)), 0..4))
        .prop_map(|(stream, expected, events)| Write { stream, expected, events });
    let require = prop::option::weighted(0.3, (0_u8..4, 0_u8..6));
    (vec(write, 1..4), require, any::<bool>()).prop_map(|(writes, require, skip_known)| Command {
        writes,
        require,
        skip_known,
    })
}

fn expected(number: u8) -> Expected {
    match number {
        0 | 1 => Expected::Any,
        2 => Expected::NoStream,
        3 => Expected::Exists,
        n => Expected::Exact(Version::new(u64::from(n) - 4)),
    }
}

fn batch(command: &Command) -> AppendBatch {
    let mut batch = AppendBatch::new();
    for write in &command.writes {
        let make = |(number, other): &(u32, bool)| {
            if *other { typed(*number, "other") } else { event(*number) }
        };
        let events = write.events.iter().map(make).collect();
        batch = batch.write(stream(write.stream), expected(write.expected), events);
    }
    if let Some((target, what)) = command.require {
        batch = batch.require(stream(target), expected(what));
    }
    if command.skip_known { batch.skip_known() } else { batch }
}

/// Answers as text: positions are opaque, so they are left out.
fn answer(store: &dyn EventStore, batch: AppendBatch) -> String {
    match block_on(store.append(batch)) {
        Ok(appended) => {
            let events: Vec<_> = appended
                .events
                .iter()
                .map(|e| (e.event_id, e.stream, e.version, e.known))
                .collect();
            format!("{:?} {events:?}", appended.outcome)
        }
        Err(AppendError::Conflict { streams }) => format!("conflict {streams:?}"),
        Err(AppendError::IdReused { events }) => {
            format!("reused {:?}", events.iter().map(|e| (e.event_id, e.known)).collect::<Vec<_>>())
        }
        Err(AppendError::PartialDuplicate { events }) => {
            format!(
                "partial {:?}",
                events.iter().map(|e| (e.event_id, e.known)).collect::<Vec<_>>()
            )
        }
        Err(error) => format!("{error:?}"),
    }
}

fn log(store: &dyn EventStore) -> String {
    match block_on(store.read_all(&Filter::all(), Position::START, 10_000)) {
        Ok(page) => {
            let of = |e: &mailtrail_core::Envelope| (e.stream, e.version, e.event.clone());
            format!("{:?}", page.events.iter().map(of).collect::<Vec<_>>())
        }
        Err(error) => format!("{error:?}"),
    }
}

/// Runs random commands on both stores and compares every answer, and the logs at the end.
///
/// # Panics
/// With the shrunk commands, if an answer differs.
#[expect(clippy::panic, reason = "a test")]
pub fn it_answers_as_the_reference_store<S: EventStore + 'static>(factory: impl Fn() -> S) {
    let config = Config { cases: 48, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new(config);
    let result = runner.run(&vec(command(), 1..25), |commands| {
        let store = factory();
        let namespace = Namespace::from_random([1; 16]);
        let reference = MemoryStore::with(namespace, Arc::new(|| chrono::DateTime::UNIX_EPOCH));
        for command in &commands {
            let batch = batch(command);
            prop_assert_eq!(
                answer(&store, batch.clone()),
                answer(&reference, batch),
                "{:?}",
                command
            );
        }
        prop_assert_eq!(log(&store), log(&reference));
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
}
