//! What a store makes of a folder that a power cut left: in a process of its own, which says it by its exit code.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::error::Error;
use std::path::Path;

use futures_executor::block_on;
use mailtrail_core::audit::ChainCheck;
use mailtrail_core::store::{AppendError, EventStoreExt, Filter, OpenError, Outcome, ReadError};
use mailtrail_core::{Envelope, EventStore, NewEvent, Position, StreamId, Version};

use super::work::{ERASED, batches, fact};
use crate::crash::child::{Parent, Said};
use crate::crash::watched::{Ending, watched};
use crate::crash::{event, number};

/// What is wrong with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Class {
    /// It says that it is damaged.
    Damaged,
    /// An event that was acknowledged or observed is not there, or a private part that was erased is.
    Lost,
    /// Something is there that was never appended, or the store contradicts itself.
    Wrong,
    /// It answers with another error: it can't be used.
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
    [(91, Class::Damaged), (92, Class::Lost), (93, Class::Wrong), (94, Class::Unusable)];

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
    let opened = || open(folder).map_err(|error| Broken::of("it is opened", error));
    let before = {
        let store = opened()?;
        let log = block_on(whole(&store))?;
        promised(&log, words)?;
        block_on(known(&store, &log))?;
        block_on(store.record(AFTER.map(event).collect()))
            .map_err(|error| Broken::of("an append", error))?;
        log
    };
    let log = block_on(whole(&opened()?))?;
    let same = log.len() == before.len() + AFTER.count() && log.starts_with(&before);
    same.then_some(())
        .ok_or_else(|| Broken::because(Class::Wrong, "it is another log when opened again"))
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

    /// By an error of what was asked for.
    pub(super) fn of(what: &str, error: impl Error + 'static) -> Self {
        let class = if says_damage(&error) { Class::Damaged } else { Class::Unusable };
        let mut how = format!("{what}: {error}");
        let mut cause = error.source();
        while let Some(error) = cause {
            how = format!("{how}: {error}");
            cause = error.source();
        }
        Self { class, how }
    }
}

fn says_damage(error: &(dyn Error + 'static)) -> bool {
    let opening = error.downcast_ref::<OpenError>();
    opening.is_some_and(|error| matches!(error, OpenError::Corrupt { .. } | OpenError::Cut { .. }))
        || matches!(error.downcast_ref::<ReadError>(), Some(ReadError::Corrupt { .. }))
        || matches!(error.downcast_ref::<AppendError>(), Some(AppendError::Corrupt { .. }))
}

/// The log, when it agrees with itself: each event is the one that was appended, the chain holds, and streams and batches
/// are whole.
async fn whole(store: &dyn EventStore) -> Result<Vec<Envelope>, Broken> {
    let unread = |error| Broken::of("a read", error);
    let (mut log, mut next) = (Vec::new(), Some(Position::START));
    while let Some(after) = next {
        let page = store.read_all(&Filter::all(), after, 10_000).await.map_err(unread)?;
        log.extend(page.events);
        next = page.next;
    }
    let mut check = ChainCheck::default();
    let mut streams: BTreeMap<StreamId, Vec<&Envelope>> = BTreeMap::new();
    for envelope in &log {
        let altered = |error| Broken::because(Class::Wrong, format!("the chain: {error}"));
        check.record(envelope).map_err(altered)?;
        appended(envelope).map_err(|how| Broken::because(Class::Wrong, how))?;
        streams.entry(envelope.stream).or_default().push(envelope);
    }
    if store.head().await.map_err(unread)? != check.head() {
        return Err(Broken::because(Class::Wrong, "the head is not that of the log"));
    }
    for (stream, expected) in streams {
        let read = store.stream(stream).await.map_err(unread)?;
        let counted =
            read.iter().zip(0..).all(|(event, version)| event.version == Version::new(version));
        if !counted || !read.iter().eq(expected) {
            return Err(Broken::because(
                Class::Wrong,
                format!("{stream} is not what the log says"),
            ));
        }
    }
    let there: HashSet<u64> = numbers(&log).collect();
    for batch in batches() {
        let count = batch.clone().filter(|number| there.contains(number)).count();
        if count != 0 && count != batch.clone().count() {
            return Err(Broken::because(
                Class::Wrong,
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
        let appended = appended.map_err(|error| Broken::of("the ids", error))?;
        if appended.outcome != Outcome::AlreadyStored {
            return Err(Broken::because(Class::Wrong, format!("an id is not known: {numbers:?}")));
        }
    }
    Ok(())
}
