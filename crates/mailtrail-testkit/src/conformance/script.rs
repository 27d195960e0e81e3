//! What was done to a store, and what it answered: the script that a broken promise comes with.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use mailtrail_core::store::{
    AppendError, Appended, Capabilities, Filter, Head, ImportError, Known, Mismatch, Page,
    ReadError, RedactError, StoredAt, StreamPage,
};
use mailtrail_core::{
    AppendBatch, Envelope, EventId, EventStore, Expected, Namespace, Position, StreamId, Version,
};

/// A store that writes down what it is asked and what it answers, in short names: `s1` is the first stream that
/// was named, `e1` the first event.
#[derive(Debug)]
pub struct Scripted {
    inner: Arc<dyn EventStore>,
    lines: Mutex<Lines>,
}

#[derive(Debug, Default)]
struct Lines {
    calls: Vec<String>,
    streams: HashMap<StreamId, usize>,
    events: HashMap<EventId, usize>,
}

impl Scripted {
    /// Around this store.
    pub fn new(inner: Arc<dyn EventStore>) -> Self {
        Self { inner, lines: Mutex::default() }
    }

    /// What was done so far. The middle of a long script is left out, and counted.
    pub fn script(&self) -> String {
        let lines = self.lock();
        let left_out = lines.calls.len().saturating_sub(FIRST + LAST);
        let mut script = String::new();
        for (number, call) in lines.calls.iter().enumerate() {
            if left_out > 0 && number == FIRST {
                writeln!(script, "     … {left_out} more …").ok();
            }
            if left_out == 0 || number < FIRST || number >= FIRST + left_out {
                writeln!(script, "{:>4} {call}", number + 1).ok();
            }
        }
        script
    }

    fn lock(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, line: impl FnOnce(&mut Lines) -> String) {
        let mut lines = self.lock();
        let line = line(&mut lines);
        lines.calls.push(line);
    }
}

impl Lines {
    fn stream(&mut self, stream: StreamId) -> String {
        let next = self.streams.len() + 1;
        format!("s{}", self.streams.entry(stream).or_insert(next))
    }

    fn event(&mut self, event: EventId) -> String {
        let next = self.events.len() + 1;
        format!("e{}", self.events.entry(event).or_insert(next))
    }

    fn batch(&mut self, batch: &AppendBatch) -> String {
        let mut text = String::new();
        for write in batch.writes() {
            let stream = self.stream(write.stream);
            let events: Vec<String> =
                write.events.iter().map(|event| self.event(event.event_id)).collect();
            write!(text, " {stream}({}):[{}]", expected(write.expected), shortened(&events)).ok();
        }
        for (stream, what) in batch.requires() {
            let stream = self.stream(*stream);
            write!(text, " require {stream}({})", expected(*what)).ok();
        }
        text + if batch.skips_known() { " skip_known" } else { "" }
    }

    fn places(&mut self, places: &[StoredAt]) -> String {
        let place = |at: &StoredAt| {
            let known = match at.known {
                Known::No => "",
                Known::Here => " known",
                Known::Elsewhere => " known elsewhere",
            };
            let (event, stream) = (self.event(at.event_id), self.stream(at.stream));
            format!("{event}={stream}@{} p{}{known}", at.version, at.position)
        };
        shortened(&places.iter().map(place).collect::<Vec<_>>())
    }

    fn appended(&mut self, answer: &Result<Appended, AppendError>) -> String {
        match answer {
            Ok(appended) => {
                format!("{:?} [{}]", appended.outcome, self.places(&appended.events))
            }
            Err(AppendError::Conflict { streams }) => {
                let differs = |differs: &Mismatch| {
                    let actual = differs.actual.map_or("none".into(), |last| last.to_string());
                    format!(
                        "{}({}) is at {actual}",
                        self.stream(differs.stream),
                        expected(differs.expected)
                    )
                };
                format!("Conflict [{}]", streams.iter().map(differs).collect::<Vec<_>>().join(", "))
            }
            Err(AppendError::IdReused { events }) => format!("IdReused [{}]", self.places(events)),
            Err(AppendError::PartialDuplicate { events }) => {
                format!("PartialDuplicate [{}]", self.places(events))
            }
            Err(error) => format!("error: {error}"),
        }
    }

