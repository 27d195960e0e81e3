//! What a store makes of a folder that a power cut left: in a process of its own, which says it by its exit code.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

use futures_executor::block_on;
use mailtrail_core::audit::ChainCheck;
use mailtrail_core::store::{EventStoreExt, Filter, OpenError, Outcome};
use mailtrail_core::{Envelope, EventStore, NewEvent, Position, StreamId, Version};

use super::work::{ERASED, batches, fact};
use crate::crash::child::{Parent, Said};
use crate::crash::watched::{Ending, watched};
use crate::crash::{event, number};

/// What is wrong with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Class {
    /// The store does not open.
    Refused,
    /// An event that was acknowledged or observed is not there, or a private part that was erased is.
    Lost,
    /// Something is there that was never appended, or the store contradicts itself.
    Wrong,
    /// It could not be used afterwards.
    Unusable,
    /// The process ended.
    Ended,
    /// It took too long.
    Hung,
}

/// What is wrong, and how it was seen.
#[derive(Debug, Clone)]
pub(super) struct Broken {
    pub(super) class: Class,
    pub(super) how: String,
}

/// What is wrong, without its numbers.
pub(super) type Kind = (Class, String);

const WHOLE: i32 = 90;
const CLASSES: [(i32, Class); 4] =
    [(91, Class::Refused), (92, Class::Lost), (93, Class::Wrong), (94, Class::Unusable)];

/// Has a process look at a folder, of which these words were said.
pub(super) fn looked(parent: &Parent, folder: &Path, words: &[Said]) -> Result<(), Broken> {
    let broken = |class, how: String| Err(Broken { class, how });
    match watched(parent.surveys(folder, words)) {
        Ending::Exit(WHOLE, _) => Ok(()),
        Ending::Exit(code, said) => match CLASSES.iter().find(|(of, _)| *of == code) {
            Some((_, class)) => broken(*class, said.lines().last().unwrap_or_default().to_owned()),
            None => broken(Class::Ended, format!("exit code {code}: {said}")),
        },
        Ending::Killed(how) => broken(Class::Ended, how),
        Ending::Hung => broken(Class::Hung, String::new()),
    }
}

/// What a process says by its exit code.
#[expect(clippy::print_stderr, reason = "the parent reads it")]
pub(super) fn exit_code(surveyed: Result<(), Broken>) -> i32 {
    let Err(broken) = surveyed else { return WHOLE };
    eprintln!("{}", broken.how);
    let code = CLASSES.iter().find(|(_, class)| *class == broken.class);
    code.map_or(1, |(code, _)| *code)
}

/// Opens a folder, asks for everything, appends, and opens it again.
pub(in crate::crash) fn survey<S: EventStore>(
    open: &impl Fn(&Path) -> Result<S, OpenError>,
    folder: &Path,
    words: &[Said],
) -> i32 {
    exit_code(surveyed(open, folder, words))
}

fn surveyed<S: EventStore>(
    open: &impl Fn(&Path) -> Result<S, OpenError>,
    folder: &Path,
    words: &[Said],
) -> Result<(), Broken> {
    let opened = |class| open(folder).map_err(|error| Broken::of(class, &"it is opened", error));
    let before = {
        let store = opened(Class::Refused)?;
        let log = block_on(whole(&store, Class::Wrong))?;
        promised(&log, words)?;
        block_on(known(&store, &log))?;
        block_on(store.record(AFTER.map(event).collect()))
            .map_err(|error| Broken::of(Class::Unusable, &"an append", error))?;
        log
    };
    let log = block_on(whole(&opened(Class::Unusable)?, Class::Unusable))?;
    let same = log.len() == before.len() + AFTER.count() && log.starts_with(&before);
    same.then_some(())
        .ok_or_else(|| Broken::because(Class::Unusable, "it is another log when opened again"))
}

/// Events that are appended after the cut.
const AFTER: std::ops::Range<u64> = 1_000_000..1_000_003;

impl Broken {
    /// What it is without its numbers, so that what is broken in the same way is told once.
    pub(super) fn kind(&self) -> Kind {
        (self.class, self.how.chars().filter(|letter| !letter.is_ascii_digit()).collect())
    }

    pub(super) fn because(class: Class, how: impl Into<String>) -> Self {
        Self { class, how: how.into() }
    }

