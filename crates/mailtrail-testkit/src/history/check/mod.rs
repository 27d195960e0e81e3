//! Whether a history is one that a store of the contract can have.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use mailtrail_core::store::{Known, Mismatch, StoredAt};
use mailtrail_core::{AppendBatch, Envelope, EventId, Position, StreamId, Version};

use super::recorder::{Call, What};

/// What is wrong with a history, and the calls that show it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Violation {
    /// The rule that is broken: one of the constants here.
    pub rule: &'static str,
    /// How.
    pub what: String,
    /// The least that shows it.
    pub calls: Vec<Call>,
}

impl Violation {
    /// What was acknowledged is in the log, where it was said to be.
    pub const ACKNOWLEDGED: &'static str =
        "what is acknowledged is in the log, at the place that was said";
    /// Versions count from 0 without gaps, positions grow.
    pub const COUNTED: &'static str = "versions count from 0 without gaps, and positions grow";
    /// What was acknowledged before a batch began comes before it.
    pub const REAL_TIME: &'static str =
        "what was acknowledged before a batch began stands before it";
    /// A batch is stored where its expectations hold.
    pub const EXPECTED: &'static str = "what a batch expects holds where it is stored";
    /// A conflict says how the streams were at some moment of the call.
    pub const CONFLICT: &'static str = "a conflict says what was true at some moment of the call";
    /// A reader sees a prefix with all that was acknowledged before, and nothing that had not begun.
    pub const PREFIX: &'static str =
        "a read is a prefix: all that was acknowledged before it, nothing that had not begun";
    /// Nothing appears at or before a position that a reader has passed.
    pub const PASSED: &'static str =
        "nothing appears at or before a position that a reader has passed";
    /// No reader sees a part of a batch.
    pub const WHOLE: &'static str = "no reader sees a part of a batch";
    /// What readers see grows.
    pub const GROWING: &'static str = "what readers see only grows";
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.rule, self.what)?;
        self.calls
            .iter()
            .try_for_each(|call| write!(f, "\n  [{}, {}] {:?}", call.begun, call.ended, call.what))
    }
}

/// Compares all calls with the log as it is in the end.
///
/// # Errors
/// The first [`Violation`].
pub fn check(calls: &[Call], log: &[Envelope]) -> Result<(), Box<Violation>> {
    let history = History::of(calls, log)?;
    for call in calls {
        match &call.what {
            What::Appended { batch, places } => history.appended(call, batch, places)?,
            What::Conflict { streams } => history.conflict(call, streams)?,
            What::Stream { stream, from, events, last } => {
                history.stream(call, *stream, *from, events, *last)?;
            }
            What::Log { after, events, scanned_to, head } => {
                history.page(call, *after, events, *scanned_to)?;
                history.sees(call, *head)?;
            }
            What::Head { position } | What::Changed { to: position, .. } => {
                history.sees(call, *position)?;
            }
            What::Unknown { .. } => {}
        }
        if let What::Changed { past, to } = &call.what
            && to <= past
        {
            return broken(Violation::PREFIX, format!("changed({past}) said {to}"), [call]);
        }
    }
    grows(calls)
}

/// The log, and when each event of it was asked for and acknowledged.
struct History<'a> {
    log: &'a [Envelope],
    places: HashMap<EventId, &'a Envelope>,
    streams: HashMap<StreamId, Vec<&'a Envelope>>,
    /// By event, the first call that brought it.
    begun: HashMap<EventId, u64>,
    /// By event, the first answer that said it is stored.
    acknowledged: HashMap<EventId, u64>,
    /// By the position of their first event, the last position of batches that were stored.
    batches: BTreeMap<Position, (Position, &'a Call)>,
}

impl<'a> History<'a> {
    fn of(calls: &'a [Call], log: &'a [Envelope]) -> Result<Self, Box<Violation>> {
        let places = log.iter().map(|envelope| (envelope.event.event_id, envelope)).collect();
        let mut streams: HashMap<StreamId, Vec<&Envelope>> = HashMap::new();
        for envelope in log {
            let stream = streams.entry(envelope.stream).or_default();
            if envelope.version.get() != stream.len() as u64 {
                let what = format!(
                    "version {} of {} follows {}",
                    envelope.version,
                    envelope.stream,
                    stream.len()
                );
                return broken(Violation::COUNTED, what, []);
            }
            stream.push(envelope);
        }
        if log.windows(2).any(|pair| pair[0].position >= pair[1].position) {
            return broken(Violation::COUNTED, "the log is not in order of position".into(), []);
        }
        let (begun, acknowledged, batches) = (HashMap::new(), HashMap::new(), BTreeMap::new());
        let mut history = Self { log, places, streams, begun, acknowledged, batches };
        for call in calls {
            history.note(call);
        }
        Ok(history)
    }

