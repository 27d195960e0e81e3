//! What every store of projection states promises: any run of commands gives the answers of the reference.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::thread;

use bytes::Bytes;
use mailtrail_core::Position;
use mailtrail_core::projection::{
    Checkpoint, Entry, Pages, StateError, StateId, StateSnapshot, StateStore,
};
use mailtrail_memory::MemoryStates;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};

/// A command, with everything it needs.
#[derive(Debug, Clone)]
enum Command {
    /// The checkpoint that it builds upon is the present one, or a made-up one.
    Save {
        state: u8,
        upon_present: bool,
        entries: Vec<(Vec<u8>, Vec<u8>)>,
        to: u64,
    },
    Discard {
        state: u8,
    },
    DiscardAll,
    Scan {
        state: u8,
        prefix: Vec<u8>,
        limit: usize,
    },
}

fn key() -> impl Strategy<Value = Vec<u8>> {
    vec(prop_oneof![Just(0_u8), Just(b'a'), Just(b'b'), Just(0xff)], 0..4)
}

fn command() -> impl Strategy<Value = Command> {
    let save = (0_u8..3, prop::bool::weighted(0.9), vec((key(), key()), 0..6), 0_u64..1_000);
    prop_oneof![
        8 => save.prop_map(|(state, upon_present, entries, to)| Command::Save { state, upon_present, entries, to }),
        1 => (0_u8..3).prop_map(|state| Command::Discard { state }),
        1 => Just(Command::DiscardAll),
        4 => (0_u8..3, key(), 1_usize..4).prop_map(|(state, prefix, limit)| Command::Scan { state, prefix, limit }),
    ]
}

/// Names of which one is the beginning of another, and two revisions of one.
fn id(number: u8) -> StateId {
    match number {
        0 => StateId::new("log", 1),
        1 => StateId::new("log", 2),
        _ => StateId::new("log_book", 1),
    }
}

fn saved(store: &dyn StateStore, command: &Command) -> String {
    let Command::Save { state, upon_present, entries, to } = command else { return String::new() };
    let present = store.checkpoint(&id(*state));
    let from = if *upon_present {
        present.ok().flatten()
    } else {
        Some(Checkpoint::at(Position::new(u64::MAX)))
    };
    let entry = |(key, value): &(Vec<u8>, Vec<u8>)| Entry {
        key: Bytes::from(key.clone()),
        value: Bytes::from(value.clone()),
    };
    let mut to = Checkpoint::at(Position::new(*to));
    to.building = (to.position.get().is_multiple_of(7)).then_some(3);
    let entries = entries.iter().map(entry).collect();
    answer(store.save(&id(*state), from.as_ref(), entries, &to))
}

fn scanned(store: &dyn StateStore, state: u8, prefix: &[u8], limit: usize) -> String {
    let (mut found, mut after): (Vec<Entry>, Option<Bytes>) = (Vec::new(), None);
    loop {
        match store.scan(&id(state), prefix, after.as_deref(), limit) {
            Err(error) => return format!("{error:?}"),
            Ok(page) => {
                let Some(last) = page.last() else { return format!("{found:?}") };
                after = Some(last.key.clone());
                if page.len() > limit {
                    return format!("a page of {}, where {limit} were asked for", page.len());
                }
                found.extend(page);
            }
        }
    }
}

fn answer(done: Result<(), StateError>) -> String {
    match done {
        Ok(()) => "done".into(),
        Err(StateError::Moved) => "moved".into(),
        Err(error) => format!("{error:?}"),
    }
}

fn run(store: &dyn StateStore, command: &Command) -> String {
    match command {
        Command::Save { .. } => saved(store, command),
        Command::Discard { state } => answer(store.discard(&id(*state))),
        Command::DiscardAll => answer(store.discard_all()),
        Command::Scan { state, prefix, limit } => scanned(store, *state, prefix, *limit),
    }
}

/// Everything that can be asked.
fn all(store: &dyn StateStore) -> String {
    let of = |state: u8| {
        let whole = scanned(store, state, &[], 3);
        let gets = [&b"a"[..], &b"ab"[..], &b""[..], &[0], &[0xff]];
        let gets = gets.map(|key| format!("{:?}", store.get(&id(state), key)));
        format!("{:?} {whole} {gets:?}", store.checkpoint(&id(state)))
    };
    format!("{:?} {:?}", store.states(), [of(0), of(1), of(2)])
}

/// A snapshot of a state, what it has to answer, and whether the state was discarded since.
struct Taken {
    state: u8,
    snapshot: Option<Arc<dyn StateSnapshot>>,
    answers: String,
    discarded: bool,
}

impl Taken {
    fn of(store: &dyn StateStore, state: u8) -> Result<Self, StateError> {
        let snapshot = store.snapshot(&id(state))?;
        let answers = format!("{:?} {}", store.checkpoint(&id(state))?, whole(store, state));
        Ok(Self { state, snapshot, answers, discarded: false })
    }

