//! One user of the owner's store: requests are taken as they come, answered as they are done.

use std::collections::HashMap;
use std::io;
use std::os::unix::net::UnixStream;
use std::pin::pin;
use std::thread;

use bytes::Bytes;
use futures_channel::mpsc;
use futures_executor::block_on;
use futures_util::StreamExt;
use futures_util::future::{AbortHandle, Abortable, Either, poll_fn, select};
use futures_util::stream::FuturesUnordered;
use mailtrail_core::event::Envelope;
use mailtrail_core::projection::StateStore;
use mailtrail_core::store::{EventStore, record};

use crate::frame::Frame;
use crate::lease::{Lease, Leases};
use crate::message::{Answer, PROTOCOL, Request, filter, namespace_text};
use crate::states;

/// Serves a user until it goes.
pub(crate) fn serve(
    stream: &UnixStream,
    store: &dyn EventStore,
    states: Option<&dyn StateStore>,
    leases: &Leases,
) {
    let Ok(input) = stream.try_clone() else { return };
    let (sender, requests) = mpsc::channel(WAITING);
    thread::scope(|threads| {
        threads.spawn(move || receive(&input, sender));
        // Whatever ended it: the user sees a closed connection.
        block_on(answer_all(stream, requests, store, states, leases)).ok();
        stream.shutdown(std::net::Shutdown::Both).ok();
    });
}

fn receive(mut input: &UnixStream, mut requests: mpsc::Sender<Frame>) {
    while let Ok(Some(frame)) = Frame::read(&mut input) {
        let taken = block_on(poll_fn(|context| requests.poll_ready(context)));
        if taken.is_err() || requests.start_send(frame).is_err() {
            return;
        }
    }
}

async fn answer_all(
    mut stream: &UnixStream,
    mut requests: mpsc::Receiver<Frame>,
    store: &dyn EventStore,
    states: Option<&dyn StateStore>,
    leases: &Leases,
) -> io::Result<()> {
    let mut held: HashMap<String, Lease> = HashMap::new();
    let mut snapshots = states::Held::default();
    let mut handles: HashMap<u64, AbortHandle> = HashMap::new();
    // What waits for something that may never come.
    let mut waiting: HashMap<u64, AbortHandle> = HashMap::new();
    let mut ended = false;
    let mut running = FuturesUnordered::new();
    loop {
        let next = if running.is_empty() {
            if ended {
                return Ok(());
            }
            Either::Left(requests.next().await)
        } else if ended || running.len() >= RUNNING {
            Either::Right(running.next().await)
        } else {
            match select(pin!(requests.next()), running.next()).await {
                Either::Left((frame, _)) => Either::Left(frame),
                Either::Right((done, _)) => Either::Right(done),
            }
        };
        match next {
            // Nothing more is asked: what was is answered first.
            Either::Left(None) => {
                ended = true;
                waiting.values().for_each(AbortHandle::abort);
            }
            Either::Left(Some(frame)) => match frame.header()? {
                Request::Cancel { request } => {
                    waiting.remove(&request);
                    if let Some(handle) = handles.remove(&request) {
                        handle.abort();
                    }
                }
                Request::Release { name } => {
                    held.remove(&name);
                }
                Request::State(request) => {
                    let (answer, records) =
                        states::answer(states, &mut snapshots, request, &frame.records);
                    let answer = Answer::State(answer);
                    Frame::new(frame.request, &answer, records)?.write(&mut stream)?;
                }
                Request::Lease { name } => {
                    let lease = leases.take(&name);
                    let granted = lease.is_some();
                    held.extend(lease.map(|lease| (name, lease)));
                    let answer = Answer::Lease { granted };
                    Frame::new(frame.request, &answer, Vec::new())?.write(&mut stream)?;
                }
                request => {
                    let (handle, registration) = AbortHandle::new_pair();
                    if matches!(request, Request::Changed { .. }) {
                        waiting.insert(frame.request, handle.clone());
                    }
                    handles.insert(frame.request, handle);
                    let work = async move {
                        let (answer, records) = answer(store, request, &frame.records).await;
                        (frame.request, answer, records)
                    };
                    running.push(Abortable::new(work, registration));
                }
            },
            Either::Right(Some(Ok((request, answer, records)))) => {
                handles.remove(&request);
                waiting.remove(&request);
                Frame::new(request, &answer, records)?.write(&mut stream)?;
            }
            // Cancelled: nobody waits for it.
            Either::Right(Some(Err(_)) | None) => {}
        }
    }
}

