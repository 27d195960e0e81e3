//! Erasure: what identified a person is in no file any more; everything else is as it was.

use std::path::Path;

use futures_executor::block_on;
use mailtrail_core::audit::ChainCheck;
use mailtrail_core::store::{EventStore, EventStoreExt, Filter, Outcome, RedactError};
use mailtrail_core::{EventId, Position};

use super::Folder;
use crate::crash;

fn is_in_a_file(folder: &Path, text: &str) -> bool {
    std::fs::read_dir(folder).unwrap().map(Result::unwrap).any(|entry| {
        if entry.path().is_dir() {
            return is_in_a_file(&entry.path(), text);
        }
        let bytes = std::fs::read(entry.path()).unwrap();
        bytes.windows(text.len()).any(|window| window == text.as_bytes())
    })
}

/// After `redact` the text is in no file of the folder, and all else is as it was.
pub fn an_erased_text_is_in_no_file_and_the_chain_still_holds<F: Folder>() {
    let folder = tempfile::tempdir().unwrap();
    let facts: Vec<_> = (1_000..1_300).map(crash::event).collect();
    let erased = [facts[7].1.event_id, facts[212].1.event_id];
    let head = {
        let store = F::open(folder.path()).unwrap();
        block_on(store.record(facts.clone())).unwrap();
        let head = block_on(store.head()).unwrap();
        assert!(
            is_in_a_file(folder.path(), "event 1007") && is_in_a_file(folder.path(), "event 1212")
        );
        block_on(store.redact(&erased)).unwrap();
        assert!(!is_in_a_file(folder.path(), "event 1007"));
        assert!(!is_in_a_file(folder.path(), "event 1212"));
        assert!(is_in_a_file(folder.path(), "event 1008"));
        // The store goes on.
        assert_eq!(block_on(store.record(facts.clone())).unwrap().outcome, Outcome::AlreadyStored);
        assert_eq!(block_on(store.record(vec![crash::event(1)])).unwrap().outcome, Outcome::New);
        head
    };
    let store = F::open(folder.path()).unwrap();
    let page = block_on(store.read_all(&Filter::all(), Position::START, 1_000)).unwrap();
    let mut check = ChainCheck::default();
    for (envelope, (stream, fact)) in page.events.iter().zip(&facts) {
        check.record(envelope).unwrap();
        assert_eq!(envelope.stream, *stream);
        assert_eq!(envelope.is_erased(), erased.contains(&fact.event_id));
        assert_eq!(envelope.event.data, fact.data);
    }
    assert_eq!((check.head(), page.events.len()), (head, 301));
}

/// `redact` names what it doesn't know, and erases nothing then.
pub fn an_id_that_is_not_stored_erases_nothing<F: Folder>() {
    let folder = tempfile::tempdir().unwrap();
    let store = F::open(folder.path()).unwrap();
    let (stream, event) = crash::event(1);
    let known = event.event_id;
    block_on(store.record(vec![(stream, event)])).unwrap();
    let unknown = EventId::from_bytes([0xee; 16]);
    let refused = block_on(store.redact(&[known, unknown]));
    assert!(matches!(refused, Err(RedactError::NotStored { ids }) if ids == [unknown]));
    assert!(!block_on(store.stream(stream)).unwrap()[0].is_erased());
}