    fn after(&mut self, command: &Command) {
        self.discarded |= match command {
            Command::Discard { state } => *state == self.state,
            Command::DiscardAll => true,
            Command::Save { .. } | Command::Scan { .. } => false,
        };
    }

    /// What it answers now, if that is something else.
    fn other(&self) -> Option<String> {
        let Some(snapshot) = &self.snapshot else {
            return self.answers.starts_with("Some").then(|| "no snapshot".into());
        };
        let (mut found, mut after) = (Vec::new(), None::<Bytes>);
        let read = loop {
            match snapshot.scan(&[], after.as_deref(), 2) {
                Err(StateError::Moved) if self.discarded => return None,
                Err(error) => break format!("{error:?}"),
                Ok(page) => match page.last() {
                    None => break format!("{found:?}"),
                    Some(last) => {
                        after = Some(last.key.clone());
                        found.extend(page);
                    }
                },
            }
        };
        let single = |entry: &Entry| snapshot.get(&entry.key).ok().flatten();
        let gets = found.iter().all(|entry| single(entry).as_ref() == Some(&entry.value));
        let answers = format!("{:?} {read}", Some(snapshot.checkpoint()));
        (answers != self.answers || !gets).then_some(answers)
    }
}

fn whole(store: &dyn StateStore, state: u8) -> String {
    scanned(store, state, &[], 3)
}

/// Runs random commands on a store of states and on the reference, and compares every answer; also that of snapshots
/// which are older than the commands.
///
/// ```
/// mailtrail_testkit::states::they_answer_as_the_reference(mailtrail_memory::MemoryStates::default);
/// ```
///
/// # Panics
/// With the shrunk commands, if an answer differs.
#[expect(clippy::panic, reason = "a test")]
pub fn they_answer_as_the_reference<S: StateStore>(factory: impl Fn() -> S) {
    let config = Config { cases: 64, failure_persistence: None, ..Config::default() };
    let result = TestRunner::new(config).run(&vec(command(), 1..30), |commands| {
        let (store, reference) = (factory(), MemoryStates::default());
        let mut taken = Vec::new();
        for command in &commands {
            let now = (0..3).map(|state| Taken::of(&store, state)).collect::<Result<Vec<_>, _>>();
            taken.extend(now.map_err(|error| TestCaseError::fail(error.to_string()))?);
            prop_assert_eq!(run(&store, command), run(&reference, command), "{:?}", command);
            prop_assert_eq!(all(&store), all(&reference), "after {:?}", command);
            for taken in &mut taken {
                taken.after(command);
                prop_assert_eq!(taken.other(), None, "{} after {:?}", taken.answers, command);
            }
        }
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
}

/// Saves steps that change many entries to one number, while others read all of them from a snapshot: they are of one
/// number, that of the checkpoint.
///
/// ```
/// let states = mailtrail_memory::MemoryStates::default();
/// mailtrail_testkit::states::no_reader_sees_half_of_a_save(&states);
/// ```
///
/// # Panics
/// If one sees half of a save.
#[expect(clippy::expect_used, reason = "a test")]
pub fn no_reader_sees_half_of_a_save(states: &dyn StateStore) {
    let id = StateId::new("racing", 1);
    let step = |number: u64| {
        let entry = |key: u32| Entry {
            key: Bytes::copy_from_slice(&key.to_be_bytes()),
            value: number.to_string().into(),
        };
        let from = number.checked_sub(1).map(|before| Checkpoint::at(Position::new(before)));
        let to = Checkpoint::at(Position::new(number));
        let entries = (0..RACING_ENTRIES).map(entry).collect();
        states.save(&id, from.as_ref(), entries, &to).expect("nobody else saves");
    };
    step(0);
    let read = || {
        let snapshot = states.snapshot(&id).expect("it can be read").expect("it is kept");
        let number = snapshot.checkpoint().position.get().to_string();
        let (pages, mut read) = (Pages::of(Arc::clone(&snapshot)), 0);
        let each = |entry: Entry| {
            assert_eq!(entry.value, number, "entry {:?} of the state at {number}", entry.key);
            read += 1;
            // Whoever saves gets on meanwhile.
            thread::yield_now();
            assert_eq!(snapshot.get(&entry.key)?.as_deref(), Some(number.as_bytes()));
            Ok::<(), StateError>(())
        };
        pages.each(&[], each).expect("it can be read");
        assert_eq!(read, RACING_ENTRIES);
        number
    };
    let saved = thread::scope(|scope| {
        let reader = || (0..RACING_READS).map(|_| read()).collect::<BTreeSet<_>>();
        let readers: Vec<_> = (0..2).map(|_| scope.spawn(reader)).collect();
        let mut saved = 0_u64;
        while readers.iter().any(|reader| !reader.is_finished()) {
            saved += 1;
            step(saved);
        }
        for reader in readers {
            reader.join().expect("no reader saw halves");
        }
        saved
    });
    assert!(saved > 1, "it was saved while they read: {saved}");
}

const RACING_ENTRIES: u32 = 50;
const RACING_READS: u32 = 20;
