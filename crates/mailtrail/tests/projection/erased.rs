//! Erasure while reports are live: nothing kept holds the person any more, and nothing brings it back.

use std::path::Path;
use std::sync::Arc;

use mailtrail::Tracker;
use mailtrail::audit::Erasure;
use mailtrail::core::plan::{Broadcast, Contact, ContactAddress};
use mailtrail::core::projection::StateStore;
use mailtrail::memory::MemoryRaw;
use mailtrail::projection::Runner;
use mailtrail::report::{EmailLog, Query};
use mailtrail::sled::{SledStates, SledStore};

fn holds(folder: &Path, text: &[u8]) -> bool {
    std::fs::read_dir(folder).unwrap().map(Result::unwrap).any(|entry| {
        let path = entry.path();
        if path.is_dir() {
            return holds(&path, text);
        }
        // One that sled has removed meanwhile holds nothing.
        std::fs::read(path)
            .is_ok_and(|bytes| bytes.windows(text.len()).any(|window| window == text))
    })
}

#[tokio::test]
async fn an_erased_person_is_in_no_kept_state() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(SledStore::open(folder.path()).unwrap());
    let states: Arc<dyn StateStore> =
        Arc::new(SledStates::open(folder.path().join("projections")).unwrap());
    let tracker = Tracker::shared(store.clone()).states(states.clone()).open();
    let live = Runner::parted(store.clone(), states.clone(), EmailLog).spawn().unwrap();
    let contact = |number: u32| {
        let contact = Contact::new(format!("c{number}").parse().unwrap());
        let address = ContactAddress::new(format!("quaint{number}person@a.example"));
        contact.name(format!("Quaint {number} Person")).address(address)
    };
    let broadcast = || Broadcast::new("b".parse().unwrap(), "general".parse().unwrap());
    tracker.plan(broadcast(), (0..50).map(contact)).await.unwrap();
    let before = tracker.email_log().await.unwrap().rows(&Query::default()).unwrap();
    assert!(before.iter().any(|row| &*row.name == "Quaint 7 Person"));

    let erasure = Erasure::find(&*store, &"c7".parse().unwrap()).await.unwrap();
    erasure.erase(&*store, &MemoryRaw::default(), Some(&*states)).await.unwrap();
    // The live one goes on, and builds anew from what is left.
    tracker.plan(broadcast(), (50..60).map(contact)).await.unwrap();
    let after = tracker.email_log().await.unwrap().rows(&Query::default()).unwrap();
    assert_eq!(after.len(), 60);
    let erased = after.iter().find(|row| &*row.contact_id == "c7").unwrap();
    assert_eq!((&*erased.name, erased.status), ("erased", before[0].status));
    assert!(after.iter().any(|row| &*row.name == "Quaint 8 Person"));
    drop(live);
    for text in [&b"Quaint 7 Person"[..], b"quaint7person@a.example"] {
        assert!(!holds(folder.path(), text), "{}", String::from_utf8_lossy(text));
    }
    assert!(holds(folder.path(), b"Quaint 8 Person"));
}
