//! A day of mixed load in short, with a kill −9 every few seconds.

use std::fs;
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use futures_executor::block_on;
use mailtrail_core::id::Category;
use mailtrail_core::store::{EventStoreExt, Filter, OpenError};
use mailtrail_core::{EventStore, Position, Version};

use super::child::{Parent, Process, Said, say_each};
use super::found::Found;
use super::places::Places;
use super::{event, number, soaks};

/// A day of mixed load: single events, batches, retries, erasures and readers, more of the one or the other in each of its hours. Its
/// process is killed again and again. What it had acknowledged, what any reader in it had seen, and what it had erased stays so.
///
/// In the long form (`MAILTRAIL_SOAK`) an hour lasts 40 seconds, and is killed every one to five. It prints what the day took.
///
/// # Panics
/// If it does not stay so.
#[expect(clippy::panic, clippy::expect_used, clippy::print_stdout, reason = "a test")]
pub fn a_day_of_mixed_load_survives_kill_9<S: EventStore>(
    parent: &Parent,
    open: impl Fn(&Path) -> Result<S, OpenError>,
) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("store");
    let mut places = Places::of_this_run();
    println!("{}", places.said());
    let (mut heard, begun, mut kills) = (Heard::default(), Instant::now(), 0_u32);
    for hour in 0..24 {
        let since = Instant::now();
        while since.elapsed() < HOUR {
            let (least, more) = if soaks() { (1_000, 4_000) } else { (30, 90) };
            let lives = Duration::from_millis(least + below(&mut places, more));
            let process = parent.lives(&path, heard.next(), hour, places.next());
            heard.until_killed(process, lives);
            kills += 1;
            if !soaks() {
                break;
            }
        }
    }
    let took = begun.elapsed();
    let store = open(&path).unwrap_or_else(|error| panic!("the folder does not open: {error}"));
    let found = Found::of(&store);
    heard.said.iter().for_each(|number| found.assert_once(*number, "a kill −9"));
    heard.erased.iter().for_each(|number| found.assert_erased(*number));
    let (events, bytes) = (found.events(), bytes_in(&path));
    let (erased, resident) = (heard.erased.len(), heard.resident >> 20);
    println!(
        "a day: {events} events in {took:?}, {kills} kills, {erased} erased; at most {resident} MiB resident; {} bytes an event on disk",
        bytes / events.max(1)
    );
    assert!(events > 240, "{events}: something was recorded each hour");
}

/// What the processes of the day have said.
#[derive(Default)]
struct Heard {
    said: Vec<u64>,
    erased: Vec<u64>,
    last: u64,
    /// The most that one of them had in memory.
    resident: u64,
}

impl Heard {
    /// A number that nobody has used: what a killed process had begun and not said lies below it.
    fn next(&self) -> u64 {
        self.last + AHEAD
    }

    fn hear(&mut self, said: Said) {
        self.last = self.last.max(said.number());
        match said {
            Said::Erased(number) => self.erased.push(number),
            said => self.said.push(said.number()),
        }
    }

    /// Hears a process until its time has come.
    #[expect(clippy::panic, reason = "a test")]
    fn until_killed(&mut self, mut process: Process, lives: Duration) {
        let since = Instant::now();
        while since.elapsed() < lives {
            let Some(said) = process.next_word() else {
                panic!("a process of the day has ended by itself");
            };
            self.hear(said);
        }
        self.resident = self.resident.max(process.peak_bytes());
        process.kill();
        while let Some(said) = process.next_word() {
            self.hear(said);
        }
    }
}

/// The process: opens the store, and does what the hour asks for until it is killed.
#[expect(clippy::panic, reason = "a test, whose exit the parent notices")]
pub(super) fn live<S: EventStore + 'static>(
    open: impl Fn(&Path) -> Result<S, OpenError>,
    folder: &Path,
    from: u64,
    hour: usize,
    seed: u64,
) {
    let store = open(folder).unwrap_or_else(|error| panic!("the folder does not open: {error}"));
    let day = Day { store: &store, next: AtomicU64::new(from) };
    thread::scope(|scope| {
        scope.spawn(|| day.observe());
        scope.spawn(|| day.look_around(Places::seeded(seed)));
        for writer in 0..WRITERS {
            let places = Places::seeded(seed.wrapping_add(writer));
            scope.spawn(|| day.write(places, hour));
        }
    });
}

/// What the threads of a process share.
struct Day<'a> {
    store: &'a dyn EventStore,
    /// The next number that nobody has taken.
    next: AtomicU64,
}

