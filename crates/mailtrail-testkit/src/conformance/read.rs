//! Reading: pages, filters, checkpoints, the chain.

use std::sync::{Arc, mpsc};
use std::time::Duration;

use futures_executor::block_on;
use mailtrail_core::event::{ChainHash, Envelope};
use mailtrail_core::store::{Filter, record};
use mailtrail_core::{AppendBatch, EventStore, Expected, Position, Version};

use super::events::{event, stream, typed};
use super::{Failure, expect};

async fn fill(store: &dyn EventStore, count: u32) -> Result<(), Failure> {
    for number in 0..count {
        let target = stream(u8::try_from(number % 3).unwrap_or(0));
        let name = if number.is_multiple_of(5) { "rare" } else { "common" };
        let batch = AppendBatch::new().write(target, Expected::Any, vec![typed(number, name)]);
        store.append(batch).await?;
    }
    Ok(())
}

async fn read_all(
    store: &dyn EventStore,
    filter: &Filter,
    limit: usize,
) -> Result<Vec<Envelope>, Failure> {
    let mut events = Vec::new();
    let mut next = Some(Position::START);
    let mut pages = 0;
    while let Some(after) = next {
        let page = store.read_all(filter, after, limit).await?;
        expect(page.events.len() <= limit, || "at most the limit".into())?;
        expect(page.scanned_to > after || page.next.is_none(), || "a page moves on".into())?;
        events.extend(page.events);
        next = page.next;
        pages += 1;
        expect(pages < 10_000, || "reading ends".into())?;
    }
    Ok(events)
}

/// Whatever the limit, pages give every event once, in order of position and of version.
#[expect(clippy::missing_errors_doc, reason = "each case fails by its name")]
pub fn pages_give_every_event_once(store: &Arc<dyn EventStore>) -> Result<(), Failure> {
    block_on(async {
        fill(&**store, 50).await?;
        let whole = read_all(&**store, &Filter::all(), 1_000).await?;
        expect(whole.len() == 50, || format!("50 events, not {}", whole.len()))?;
        expect(whole.windows(2).all(|w| w[0].position < w[1].position), || "in order".into())?;
        for limit in [1, 7, 50, 51] {
            let paged = read_all(&**store, &Filter::all(), limit).await?;
            expect(paged == whole, || format!("the same by pages of {limit}"))?;
        }
        let mut from = Some(Version::FIRST);
        let mut of_stream = Vec::new();
        while let Some(version) = from {
            let page = store.read_stream(stream(1), version, 4).await?;
            expect(page.last == Some(Version::new(16)), || format!("last {:?}", page.last))?;
            of_stream.extend(page.events);
            from = page.next;
        }
        let expected: Vec<Envelope> =
            whole.into_iter().filter(|envelope| envelope.stream == stream(1)).collect();
        expect(of_stream == expected, || "a stream by pages is the stream".into())?;
        let nothing = store.read_stream(stream(9), Version::FIRST, 4).await?;
        expect(nothing.last.is_none() && nothing.next.is_none(), || {
            "an empty stream is empty".into()
        })
    })
}

/// A filter gives what matches; `scanned_to` lets a checkpoint move past the rest.
#[expect(clippy::missing_errors_doc, reason = "each case fails by its name")]
pub fn a_filter_skips_and_the_checkpoint_moves_on(
    store: &Arc<dyn EventStore>,
) -> Result<(), Failure> {
    block_on(async {
        fill(&**store, 41).await?;
        let rare = Filter::all().event_type("rare");
        let found = read_all(&**store, &rare, 3).await?;
        expect(found.len() == 9, || format!("9 rare events, not {}", found.len()))?;
        let never = Filter::all().event_type("never");
        let page = store.read_all(&never, Position::START, 10).await?;
        expect(page.events.is_empty() && page.next.is_none(), || "nothing matches".into())?;
        expect(page.scanned_to == page.head, || "all of it was scanned".into())?;
        let beyond = store.read_all(&Filter::all(), page.head, 10).await?;
        expect(beyond.events.is_empty() && beyond.next.is_none(), || {
            "nothing behind the head".into()
        })
    })
}

/// `changed` waits at the head, and hears of every append, also of one that comes while it begins to
/// wait.
#[expect(clippy::missing_errors_doc, reason = "each case fails by its name")]
pub fn changed_resolves_when_there_is_more(store: &Arc<dyn EventStore>) -> Result<(), Failure> {
    for round in 0..ROUNDS {
        let past = block_on(store.head())?.position;
        let waiting = Arc::clone(store);
        // A waiter that is never woken is a failure, not a test that never ends.
        let (woken, answer) = mpsc::channel();
        let (begins, begun) = mpsc::channel();
        std::thread::spawn(move || {
            begins.send(()).ok();
            woken.send(block_on(waiting.changed(past)))
        });
        begun.recv().ok();
        // Each round at another moment of its beginning.
        (0..round).for_each(|_| std::thread::yield_now());
        let batch = AppendBatch::new().write(stream(1), Expected::Any, vec![event(round)]);
        block_on(store.append(batch))?;
        let seen = answer.recv_timeout(LONGEST_WAIT);
        let seen = seen.map_err(|_| Failure::new("the waiter was not woken by the append"))??;
        let head = block_on(store.head())?.position;
        expect(seen == head && head > past, || format!("behind {past} is {head}, not {seen}"))?;
        let at_once = block_on(store.changed(past))?;
        expect(at_once == head, || "what is there already resolves at once".into())?;
    }
    Ok(())
}

/// Every record carries the chain hash over itself and all before it; the head is the last one.
#[expect(clippy::missing_errors_doc, reason = "each case fails by its name")]
pub fn the_chain_verifies(store: &Arc<dyn EventStore>) -> Result<(), Failure> {
    block_on(async {
        fill(&**store, 30).await?;
        let mut previous = ChainHash::default();
        let events = read_all(&**store, &Filter::all(), 8).await?;
        expect(events.len() == 30, || format!("30 events, not {}", events.len()))?;
        for envelope in events {
            let expected = record::chain_hash(previous, &envelope);
            expect(envelope.hash == expected, || format!("broken at {}", envelope.position))?;
            let private = envelope.event.private.as_deref();
            let salted = envelope.salt.zip(private).map(|(salt, private)| salt.hash(private));
            expect(salted == envelope.private_hash, || "the hash of the private part".into())?;
            previous = envelope.hash;
        }
        expect(store.head().await?.hash == previous, || "the head is the last hash".into())
    })
}

/// The store's clock never runs backwards in the log.
#[expect(clippy::missing_errors_doc, reason = "each case fails by its name")]
pub fn recorded_at_never_decreases(store: &Arc<dyn EventStore>) -> Result<(), Failure> {
    block_on(async {
        fill(&**store, 30).await?;
        let events = read_all(&**store, &Filter::all(), 30).await?;
        expect(events.len() == 30, || format!("30 events, not {}", events.len()))?;
        let ordered = events.windows(2).all(|w| w[0].recorded_at <= w[1].recorded_at);
        expect(ordered && !events.is_empty(), || "in order of time".into())
    })
}

const ROUNDS: u32 = 40;
const LONGEST_WAIT: Duration = Duration::from_secs(5);
