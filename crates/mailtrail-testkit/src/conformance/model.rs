//! Any run of commands gives the answers of the reference store.

use std::path::Path;
use std::sync::Arc;

use futures_executor::block_on;
use mailtrail_core::store::{AppendError, Filter, OpenError};
use mailtrail_core::{AppendBatch, EventStore, Expected, Namespace, Position, Version};
use mailtrail_memory::MemoryStore;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::events::{event, id, stream, typed};

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
    let of = |e: mailtrail_core::Envelope| (e.stream, e.version, e.event);
    let (mut events, mut next) = (Vec::new(), Some(Position::START));
    while let Some(after) = next {
        match block_on(store.read_all(&Filter::all(), after, 10_000)) {
            Ok(page) => {
                events.extend(page.events.into_iter().map(of));
                next = page.next;
            }
            Err(error) => return format!("{error:?}"),
        }
    }
    format!("{events:?}")
}

/// What is read in pages of some size, in each of the ways to read. A page may hold fewer events than were asked for:
/// all of them together are compared.
fn reads(store: &dyn EventStore, step: usize) -> String {
    let of = |e: &mailtrail_core::Envelope| (e.version, e.event.event_id, e.is_erased());
    let stream_from = |number: u8| {
        let (mut events, mut last) = (Vec::new(), None);
        let mut next = Some(Version::new((step % 4) as u64));
        while let Some(from) = next {
            match block_on(store.read_stream(stream(number), from, 1 + step % 3)) {
                Ok(page) => {
                    events.extend(page.events.iter().map(of));
                    (next, last) = (page.next, page.last);
                }
                Err(error) => return format!("{error:?}"),
            }
        }
        format!("{events:?} {last:?}")
    };
    let filtered = || {
        let (mut events, mut next) = (Vec::new(), Some(Position::START));
        while let Some(after) = next {
            let filter = Filter::all().event_type("other");
            match block_on(store.read_all(&filter, after, 1 + step % 5)) {
                Ok(page) => {
                    events.extend(page.events.iter().map(of));
                    next = page.next;
                }
                Err(error) => return format!("{error:?}"),
            }
        }
        format!("{events:?}")
    };
    format!("{:?} {}", [stream_from(0), stream_from(1), stream_from(3)], filtered())
}

/// Runs random commands on both stores and compares every answer, what is read after each, and the logs at the end.
///
/// # Panics
/// With the shrunk commands, if an answer differs.
pub fn it_answers_as_the_reference_store<S: EventStore + 'static>(factory: impl Fn() -> S) {
    compare(|| Subject { store: Some(factory()), reopen: None::<fn() -> S> });
}

/// The same of a store in a folder that is closed and opened again between the commands.
///
/// # Panics
/// With the shrunk commands, if an answer differs, or the folder can't be opened.
#[expect(clippy::expect_used, reason = "a test")]
pub fn it_answers_so_after_reopening<S: EventStore + 'static>(
    open: impl Fn(&Path) -> Result<S, OpenError>,
) {
    let open = &open;
    compare(|| {
        let folder = tempfile::tempdir().expect("a folder");
        let again = move || open(folder.path()).expect("the folder opens");
        Subject { store: Some(again()), reopen: Some(again) }
    });
}

/// A store under test, and how it is opened again.
struct Subject<S, F> {
    store: Option<S>,
    reopen: Option<F>,
}

impl<S: EventStore, F: Fn() -> S> Subject<S, F> {
    #[expect(clippy::expect_used, reason = "a test")]
    fn store(&self) -> &S {
        self.store.as_ref().expect("it is open")
    }

    fn reopen(&mut self) {
        if let Some(reopen) = &self.reopen {
            self.store = None;
            self.store = Some(reopen());
        }
    }
}

#[expect(clippy::panic, reason = "a test")]
fn compare<S: EventStore, F: Fn() -> S>(subject: impl Fn() -> Subject<S, F>) {
    let config = Config { cases: 48, failure_persistence: None, ..Config::default() };
    let steps =
        vec((command(), prop::bool::weighted(0.1), prop::option::weighted(0.1, 0_u32..24)), 1..25);
    let result = TestRunner::new(config).run(&steps, |steps| {
        let mut subject = subject();
        let namespace = Namespace::from_random([1; 16]);
        let reference = MemoryStore::with(namespace, Arc::new(|| chrono::DateTime::UNIX_EPOCH));
        for (step, (command, reopens, erased)) in steps.iter().enumerate() {
            let batch = batch(command);
            let answers = (answer(subject.store(), batch.clone()), answer(&reference, batch));
            prop_assert_eq!(answers.0, answers.1, "step {}: {:?}", step, command);
            if let Some(number) = erased.filter(|_| subject.store().capabilities().redacts) {
                let erase =
                    |store: &dyn EventStore| format!("{:?}", block_on(store.redact(&[id(number)])));
                prop_assert_eq!(erase(subject.store()), erase(&reference), "step {}: redact", step);
            }
            if *reopens {
                subject.reopen();
            }
            prop_assert_eq!(
                reads(subject.store(), step),
                reads(&reference, step),
                "after step {}",
                step
            );
        }
        prop_assert_eq!(log(subject.store()), log(&reference));
        Ok(())
    });
    if let Err(error) = result {
        panic!("rule: every store answers as the reference store (design, section 10)\n{error}");
    }
}