impl Day<'_> {
    fn write(&self, mut places: Places, hour: usize) {
        let mut last = 0..0;
        loop {
            match HOURS[hour % HOURS.len()].draw(&mut places) {
                Task::Single => last = self.record(self.take(1)),
                Task::Batch => last = self.record(self.take(2 + below(&mut places, 200))),
                Task::Retry => last = self.record(last),
                Task::Erase => self.erase(&mut places, last.clone()),
                Task::Rest => thread::sleep(Duration::from_millis(below(&mut places, 10))),
            }
        }
    }

    fn take(&self, count: u64) -> Range<u64> {
        let first = self.next.fetch_add(count, Ordering::Relaxed);
        first..first + count
    }

    #[expect(clippy::panic, reason = "a test, whose exit the parent notices")]
    fn record(&self, numbers: Range<u64>) -> Range<u64> {
        if let Err(error) = block_on(self.store.record(numbers.clone().map(event).collect())) {
            panic!("the events {numbers:?} could not be recorded: {error}");
        }
        say_each("acknowledged", numbers.clone());
        numbers
    }

    /// One of a batch that was acknowledged.
    #[expect(clippy::panic, reason = "a test, whose exit the parent notices")]
    fn erase(&self, places: &mut Places, of: Range<u64>) {
        if of.is_empty() || !self.store.capabilities().redacts {
            return;
        }
        let number = of.start + below(places, of.end - of.start);
        if let Err(error) = block_on(self.store.redact(&[event(number).1.event_id])) {
            panic!("event {number} could not be erased: {error}");
        }
        say_each("erased", [number]);
    }

    /// Says what a reader sees that follows the log.
    #[expect(clippy::panic, reason = "a test, whose exit the parent notices")]
    fn observe(&self) {
        let followed = async {
            let mut at = self.store.head().await?.position;
            loop {
                let page = self.store.read_all(&Filter::all(), at, 100).await?;
                let seen = page.events.iter().filter_map(|event| number(event.event.event_id));
                seen.for_each(|number| say_each("observed", [number]));
                at = page.scanned_to;
                if page.next.is_none() {
                    self.store.changed(at).await?;
                }
            }
        };
        let ended: Result<(), mailtrail_core::store::ReadError> = block_on(followed);
        panic!("the log could not be followed: {ended:?}");
    }

    /// Reads streams and parts of the log, as reports do.
    #[expect(clippy::panic, clippy::expect_used, reason = "a test, whose exit the parent notices")]
    fn look_around(&self, mut places: Places) {
        let deliveries = Filter::all().category(Category::DELIVERY);
        loop {
            let stream = event(below(&mut places, 7)).0;
            let page = block_on(self.store.read_stream(stream, Version::FIRST, 100));
            let page = page.unwrap_or_else(|error| panic!("a stream could not be read: {error}"));
            for (version, envelope) in page.events.iter().enumerate() {
                assert_eq!((envelope.stream, envelope.version.get()), (stream, version as u64));
            }
            let head = block_on(self.store.head()).expect("there is a head").position.get();
            let after = Position::new(below(&mut places, head));
            let page = block_on(self.store.read_all(&deliveries, after, 100));
            let page = page.unwrap_or_else(|error| panic!("the log could not be read: {error}"));
            assert!(page.events.iter().all(|envelope| envelope.position > after));
            thread::sleep(Duration::from_millis(2));
        }
    }
}

/// What a writer does next.
#[derive(Debug, Clone, Copy)]
enum Task {
    Single,
    Batch,
    Retry,
    Erase,
    Rest,
}

/// How often of a hundred each is drawn; what is left is rest.
struct Hour([(Task, usize); 4]);

impl Hour {
    fn draw(&self, places: &mut Places) -> Task {
        let mut drawn = places.below(100);
        for (task, share) in self.0 {
            match drawn.checked_sub(share) {
                None => return task,
                Some(rest) => drawn = rest,
            }
        }
        Task::Rest
    }
}

/// A night of feedback, a broadcast, providers that repeat themselves, a quiet hour in which people are erased.
const HOURS: [Hour; 4] = {
    use Task::{Batch, Erase, Retry, Single};
    [
        Hour([(Single, 70), (Batch, 2), (Retry, 8), (Erase, 0)]),
        Hour([(Single, 30), (Batch, 60), (Retry, 5), (Erase, 0)]),
        Hour([(Single, 40), (Batch, 10), (Retry, 45), (Erase, 0)]),
        Hour([(Single, 50), (Batch, 5), (Retry, 5), (Erase, 3)]),
    ]
};

fn below(places: &mut Places, end: u64) -> u64 {
    places.next() % end.max(1)
}

fn bytes_in(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let bytes = |entry: fs::DirEntry| match entry.metadata() {
        Ok(data) if data.is_dir() => bytes_in(&entry.path()),
        Ok(data) => data.len(),
        Err(_) => 0,
    };
    entries.map(bytes).sum()
}

const HOUR: Duration = Duration::from_secs(40);
const WRITERS: u64 = 4;
/// More than all writers have begun at any time.
const AHEAD: u64 = 10_000;