    pub(super) fn of(
        class: Class,
        what: &dyn std::fmt::Display,
        error: impl std::error::Error,
    ) -> Self {
        let mut how = format!("{what}: {error}");
        let mut cause = error.source();
        while let Some(error) = cause {
            how = format!("{how}: {error}");
            cause = error.source();
        }
        Self { class, how }
    }
}

/// The log, when it agrees with itself: each event is the one that was appended, the chain holds, and streams and batches
/// are whole.
async fn whole(store: &dyn EventStore, class: Class) -> Result<Vec<Envelope>, Broken> {
    let unread = |error| Broken::of(class, &"a read", error);
    let (mut log, mut next) = (Vec::new(), Some(Position::START));
    while let Some(after) = next {
        let page = store.read_all(&Filter::all(), after, 10_000).await.map_err(unread)?;
        log.extend(page.events);
        next = page.next;
    }
    let mut check = ChainCheck::default();
    let mut streams: BTreeMap<StreamId, Vec<&Envelope>> = BTreeMap::new();
    for envelope in &log {
        check.record(envelope).map_err(|error| Broken::of(class, &"the chain", error))?;
        appended(envelope).map_err(|how| Broken::because(class, how))?;
        streams.entry(envelope.stream).or_default().push(envelope);
    }
    if store.head().await.map_err(unread)? != check.head() {
        return Err(Broken::because(class, "the head is not that of the log"));
    }
    for (stream, expected) in streams {
        let read = store.stream(stream).await.map_err(unread)?;
        let counted =
            read.iter().zip(0..).all(|(event, version)| event.version == Version::new(version));
        if !counted || !read.iter().eq(expected) {
            return Err(Broken::because(class, format!("{stream} is not what the log says")));
        }
    }
    let there: HashSet<u64> = numbers(&log).collect();
    for batch in batches() {
        let count = batch.clone().filter(|number| there.contains(number)).count();
        if count != 0 && count != batch.clone().count() {
            return Err(Broken::because(
                class,
                format!("of the batch {batch:?} there are {count}"),
            ));
        }
    }
    Ok(log)
}

/// Whether an event is the one of its number.
fn appended(envelope: &Envelope) -> Result<(), String> {
    let number = number(envelope.event.event_id).ok_or("an event of nobody")?;
    let (stream, mut expected): (StreamId, NewEvent) =
        if AFTER.contains(&number) { event(number) } else { fact(number) };
    if envelope.is_erased() && ERASED.contains(&number) {
        expected.private = None;
    }
    let same = envelope.stream == stream && envelope.event == expected;
    same.then_some(()).ok_or_else(|| format!("event {number} is not the one that was appended"))
}

fn numbers(log: &[Envelope]) -> impl Iterator<Item = u64> {
    log.iter().filter_map(|envelope| number(envelope.event.event_id))
}

/// Whether all is there, once, that somebody was told of.
fn promised(log: &[Envelope], words: &[Said]) -> Result<(), Broken> {
    let mut there: HashMap<u64, &Envelope> = HashMap::new();
    for (number, envelope) in numbers(log).zip(log) {
        if there.insert(number, envelope).is_some() {
            return Err(Broken::because(Class::Wrong, format!("event {number} is there twice")));
        }
    }
    for said in words {
        let how = match (said, there.get(&said.number())) {
            (Said::Erased(number), Some(envelope)) if !envelope.is_erased() => {
                format!("the private part of event {number} is there, and was erased")
            }
            (_, Some(_)) => continue,
            (said, None) => format!("{said} is not there; {} events are", log.len()),
        };
        return Err(Broken::because(Class::Lost, how));
    }
    Ok(())
}

/// Whether the ids of what is there are known.
async fn known(store: &dyn EventStore, log: &[Envelope]) -> Result<(), Broken> {
    for numbers in numbers(log).collect::<Vec<_>>().chunks(20) {
        let facts = numbers.iter().copied().map(fact).collect();
        let appended = store.record(facts).await;
        let appended = appended.map_err(|error| Broken::of(Class::Wrong, &"the ids", error))?;
        if appended.outcome != Outcome::AlreadyStored {
            return Err(Broken::because(Class::Wrong, format!("an id is not known: {numbers:?}")));
        }
    }
    Ok(())
}