async fn answer(
    store: &dyn EventStore,
    request: Request,
    records: &[Bytes],
) -> (Answer, Vec<Bytes>) {
    let alone = |answer| (answer, Vec::new());
    match request {
        Request::Hello { protocol: _ } => {
            let namespace = namespace_text(store.namespace());
            let capabilities = store.capabilities().into();
            alone(Answer::Hello { protocol: PROTOCOL, namespace, capabilities })
        }
        Request::Append(batch) => match batch.into_batch(records) {
            None => alone(Answer::NotUnderstood),
            Some(batch) => alone(match store.append(batch).await {
                Ok(appended) => appended.into(),
                Err(error) => Answer::NotAppended(error.into()),
            }),
        },
        Request::Import(batch) => match batch.into_batch(records) {
            None => alone(Answer::NotUnderstood),
            Some(batch) => alone(store.import(batch).await.map_or_else(Answer::from, Answer::from)),
        },
        Request::ReadStream { stream, from, limit } => {
            match store.read_stream(stream, from, limit.min(PAGE_EVENTS)).await {
                Ok(page) => {
                    let (records, _) = packed(page.events);
                    (Answer::StreamPage { last: page.last }, records)
                }
                Err(error) => alone(error.into()),
            }
        }
        Request::ReadAll { categories, event_types, after, limit } => {
            let Some(filter) = filter(&categories, event_types) else {
                return alone(Answer::NotUnderstood);
            };
            match store.read_all(&filter, after, limit.min(PAGE_EVENTS)).await {
                Ok(page) => {
                    let (records, cut_at) = packed(page.events);
                    let scanned_to = cut_at.unwrap_or(page.scanned_to);
                    (Answer::Page { scanned_to, head: page.head }, records)
                }
                Err(error) => alone(error.into()),
            }
        }
        Request::Changed { past } => alone(match store.changed(past).await {
            Ok(to) => Answer::Changed { to },
            Err(error) => error.into(),
        }),
        Request::Head => alone(store.head().await.map_or_else(Answer::from, Answer::from)),
        Request::Redact { ids } => {
            alone(store.redact(&ids).await.map_or_else(Answer::from, |()| Answer::Redacted))
        }
        Request::Lease { .. }
        | Request::Release { .. }
        | Request::Cancel { .. }
        | Request::State(_) => alone(Answer::NotUnderstood),
    }
}

/// The records of a page, as many as one frame should hold; if not all, the position of the last.
fn packed(events: Vec<Envelope>) -> (Vec<Bytes>, Option<mailtrail_core::Position>) {
    let (mut records, mut bytes) = (Vec::with_capacity(events.len()), 0_usize);
    let total = events.len();
    for envelope in events {
        let record = Bytes::from(record::encode(&envelope));
        bytes = bytes.saturating_add(record.len());
        records.push(record);
        if bytes >= PAGE_BYTES && records.len() < total {
            return (records, Some(envelope.position));
        }
    }
    (records, None)
}

/// Requests that wait to be taken up.
const WAITING: usize = 64;
/// Requests of one user that are worked on at once.
const RUNNING: usize = 1_024;
/// The events of one page …
const PAGE_EVENTS: usize = 16_384;
/// … or its bytes: the event that reaches this is its last.
const PAGE_BYTES: usize = 16 << 20;

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use mailtrail_core::event::Source;
    use mailtrail_core::id::Category;
    use mailtrail_core::store::{EventStoreExt, Position};
    use mailtrail_core::{EventId, NewEvent, StreamId};
    use mailtrail_memory::MemoryStore;

    use super::*;
    use crate::{RemoteStore, Share, socket};

    fn large(number: u8) -> (StreamId, NewEvent) {
        let (id, data) = (EventId::from_bytes([number; 16]), Bytes::from(vec![number; 1 << 20]));
        let event = NewEvent::from_bytes(id, "large".into(), 1, data, Source::known("test"));
        (StreamId::from_parts(Category::DELIVERY, [1; 16]), event)
    }

    /// The socket takes far less than one answer: whoever serves this user waits for it.
    #[test]
    fn a_user_that_never_reads_holds_up_nobody_else() {
        let folder = tempfile::tempdir().unwrap();
        let store: Arc<dyn EventStore> = Arc::new(MemoryStore::new());
        block_on(store.record((0..8).map(large).collect())).unwrap();
        let share = Share::start(Arc::clone(&store), folder.path()).unwrap();
        let everything = Request::ReadAll {
            categories: Vec::new(),
            event_types: Vec::new(),
            after: Position::START,
            limit: 1_000,
        };
        let idle: Vec<UnixStream> =
            (0..4).map(|_| socket::connect(folder.path()).unwrap()).collect();
        for mut user in &idle {
            user.set_write_timeout(Some(Duration::from_secs(10))).unwrap();
            for request in (0..).take(WAITING) {
                Frame::new(request, &everything, Vec::new()).unwrap().write(&mut user).unwrap();
            }
        }

        let other = RemoteStore::connect(folder.path()).unwrap();
        block_on(other.record((8..16).map(large).collect())).unwrap();
        block_on(store.record((16..24).map(large).collect())).unwrap();
        assert_eq!(block_on(other.head()).unwrap().position, Position::new(24));
        // Nor does the owner's end wait for them.
        let (ended, end) = std::sync::mpsc::channel();
        thread::spawn(move || {
            drop(share);
            ended.send(()).ok();
        });
        end.recv_timeout(Duration::from_secs(10)).unwrap();
        drop(idle);
    }
}