    fn events(&mut self, events: &[Envelope]) -> String {
        let place = |envelope: &Envelope| {
            let (event, stream) =
                (self.event(envelope.event.event_id), self.stream(envelope.stream));
            format!("{event}={stream}@{} p{}", envelope.version, envelope.position)
        };
        shortened(&events.iter().map(place).collect::<Vec<_>>())
    }
}

fn expected(expected: Expected) -> String {
    match expected {
        Expected::Any => "any".into(),
        Expected::NoStream => "no stream".into(),
        Expected::Exists => "exists".into(),
        Expected::Exact(version) => format!("exactly {version}"),
    }
}

/// The first and the last of many.
fn shortened(parts: &[String]) -> String {
    match parts {
        [first, second, .., last] if parts.len() > SHOWN => {
            format!("{first} {second} … {last} ({} in all)", parts.len())
        }
        few => few.join(" "),
    }
}

fn answered<T>(
    answer: &Result<T, impl std::fmt::Display>,
    text: impl FnOnce(&T) -> String,
) -> String {
    match answer {
        Ok(value) => text(value),
        Err(error) => format!("error: {error}"),
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl EventStore for Scripted {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    fn namespace(&self) -> Namespace {
        self.inner.namespace()
    }

    async fn append(&self, batch: AppendBatch) -> Result<Appended, AppendError> {
        let answer = self.inner.append(batch.clone()).await;
        self.note(|lines| format!("append{} → {}", lines.batch(&batch), lines.appended(&answer)));
        answer
    }

    async fn read_stream(
        &self,
        stream: StreamId,
        from: Version,
        limit: usize,
    ) -> Result<StreamPage, ReadError> {
        let answer = self.inner.read_stream(stream, from, limit).await;
        self.note(|lines| {
            let found = answered(&answer, |page| {
                let last = page.last.map_or("none".into(), |last| last.to_string());
                format!("[{}] last {last}", lines.events(&page.events))
            });
            format!("read_stream {} from {from}, {limit} → {found}", lines.stream(stream))
        });
        answer
    }

    async fn read_all(
        &self,
        filter: &Filter,
        after: Position,
        limit: usize,
    ) -> Result<Page, ReadError> {
        let answer = self.inner.read_all(filter, after, limit).await;
        self.note(|lines| {
            let found = answered(&answer, |page| {
                let (scanned, head) = (page.scanned_to, page.head);
                format!("[{}] scanned to p{scanned} of p{head}", lines.events(&page.events))
            });
            let some = if *filter == Filter::all() { "" } else { " filtered" };
            format!("read_all{some} after p{after}, {limit} → {found}")
        });
        answer
    }

    async fn changed(&self, past: Position) -> Result<Position, ReadError> {
        let answer = self.inner.changed(past).await;
        let found = answered(&answer, |to| format!("p{to}"));
        self.note(|_| format!("changed past p{past} → {found}"));
        answer
    }

    async fn head(&self) -> Result<Head, ReadError> {
        let answer = self.inner.head().await;
        let found = answered(&answer, |head| format!("p{}", head.position));
        self.note(|_| format!("head → {found}"));
        answer
    }

    async fn redact(&self, ids: &[EventId]) -> Result<(), RedactError> {
        let answer = self.inner.redact(ids).await;
        self.note(|lines| {
            let events: Vec<String> = ids.iter().map(|id| lines.event(*id)).collect();
            let done = answered(&answer, |()| "done".into());
            format!("redact [{}] → {done}", shortened(&events))
        });
        answer
    }

    async fn import(&self, batch: AppendBatch) -> Result<Appended, ImportError> {
        let answer = self.inner.import(batch.clone()).await;
        self.note(|lines| {
            let done =
                answered(&answer, |appended| format!("[{}]", lines.places(&appended.events)));
            format!("import{} → {done}", lines.batch(&batch))
        });
        answer
    }
}

const FIRST: usize = 6;
const LAST: usize = 18;
/// More than so many events or places are shortened.
const SHOWN: usize = 6;