    fn note(&mut self, call: &'a Call) {
        let (What::Appended { batch, .. } | What::Unknown { batch }) = &call.what else { return };
        for (_, event) in batch.events() {
            let begun = self.begun.entry(event.event_id).or_insert(call.begun);
            *begun = call.begun.min(*begun);
        }
        let What::Appended { places, .. } = &call.what else { return };
        for place in places {
            let at = self.acknowledged.entry(place.event_id).or_insert(call.ended);
            *at = call.ended.min(*at);
        }
        let new = || places.iter().filter(|place| place.known == Known::No).map(|p| p.position);
        if let (Some(first), Some(last)) = (new().min(), new().max()) {
            self.batches.insert(first, (last, call));
        }
    }

    fn appended(
        &self,
        call: &Call,
        batch: &AppendBatch,
        places: &[StoredAt],
    ) -> Result<(), Box<Violation>> {
        for place in places {
            let stored = self.places.get(&place.event_id);
            let is_there = stored.is_some_and(|stored| {
                (stored.position, stored.stream, stored.version)
                    == (place.position, place.stream, place.version)
            });
            if !is_there {
                let what = format!("event {} was said to be at {}", place.event_id, place.position);
                return broken(Violation::ACKNOWLEDGED, what, [call]);
            }
        }
        let new: Vec<&StoredAt> = places.iter().filter(|place| place.known == Known::No).collect();
        let Some(first) = new.iter().map(|place| place.position).min() else { return Ok(()) };
        // Nobody who was answered before this began may stand behind it.
        let earlier = self.batches.range(first..).find(|(_, (_, other))| other.ended < call.begun);
        if let Some((position, (_, other))) = earlier {
            let what = format!("{position} was acknowledged before the batch at {first} began");
            return broken(Violation::REAL_TIME, what, [*other, call]);
        }
        self.expectations(call, batch, &new, first)
    }

    fn expectations(
        &self,
        call: &Call,
        batch: &AppendBatch,
        new: &[&StoredAt],
        first: Position,
    ) -> Result<(), Box<Violation>> {
        let before = |stream: StreamId| {
            let events = self.streams.get(&stream).into_iter().flatten();
            events.take_while(|event| event.position < first).map(|event| event.version).last()
        };
        let writes = batch.writes().iter().filter(|write| {
            let is_new =
                |place: &&StoredAt| write.events.iter().any(|e| e.event_id == place.event_id);
            write.events.is_empty() || new.iter().any(is_new)
        });
        let expects = writes.map(|write| (write.stream, write.expected));
        for (stream, expected) in expects.chain(batch.requires().iter().copied()) {
            let last = before(stream);
            if !expected.holds(last) {
                let what = format!("{expected:?} of {stream}, whose last version was {last:?}");
                return broken(Violation::EXPECTED, what, [call]);
            }
        }
        Ok(())
    }

    fn conflict(&self, call: &Call, streams: &[Mismatch]) -> Result<(), Box<Violation>> {
        for mismatch in streams {
            let (least, most) = self.possible(mismatch.stream, call);
            let count = mismatch.actual.map_or(0, |last| last.get() + 1);
            if mismatch.expected.holds(mismatch.actual) || count < least || count > most {
                let what = format!("{mismatch:?}, when the stream had {least} to {most} events");
                return broken(Violation::CONFLICT, what, [call]);
            }
        }
        Ok(())
    }

    /// How many events a stream had at least and at most, at some moment of a call.
    fn possible(&self, stream: StreamId, call: &Call) -> (u64, u64) {
        let events = self.streams.get(&stream).map_or(&[][..], Vec::as_slice);
        let acknowledged = |event: &&Envelope| {
            self.acknowledged.get(&event.event.event_id).is_some_and(|at| *at < call.begun)
        };
        let begun = |event: &&Envelope| {
            self.begun.get(&event.event.event_id).is_none_or(|at| *at < call.ended)
        };
        let least = events.iter().rposition(acknowledged).map_or(0, |last| last + 1);
        let most = events.iter().take_while(|event| begun(event)).count();
        (least as u64, most as u64)
    }

