//! States of projections through the socket: the same answers.

use std::sync::Arc;

use mailtrail_core::projection::{StateError, StateStore};
use mailtrail_memory::{MemoryStates, MemoryStore};
use mailtrail_remote::{RemoteStates, RemoteStore, Share};

fn shared(folder: &std::path::Path) -> (Share, RemoteStates) {
    let states = Arc::new(MemoryStates::default());
    let share = Share::start_with(Arc::new(MemoryStore::new()), states, folder).unwrap();
    (share, RemoteStore::connect(folder).unwrap().states())
}

#[test]
fn they_answer_as_the_reference() {
    let folder = tempfile::tempdir().unwrap();
    let (_share, states) = shared(folder.path());
    mailtrail_testkit::states::they_answer_as_the_reference(|| {
        states.discard_all().unwrap();
        states.clone()
    });
}

#[test]
fn no_reader_sees_half_of_a_save_through_the_socket() {
    let folder = tempfile::tempdir().unwrap();
    let (_share, states) = shared(folder.path());
    mailtrail_testkit::states::no_reader_sees_half_of_a_save(&states);
}

#[test]
fn an_owner_without_states_says_so_and_one_that_has_gone_is_unavailable() {
    let folder = tempfile::tempdir().unwrap();
    let share = Share::start(Arc::new(MemoryStore::new()), folder.path()).unwrap();
    let states = RemoteStore::connect(folder.path()).unwrap().states();
    assert!(matches!(states.states(), Err(StateError::Unavailable { .. })));
    drop(share);
    let other = tempfile::tempdir().unwrap();
    let (share, states) = shared(other.path());
    assert_eq!(states.states().unwrap(), []);
    drop(share);
    assert!(matches!(states.states(), Err(StateError::Unavailable { .. })));
}
