//! What a process does while it is recorded: a day of a store in small.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::thread;

use futures_executor::block_on;
use mailtrail_core::store::{EventStoreExt, OpenError};
use mailtrail_core::{EventStore, NewEvent, StreamId};

use crate::crash::child::{observe, say};
use crate::crash::event;

/// What is appended between two openings, in batches: each is stored whole or not at all.
#[derive(Debug, Clone)]
struct Part {
    batches: Vec<Range<u64>>,
    /// How many threads append them.
    writers: usize,
}

/// The parts of each time that the store is open.
fn openings() -> [Vec<Part>; 3] {
    let part = |numbers: Range<u64>, of: usize, writers| {
        let batches = numbers.clone().step_by(of).map(|first| first..first + of as u64);
        Part { batches: batches.collect(), writers }
    };
    [
        vec![part(0..12, 1, 1), part(12..36, 1, 4), part(36..96, 20, 1), part(LARGE, 3, 1)],
        vec![part(120..128, 1, 1), part(128..148, 10, 2)],
        vec![part(148..152, 1, 1)],
    ]
}

/// The numbers of each batch.
pub(super) fn batches() -> impl Iterator<Item = Range<u64>> {
    openings().into_iter().flatten().flat_map(|part| part.batches)
}

/// The event of a number: [`event`]'s, and some are large.
pub(super) fn fact(number: u64) -> (StreamId, NewEvent) {
    let (stream, mut event) = event(number);
    if LARGE.contains(&number) {
        let digit = char::from(b'0' + (number % 10) as u8).to_string();
        event.data =
            format!("{{\"number\":{number},\"text\":\"{}\"}}", digit.repeat(48 << 10)).into();
    }
    (stream, event)
}

/// Together larger than what an engine keeps in one file, or in one piece.
const LARGE: Range<u64> = 96..120;

/// The events whose private parts are erased, if the store can do that.
pub(super) const ERASED: [u64; 3] = [5, 40, 100];

/// Opens the store three times and does all of it, saying what it hears.
#[expect(clippy::panic, reason = "a test, whose exit code the parent looks at")]
pub(in crate::crash) fn work<S: EventStore + 'static>(
    open: &impl Fn(&Path) -> Result<S, OpenError>,
    folder: &Path,
) {
    let mut first = 0;
    for (turn, parts) in openings().into_iter().enumerate() {
        let store: Arc<dyn EventStore> = match open(folder) {
            Ok(store) => Arc::new(store),
            Err(error) => panic!("the folder does not open: {error}"),
        };
        let count =
            parts.iter().flat_map(|part| &part.batches).map(|batch| batch.end - batch.start).sum();
        let reader = {
            let store = Arc::clone(&store);
            thread::spawn(move || block_on(observe(&*store, first, count)))
        };
        for part in &parts {
            append(&store, part);
        }
        reader.join().ok();
        if turn == 0 && store.capabilities().redacts {
            erase(&*store);
        }
        first += count;
    }
}

fn append(store: &Arc<dyn EventStore>, part: &Part) {
    thread::scope(|scope| {
        for writer in 0..part.writers {
            scope.spawn(move || {
                for batch in part.batches.iter().skip(writer).step_by(part.writers) {
                    record(&**store, batch.clone());
                }
            });
        }
    });
}

#[expect(clippy::panic, reason = "a test, whose exit code the parent looks at")]
fn record(store: &dyn EventStore, batch: Range<u64>) {
    if let Err(error) = block_on(store.record(batch.clone().map(fact).collect())) {
        panic!("the events {batch:?} could not be recorded: {error}");
    }
    batch.for_each(|number| say("acknowledged", number));
}

#[expect(clippy::panic, reason = "a test, whose exit code the parent looks at")]
fn erase(store: &dyn EventStore) {
    let ids: Vec<_> = ERASED.iter().map(|number| event(*number).1.event_id).collect();
    if let Err(error) = block_on(store.redact(&ids)) {
        panic!("private parts could not be erased: {error}");
    }
    for number in ERASED {
        say("erased", number);
    }
}
