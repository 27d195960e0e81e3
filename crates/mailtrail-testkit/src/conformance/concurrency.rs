//! Many writers and readers at once.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use futures_executor::block_on;
use mailtrail_core::store::{AppendError, Filter};
use mailtrail_core::{
    AppendBatch, EventId, EventStore, EventStoreExt, Expected, Position, Version,
};

use super::events::{event, id, stream};
use super::{Failure, expect};
use crate::history::{Calls, Recorder, check};

const WRITERS: u32 = 8;
const EACH: u32 = 25;

/// Writers that read, decide and append with `Exact` on one stream: every event stands right behind the
/// one that its writer had seen last, so none was decided on what had changed meanwhile.
#[expect(clippy::missing_errors_doc, reason = "each case fails by its name")]
pub fn writers_lose_nothing(store: &Arc<dyn EventStore>) -> Result<(), Failure> {
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let store = Arc::clone(store);
            thread::spawn(move || {
                let decide = |n| block_on(append_behind_the_last(&*store, writer * EACH + n));
                (0..EACH).map(decide).collect::<Result<Vec<_>, Failure>>()
            })
        })
        .collect();
    let mut decided = HashMap::new();
    for writer in writers {
        decided.extend(writer.join().map_err(|_| Failure::new("a writer panicked"))??);
    }
    block_on(async {
        let events = store.stream(stream(1)).await?;
        let versions: Vec<u64> = events.iter().map(|envelope| envelope.version.get()).collect();
        let expected: Vec<u64> = (0..u64::from(WRITERS * EACH)).collect();
        expect(versions == expected, || format!("every event once, not {} of them", events.len()))?;
        for envelope in events {
            let (id, version) = (envelope.event.event_id, envelope.version);
            let behind = decided.get(&id).copied();
            expect(behind == Some(version), || {
                format!("event {id} was appended as version {behind:?}, and is {version:?}")
            })?;
        }
        Ok(())
    })
}

