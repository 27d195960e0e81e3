//! The store goes away: nothing goes out without a trail, or all goes out and the trail follows.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use lettre::transport::stub::AsyncStubTransport;
use mailtrail::Tracker;
use mailtrail::core::Status;
use mailtrail::core::store::EventStore;
use mailtrail::lettre::{
    OnStoreFailure, OpenError, SpoolError, StoreError, TrackedError, TrackedTransport,
};
use mailtrail::memory::MemoryStore;
use mailtrail_testkit::{Chaos, ChaosStore};
use proptest::prelude::*;

use super::world::{Leaving, Sends, evidence, keys, message, tracked, tracked_over};

fn spool(folder: &Path) -> (PathBuf, OnStoreFailure) {
    let path = folder.join("spool");
    (path.clone(), OnStoreFailure::SendAndSpool(path))
}

#[tokio::test]
async fn without_a_spool_nothing_goes_out_that_has_no_trail() {
    let store = Arc::new(Leaving::default());
    let mailer = tracked(&store, AsyncStubTransport::new_ok(), OnStoreFailure::Refuse);
    store.refuse_events(true);
    let result = mailer.send(message(&["ann@a.example"])).await;
    assert!(matches!(result, Err(TrackedError::Store(StoreError::Plan(_)))));
    store.go_away(true);
    assert!(matches!(mailer.send(message(&["ann@a.example"])).await, Err(TrackedError::Store(_))));
    assert!(mailer.inner().given().is_empty());
}

#[tokio::test]
async fn with_a_spool_all_goes_out_and_the_next_send_brings_the_facts() {
    let folder = tempfile::tempdir().unwrap();
    let (path, on_store_failure) = spool(folder.path());
    let store = Arc::new(Leaving::default());
    let mailer = tracked(&store, AsyncStubTransport::new_ok(), on_store_failure);
    store.refuse_events(true);
    mailer.send(message(&["ann@a.example"])).await.unwrap();
    store.go_away(true);
    mailer.send(message(&["bob@b.example"])).await.unwrap();
    assert!(mailer.replay().await.is_err());
    assert_eq!(mailer.inner().given().len(), 2);
    let lines = std::fs::read_to_string(&path).unwrap();
    // Created, queued, claimed, attempted, sent.
    assert_eq!(lines.lines().count(), 10);

    store.go_away(false);
    store.refuse_events(false);
    mailer.send(message(&["cat@c.example"])).await.unwrap();
    for address in ["ann@a.example", "bob@b.example", "cat@c.example"] {
        let evidence = evidence(&store, address).await;
        assert_eq!(evidence.status(), Status::Sent, "{address}");
        assert_eq!((evidence.attempts(), evidence.in_doubt().count()), (1, 0), "{address}");
    }
    assert_eq!(std::fs::metadata(&path).unwrap().len(), 0);
    assert_eq!(mailer.replay().await.unwrap(), 0);
    // The row is known: it is not sent again.
    let again = mailer.send(message(&["ann@a.example"])).await;
    assert!(matches!(again, Err(TrackedError::SentBefore)));
}

#[tokio::test]
async fn what_is_brought_twice_is_stored_once() {
    let folder = tempfile::tempdir().unwrap();
    let (path, on_store_failure) = spool(folder.path());
    let store = Arc::new(Leaving::default());
    let mailer = tracked(&store, AsyncStubTransport::new_ok(), on_store_failure);
    store.refuse_events(true);
    mailer.send(message(&["ann@a.example"])).await.unwrap();
    store.refuse_events(false);
    let copy = folder.path().join("copy");
    std::fs::copy(&path, &copy).unwrap();
    assert_eq!(mailer.replay().await.unwrap(), 5);
    let head = store.head().await.unwrap();

    // As after a crash between the store's answer and the emptying of the file.
    let stub = AsyncStubTransport::new_ok();
    let again = tracked(&store, stub, OnStoreFailure::SendAndSpool(copy));
    assert_eq!(again.replay().await.unwrap(), 5);
    assert_eq!(store.head().await.unwrap(), head);
}

#[tokio::test]
async fn a_mail_that_has_left_is_ok_whatever_the_store_does() {
    let folder = tempfile::tempdir().unwrap();
    let (_, on_store_failure) = spool(folder.path());
    for (on_store_failure, status, in_doubt) in
        [(on_store_failure, Status::Sent, 0), (OnStoreFailure::Refuse, Status::Unsent, 1)]
    {
        let store = Arc::new(Leaving::default());
        let mailer = tracked(&store, AsyncStubTransport::new_ok(), on_store_failure);
        let leaving = Arc::clone(&store);
        mailer.inner().while_sending(move || leaving.go_away(true));
        mailer.send(message(&["ann@a.example"])).await.unwrap();
        store.go_away(false);
        mailer.replay().await.unwrap();
        let evidence = evidence(&store, "ann@a.example").await;
        assert_eq!((evidence.status(), evidence.in_doubt().count()), (status, in_doubt));
    }
}

#[test]
fn a_spool_that_cannot_be_written_shows_when_the_service_starts() {
    let folder = tempfile::tempdir().unwrap();
    let nowhere = OnStoreFailure::SendAndSpool(folder.path().join("missing").join("spool"));
    let tracker = Tracker::builder(MemoryStore::new()).open();
    let stub = AsyncStubTransport::new_ok();
    let opened = TrackedTransport::open(stub, tracker, keys(), nowhere);
    assert!(matches!(opened, Err(OpenError::Spool(SpoolError::Io(_)))));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_store_that_fails_now_and_then_has_all_in_the_end(
        seed: u64,
        unavailable in 0.0..0.6,
        outcome_unknown in 0.0..0.4,
        takes: bool,
        mails in 1..8_usize,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let folder = tempfile::tempdir().unwrap();
            let (_, on_store_failure) = spool(folder.path());
            let inner = Arc::new(Leaving::default());
            let chaos = Chaos::seeded(seed).unavailable(unavailable).outcome_unknown(outcome_unknown);
            let chaos = ChaosStore::new(Arc::clone(&inner) as Arc<dyn EventStore>, chaos);
            let stub = if takes { AsyncStubTransport::new_ok() } else { AsyncStubTransport::new_error() };
            let mailer = tracked_over(Arc::new(chaos), stub, on_store_failure);
            let addresses: Vec<_> = (0..mails).map(|mail| format!("r{mail}@a.example")).collect();
            for address in &addresses {
                prop_assert_eq!(mailer.send(message(&[address])).await.is_ok(), takes);
            }
            let mut tries = 0;
            while mailer.replay().await.is_err() {
                tries += 1;
                prop_assert!(tries < 100);
            }
            prop_assert_eq!(mailer.inner().given().len(), mails);
            for address in &addresses {
                let evidence = evidence(&inner, address).await;
                let status = if takes { Status::Sent } else { Status::Unsent };
                prop_assert_eq!(evidence.status(), status);
                prop_assert_eq!(evidence.attempts(), 1);
                prop_assert_eq!(evidence.in_doubt().count(), usize::from(!takes));
            }
            Ok(())
        })?;
    }
}
