//! What every store of projection states promises: any run of commands gives the answers of the reference.

use bytes::Bytes;
use mailtrail_core::Position;
use mailtrail_core::projection::{Checkpoint, Entry, StateError, StateId, StateStore};
use mailtrail_memory::MemoryStates;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

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

/// Runs random commands on a store of states and on the reference, and compares every answer.
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
        for command in &commands {
            prop_assert_eq!(run(&store, command), run(&reference, command), "{:?}", command);
            prop_assert_eq!(all(&store), all(&reference), "after {:?}", command);
        }
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
}