/// Appends an event with `Exact`, and says which version it must be.
async fn append_behind_the_last(
    store: &dyn EventStore,
    number: u32,
) -> Result<(EventId, Version), Failure> {
    loop {
        let last = store.read_stream(stream(1), Version::FIRST, 1).await?.last;
        let expected = last.map_or(Expected::NoStream, Expected::Exact);
        let batch = AppendBatch::new().write(stream(1), expected, vec![event(number)]);
        match store.append(batch).await {
            Ok(_) => return Ok((id(number), Version::after(last))),
            Err(AppendError::Conflict { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Readers that follow the log see each event once, whole batches only, and never anything new at or
/// before a position that they have passed.
#[expect(clippy::missing_errors_doc, reason = "each case fails by its name")]
pub fn readers_see_one_growing_log(store: &Arc<dyn EventStore>) -> Result<(), Failure> {
    let done = Arc::new(AtomicBool::new(false));
    let readers: Vec<_> = (0..3)
        .map(|reader| {
            let (store, done) = (Arc::clone(store), Arc::clone(&done));
            thread::spawn(move || block_on(follow(&*store, &done, 1 + reader * 7)))
        })
        .collect();
    let whole_batches = {
        let (store, done) = (Arc::clone(store), Arc::clone(&done));
        thread::spawn(move || block_on(only_whole_batches(&*store, &done)))
    };
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let store = Arc::clone(store);
            thread::spawn(move || {
                (0..EACH).try_for_each(|n| {
                    let first = (writer * EACH + n) * 2;
                    let own = stream(10 + u8::try_from(writer).unwrap_or(0));
                    let batch = AppendBatch::new()
                        .write(own, Expected::Any, vec![event(first)])
                        .write(stream(1), Expected::Any, vec![event(first + 1)]);
                    block_on(store.append(batch)).map(drop)
                })
            })
        })
        .collect();
    for writer in writers {
        writer.join().map_err(|_| Failure::new("a writer panicked"))??;
    }
    done.store(true, Ordering::Release);
    whole_batches.join().map_err(|_| Failure::new("a reader panicked"))??;
    // In pages as any other: also the last reading may be given short ones.
    let expected = block_on(follow(&**store, &done, 10_000))?;
    let stored = usize::try_from(WRITERS * EACH * 2).unwrap_or(usize::MAX);
    expect(expected.len() == stored, || format!("{stored} events, not {}", expected.len()))?;
    for reader in readers {
        let seen = reader.join().map_err(|_| Failure::new("a reader panicked"))??;
        expect(seen == expected, || "a reader that followed saw what is there in the end".into())?;
    }
    Ok(())
}

/// Reads the whole log again and again: of each batch of two it sees both events or none.
async fn only_whole_batches(store: &dyn EventStore, done: &AtomicBool) -> Result<(), Failure> {
    loop {
        let last_round = done.load(Ordering::Acquire);
        // Up to the head, which is never within a batch; a page may end anywhere.
        let (mut seen, mut next) = (HashSet::new(), Some(Position::START));
        while let Some(after) = next {
            let page = store.read_all(&Filter::all(), after, 10_000).await?;
            seen.extend(page.events.iter().map(|e| e.event.event_id));
            next = page.next;
        }
        for batch in 0..WRITERS * EACH {
            let (first, second) = (id(batch * 2), id(batch * 2 + 1));
            expect(seen.contains(&first) == seen.contains(&second), || {
                format!("a reader saw one of {first} and {second}, which were appended together")
            })?;
        }
        if last_round {
            return Ok(());
        }
    }
}

/// Writers of every kind and readers at once: their calls are recorded, and all of them together are a history that
/// a store of the contract can have.
#[expect(clippy::missing_errors_doc, reason = "each case fails by its name")]
pub fn every_history_is_linearizable(store: &Arc<dyn EventStore>) -> Result<(), Failure> {
    let (calls, done) = (Calls::default(), Arc::new(AtomicBool::new(false)));
    let readers: Vec<_> = (0..3_usize)
        .map(|reader| {
            let (recorder, done) = (calls.recorder(Arc::clone(store)), Arc::clone(&done));
            thread::spawn(move || block_on(read_about(&recorder, &done, reader)))
        })
        .collect();
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let recorder = calls.recorder(Arc::clone(store));
            thread::spawn(move || {
                (0..EACH).try_for_each(|turn| block_on(write_somehow(&recorder, writer, turn)))
            })
        })
        .collect();
    for writer in writers {
        writer.join().map_err(|_| Failure::new("a writer panicked"))??;
    }
    done.store(true, Ordering::Release);
    for reader in readers {
        reader.join().map_err(|_| Failure::new("a reader panicked"))??;
    }
    let log = block_on(store.read_all(&Filter::all(), Position::START, 100_000))?.events;
    let stored = usize::try_from(WRITERS * EACH).unwrap_or(usize::MAX);
    expect(log.len() >= stored, || format!("at least {stored} events, not {}", log.len()))?;
    check(&calls.take(), &log).map_err(|violation| Failure::new(violation.to_string()))
}

/// One of the ways in which writers append: alone, over two streams, deciding on what they read, again with the same
/// ids, with what others may have brought.
async fn write_somehow(recorder: &Recorder, writer: u32, turn: u32) -> Result<(), Failure> {
    let number = (writer * EACH + turn) * 4;
    let shared = stream(u8::try_from(turn % 3).unwrap_or(0));
    let own = stream(20 + u8::try_from(writer).unwrap_or(0));
    let one = |target, expected| AppendBatch::new().write(target, expected, vec![event(number)]);
    let batch = match (writer + turn) % 5 {
        0 => one(shared, Expected::Any),
        1 => one(shared, Expected::Any).write(own, Expected::Any, vec![event(number + 1)]),
        2 => {
            let last = recorder.read_stream(shared, Version::FIRST, 1).await?.last;
            one(shared, last.map_or(Expected::NoStream, Expected::Exact))
        }
        3 => {
            let again = one(own, Expected::Any).require(shared, Expected::Exists);
            // Whatever came of the first try.
            recorder.append(again.clone()).await.ok();
            again
        }
        _ => one(shared, Expected::Any)
            .write(stream(30), Expected::Any, vec![event(4_000_000 + turn)])
            .skip_known(),
    };
    match recorder.append(batch).await {
        // Others were faster: the event is brought all the same.
        Err(AppendError::Conflict { .. }) => {
            recorder.append(one(own, Expected::Any)).await?;
            Ok(())
        }
        answer => Ok(answer.map(drop)?),
    }
}

async fn read_about(recorder: &Recorder, done: &AtomicBool, reader: usize) -> Result<(), Failure> {
    let mut checkpoint = Position::START;
    loop {
        let last_round = done.load(Ordering::Acquire);
        let page = recorder.read_all(checkpoint, 1 + reader * 40).await?;
        checkpoint = page.scanned_to;
        recorder.head().await?;
        for target in 0..3_u8 {
            recorder.read_stream(stream(target), Version::FIRST, 3 + reader * 500).await?;
        }
        if page.next.is_none() {
            if last_round {
                return Ok(());
            }
            thread::yield_now();
        }
    }
}

type Seen = Vec<(Position, EventId)>;

async fn follow(store: &dyn EventStore, done: &AtomicBool, limit: usize) -> Result<Seen, Failure> {
    let mut seen = Vec::new();
    let mut checkpoint = Position::START;
    loop {
        let last_round = done.load(Ordering::Acquire);
        let page = store.read_all(&Filter::all(), checkpoint, limit).await?;
        seen.extend(page.events.iter().map(|e| (e.position, e.event.event_id)));
        checkpoint = page.scanned_to;
        if page.next.is_none() && last_round {
            return Ok(seen);
        }
    }
}