    fn stream(
        &self,
        call: &Call,
        stream: StreamId,
        from: Version,
        events: &[(Version, EventId)],
        last: Option<Version>,
    ) -> Result<(), Box<Violation>> {
        let (least, most) = self.possible(stream, call);
        let count = last.map_or(0, |last| last.get() + 1);
        if count < least || count > most {
            let what = format!("{count} events of {stream}, when it had {least} to {most}");
            return broken(Violation::PREFIX, what, [call]);
        }
        let stored = self.streams.get(&stream).into_iter().flatten();
        let stored = stored
            .skip(usize::try_from(from.get()).unwrap_or(usize::MAX))
            .map(|e| (e.version, e.event.event_id));
        if !events.iter().copied().eq(stored.take(events.len())) || events.len() as u64 > count {
            let what = format!("other events of {stream} than are there in the end");
            return broken(Violation::PREFIX, what, [call]);
        }
        Ok(())
    }

    fn page(
        &self,
        call: &Call,
        after: Position,
        events: &[(Position, EventId)],
        scanned_to: Position,
    ) -> Result<(), Box<Violation>> {
        let within = self.log.iter().filter(|e| e.position > after && e.position <= scanned_to);
        let within: Vec<_> = within.map(|e| (e.position, e.event.event_id)).collect();
        if let Some(missed) = within.iter().find(|event| !events.contains(event)) {
            let what = format!("{} was not there when {scanned_to} was passed", missed.0);
            return broken(Violation::PASSED, what, [call]);
        }
        if within != events {
            let what = "other events, or in another order, than are there in the end".into();
            return broken(Violation::PREFIX, what, [call]);
        }
        Ok(())
    }

    /// What a reader that sees a head sees of all that others have done.
    fn sees(&self, call: &Call, head: Position) -> Result<(), Box<Violation>> {
        let missed =
            self.batches.values().find(|(last, other)| *last > head && other.ended < call.begun);
        if let Some((last, other)) = missed {
            let what = format!("the head {head}, after {last} was acknowledged");
            return broken(Violation::PREFIX, what, [*other, call]);
        }
        let early = self.log.iter().take_while(|event| event.position <= head).find(|event| {
            self.begun.get(&event.event.event_id).is_some_and(|begun| *begun > call.ended)
        });
        if let Some(early) = early {
            let what = format!("the head {head}, before {} had begun", early.position);
            return broken(Violation::PREFIX, what, [call]);
        }
        let part = self.batches.range(..=head).find(|(_, (last, _))| *last > head);
        if let Some((first, (last, other))) = part {
            let what = format!("the head {head}, within the batch from {first} to {last}");
            return broken(Violation::WHOLE, what, [*other, call]);
        }
        Ok(())
    }
}

/// A call that began after another was answered sees no less.
fn grows(calls: &[Call]) -> Result<(), Box<Violation>> {
    let mut seen: Vec<(&Call, Position)> = Vec::new();
    let mut by_end: Vec<&Call> = calls.iter().collect();
    by_end.sort_by_key(|call| call.ended);
    for call in by_end {
        let head = match &call.what {
            What::Log { head, .. } => *head,
            What::Head { position } | What::Changed { to: position, .. } => *position,
            _ => continue,
        };
        let more = seen.iter().rev().find(|(other, _)| other.ended < call.begun);
        if let Some((other, before)) = more.filter(|(_, before)| *before > head) {
            let what = format!("the head {head}, after {before} was seen");
            return broken(Violation::GROWING, what, [*other, call]);
        }
        let most = seen.last().map_or(head, |(_, most)| head.max(*most));
        // The greatest head of all that were answered by now stands with the last of them.
        seen.push((call, most));
    }
    Ok(())
}

fn broken<'a, T>(
    rule: &'static str,
    what: String,
    calls: impl IntoIterator<Item = &'a Call>,
) -> Result<T, Box<Violation>> {
    Err(Box::new(Violation { rule, what, calls: calls.into_iter().cloned().collect() }))
}

#[cfg(test)]
mod tests;
