//! Kept states on disk: as the reference, also after reopening; what is damaged is Corrupt, or nothing.

use std::fs;
use std::ops::Deref;
use std::path::{Path, PathBuf};

use mailtrail_core::Position;
use mailtrail_core::projection::{
    Checkpoint, CheckpointStore, Entry, StateError, StateId, StateStore,
};
use mailtrail_fjall::{FjallCheckpoints, FjallStates};
use mailtrail_testkit::crash::Places;

/// States in a folder that goes away with them.
#[derive(Debug)]
struct Temporary(
    FjallStates,
    #[expect(dead_code, reason = "kept for as long as the states")] tempfile::TempDir,
);

impl Temporary {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self(FjallStates::open(folder.path().join("projections")).unwrap(), folder)
    }
}

impl Deref for Temporary {
    type Target = FjallStates;

    fn deref(&self) -> &FjallStates {
        &self.0
    }
}

#[test]
fn they_answer_as_the_reference() {
    // One folder for all runs: each begins with nothing in it.
    let kept = Temporary::new();
    mailtrail_testkit::states::they_answer_as_the_reference(|| {
        kept.discard_all().unwrap();
        &*kept
    });
}

fn fill(states: &FjallStates, id: &StateId) {
    let entry = |number: u32| Entry {
        key: number.to_be_bytes().to_vec().into(),
        value: format!("person {number} of a.example").into(),
    };
    states
        .save(id, None, (0..500).map(entry).collect(), &Checkpoint::at(Position::new(7)))
        .unwrap();
}

#[test]
fn a_state_is_there_after_reopening_and_gone_from_every_file_after_an_erasure() {
    let folder = tempfile::tempdir().unwrap();
    let (path, id) = (folder.path().join("projections"), StateId::new("log", 1));
    {
        let states = FjallStates::open(&path).unwrap();
        fill(&states, &id);
    }
    let states = FjallStates::open(&path).unwrap();
    assert_eq!(states.checkpoint(&id).unwrap(), Some(Checkpoint::at(Position::new(7))));
    assert_eq!(states.scan(&id, &[], None, 1_000).unwrap().len(), 500);
    assert!(holds(&path, b"person 77 of"), "it was written when the states were dropped");
    states.discard_all().unwrap();
    assert!(!holds(&path, b"person 77 of"), "no file holds it");
    assert_eq!(states.states().unwrap(), []);
    fill(&states, &id);
    assert_eq!(states.scan(&id, &[], None, 1_000).unwrap().len(), 500, "it goes on");
}

fn holds(folder: &Path, text: &[u8]) -> bool {
    fs::read_dir(folder).unwrap().map(Result::unwrap).any(|entry| {
        let path = entry.path();
        if path.is_dir() {
            return holds(&path, text);
        }
        fs::read(path).unwrap().windows(text.len()).any(|window| window == text)
    })
}

#[test]
fn no_reader_sees_half_of_a_save() {
    let folder = tempfile::tempdir().unwrap();
    let states = FjallStates::open(folder.path().join("projections")).unwrap();
    mailtrail_testkit::states::no_reader_sees_half_of_a_save(&states);
}

#[test]
fn a_snapshot_stays_what_it_is_however_much_is_overwritten_until_all_is_discarded() {
    let folder = tempfile::tempdir().unwrap();
    let states = FjallStates::open(folder.path().join("projections")).unwrap();
    let (id, large) = (StateId::new("log", 1), vec![b'x'; 1 << 20]);
    let mut kept = None;
    let mut save = |value: &[u8]| {
        for number in 0..80_u8 {
            let entry = Entry { key: vec![number].into(), value: value.to_vec().into() };
            let to = Checkpoint::at(Position::new(
                1 + kept.as_ref().map_or(0, |kept: &Checkpoint| kept.position.get()),
            ));
            states.save(&id, kept.as_ref(), vec![entry], &to).unwrap();
            kept = Some(to);
        }
    };
    save(&large);
    let snapshot = states.snapshot(&id).unwrap().unwrap();
    save(b"small");
    assert_eq!(snapshot.get(&[0]).unwrap().unwrap().len(), 1 << 20);
    assert_eq!(snapshot.scan(&[], None, 9).unwrap().len(), 9);
    states.discard_all().unwrap();
    assert!(matches!(snapshot.get(&[0]), Err(StateError::Moved)));
    assert!(matches!(snapshot.scan(&[], None, 9), Err(StateError::Moved)));
}

fn largest_in(folder: &Path) -> PathBuf {
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let files = files.map(|path| if path.is_dir() { largest_in(&path) } else { path });
    files.max_by_key(|path| fs::metadata(path).map_or(0, |of| of.len())).unwrap_or_default()
}

/// Whatever fjall makes of damaged files, nobody reads other values than were saved.
#[test]
fn a_flipped_byte_gives_no_other_value() {
    let folder = tempfile::tempdir().unwrap();
    let (path, id) = (folder.path().join("projections"), StateId::new("log", 1));
    fill(&FjallStates::open(&path).unwrap(), &id);
    let table = largest_in(&path);
    let whole = fs::read(&table).unwrap();
    assert!(whole.windows(13).any(|window| window == b"person 77 of "), "{table:?}");
    let (mut noticed, mut places) = (0, Places::of_this_run());
    for _ in 0..60 {
        let mut damaged = whole.clone();
        let flipped = places.flip(&mut damaged);
        fs::remove_dir_all(&path).unwrap();
        fill(&FjallStates::open(&path).unwrap(), &id);
        fs::write(&table, &damaged).unwrap();
        let Ok(states) = FjallStates::open(&path) else {
            noticed += 1;
            continue;
        };
        let whole_one = states.checkpoint(&id).is_ok_and(|kept| kept.is_some());
        for number in 0_u32..500 {
            match states.get(&id, &number.to_be_bytes()) {
                Ok(Some(value)) => {
                    assert_eq!(value, format!("person {number} of a.example"), "{flipped}");
                }
                // What is thrown away is built anew: its checkpoint is gone with it.
                Ok(None) => assert!(!whole_one, "{flipped}: entry {number} is missing"),
                Err(_) => noticed += 1,
            }
        }
        noticed += u32::from(!whole_one);
    }
    assert!(noticed > 0, "the damage was seen");
}

#[test]
fn a_place_in_the_log_is_kept_by_a_good_name_only() {
    let folder = tempfile::tempdir().unwrap();
    let checkpoints = FjallCheckpoints::open(folder.path().join("subscriptions")).unwrap();
    assert_eq!(checkpoints.load("crm").unwrap(), None);
    for position in [3, 5, 4] {
        checkpoints.save("crm", &Checkpoint::at(Position::new(position))).unwrap();
    }
    let again = FjallCheckpoints::open(folder.path().join("subscriptions")).unwrap();
    assert_eq!(again.load("crm").unwrap(), Some(Checkpoint::at(Position::new(4))));
    for name in ["", "../crm", "Crm", ".crm", "a/b", &"x".repeat(65)] {
        assert!(again.save(name, &Checkpoint::default()).is_err(), "{name}");
    }
    assert_eq!(fs::read_dir(folder.path().join("subscriptions")).unwrap().count(), 1);
    fs::write(folder.path().join("subscriptions/crm"), "{").unwrap();
    assert!(again.load("crm").is_err(), "a damaged one is no new one");
}
