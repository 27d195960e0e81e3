//! The spool's file: what a crash, a second process or a stray hand does to it.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lettre::transport::stub::AsyncStubTransport;
use mailtrail::Tracker;
use mailtrail::core::Status;
use mailtrail::core::store::EventStore;
use mailtrail::lettre::{OnStoreFailure, OpenError, SpoolError, TrackedTransport};

use super::world::{Leaving, Looking, Sends, evidence, keys, message, tracked};

/// Sends to Ann while the store takes nothing, and says where the facts are.
async fn spooled(folder: &Path, store: &Arc<Leaving>) -> PathBuf {
    let path = folder.join("spool");
    let mailer = open(store, &path);
    store.refuse_events(true);
    mailer.send(message(&["ann@a.example"])).await.unwrap();
    store.refuse_events(false);
    path
}

fn open(store: &Arc<Leaving>, path: &Path) -> TrackedTransport<Looking<AsyncStubTransport>> {
    let on_store_failure = OnStoreFailure::SendAndSpool(path.to_owned());
    tracked(store, AsyncStubTransport::new_ok(), on_store_failure)
}

#[tokio::test]
async fn a_new_process_brings_what_the_last_one_left() {
    let (folder, store) = (tempfile::tempdir().unwrap(), Arc::new(Leaving::default()));
    let path = spooled(folder.path(), &store).await;
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    open(&store, &path).send(message(&["bob@b.example"])).await.unwrap();
    assert_eq!(evidence(&store, "ann@a.example").await.status(), Status::Sent);
}

#[tokio::test]
async fn half_a_line_was_never_acknowledged_and_is_cut_off() {
    let (folder, store) = (tempfile::tempdir().unwrap(), Arc::new(Leaving::default()));
    let path = spooled(folder.path(), &store).await;
    let whole = fs::metadata(&path).unwrap().len();
    OpenOptions::new().append(true).open(&path).unwrap().write_all(b"{\"stream\":").unwrap();
    let mailer = open(&store, &path);
    assert_eq!(fs::metadata(&path).unwrap().len(), whole);
    assert_eq!(mailer.replay().await.unwrap(), 5);
}

#[tokio::test]
async fn a_line_that_is_no_event_is_said_and_holds_up_no_other() {
    let (folder, store) = (tempfile::tempdir().unwrap(), Arc::new(Leaving::default()));
    let path = spooled(folder.path(), &store).await;
    let lines = fs::read_to_string(&path).unwrap();
    fs::write(&path, format!("what is this?\n{lines}")).unwrap();
    let mailer = open(&store, &path);
    assert!(matches!(mailer.replay().await, Err(SpoolError::Damaged { line: 1 })));
    assert_eq!(evidence(&store, "ann@a.example").await.status(), Status::Sent);
    assert!(fs::read_to_string(&path).unwrap().starts_with("what is this?"));
    mailer.send(message(&["bob@b.example"])).await.unwrap();
}

#[tokio::test]
async fn two_transports_never_share_a_spool() {
    let (folder, store) = (tempfile::tempdir().unwrap(), Arc::new(Leaving::default()));
    let path = folder.path().join("spool");
    let _first = open(&store, &path);
    let tracker = Tracker::shared(Arc::clone(&store) as Arc<dyn EventStore>).open();
    let stub = AsyncStubTransport::new_ok();
    let second = TrackedTransport::open(stub, tracker, keys(), OnStoreFailure::SendAndSpool(path));
    assert!(matches!(second, Err(OpenError::Spool(SpoolError::InUse))));
}
