//! The connection itself: leases, who may enter, and what its end means.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::pin::pin;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_executor::block_on;
use futures_util::future::{Either, select};
use mailtrail_core::event::{Delivered, Source};
use mailtrail_core::store::{AppendError, EventStoreExt, Filter, ReadError};
use mailtrail_core::{
    AppendBatch, DeliveryId, EventId, EventStore, Expected, Fact, NewEvent, Position, Private,
    StreamId,
};
use mailtrail_memory::MemoryStore;
use mailtrail_remote::{ConnectError, LeaseError, RemoteStore, Share};

use crate::shared::Shared;

fn fact(number: u8) -> (StreamId, NewEvent) {
    let fact = Fact::new(Delivered::default().into());
    let id = EventId::from_bytes([number; 16]);
    let event = NewEvent::new(id, &fact, &Private::default(), Source::known("test")).unwrap();
    (StreamId::delivery(DeliveryId::from_bytes([7; 16])), event)
}

#[test]
fn a_lease_is_held_once_and_given_back() {
    let shared = Shared::new();
    let other = RemoteStore::connect(shared.folder.path()).unwrap();
    block_on(async {
        let lease = shared.remote.lease("broadcast/b").await.unwrap();
        assert!(matches!(other.lease("broadcast/b").await, Err(LeaseError::Held { .. })));
        assert!(shared.share.leases().take("broadcast/b").is_none(), "nor has the owner");
        let _another = other.lease("broadcast/c").await.unwrap();
        drop(lease);
        // The same connection: what it gave back comes before what it asks for.
        let _again = shared.remote.lease("broadcast/b").await.unwrap();
    });
}

const FOLDER: &str = "MAILTRAIL_TEST_LEASE";

/// Does nothing unless [`a_killed_user_holds_no_lease`] runs it.
#[test]
fn holds_a_lease_until_it_is_killed() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let remote = RemoteStore::connect(folder).unwrap();
    let _lease = block_on(remote.lease("broadcast/b")).unwrap();
    println!("held");
    block_on(remote.changed(Position::START)).unwrap();
}

#[test]
fn a_killed_user_holds_no_lease() {
    let shared = Shared::new();
    let mut user = Command::new(std::env::current_exe().unwrap())
        .args(["connection::holds_a_lease_until_it_is_killed", "--exact", "--nocapture"])
        .env(FOLDER, shared.folder.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let output = BufReader::new(user.stdout.take().unwrap());
    assert!(output.lines().any(|line| line.unwrap().ends_with("held")));
    assert!(shared.share.leases().take("broadcast/b").is_none());
    user.kill().unwrap();
    user.wait().unwrap();
    // The owner sees the end of the connection when the system tells it.
    let deadline = Instant::now() + Duration::from_secs(10);
    while shared.share.leases().take("broadcast/b").is_none() {
        assert!(Instant::now() < deadline, "the lease outlives its holder");
        std::thread::yield_now();
    }
}

#[test]
fn a_user_that_waits_holds_up_no_other_request() {
    let shared = Shared::new();
    block_on(async {
        let changed = pin!(shared.remote.changed(Position::START));
        let head = pin!(shared.remote.head());
        let Either::Right((head, changed)) = select(changed, head).await else {
            panic!("nothing has changed yet");
        };
        assert_eq!(head.unwrap().position, Position::START);
        shared.remote.record(vec![fact(1)]).await.unwrap();
        assert_eq!(changed.await.unwrap(), Position::new(1));
    });
}

#[test]
fn events_go_over_as_they_are_stored() {
    let shared = Shared::new();
    block_on(async {
        shared.remote.record(vec![fact(1), fact(2)]).await.unwrap();
        let (stream, _) = fact(1);
        let own = shared.store.stream(stream).await.unwrap();
        assert_eq!(own.len(), 2);
        assert_eq!(shared.remote.stream(stream).await.unwrap(), own);
        assert_eq!(own[0].event, fact(1).1);
    });
}

#[test]
fn where_the_owner_has_gone_nothing_is_said_to_be_stored() {
    let Shared { remote, share, folder, store } = Shared::new();
    drop(share);
    block_on(async {
        let (stream, event) = fact(1);
        let batch = AppendBatch::new().write(stream, Expected::Any, vec![event]);
        let refused = remote.append(batch).await;
        assert!(matches!(
            refused,
            Err(AppendError::Unavailable { .. } | AppendError::OutcomeUnknown { .. })
        ));
        assert!(matches!(remote.head().await, Err(ReadError::Unavailable { .. })));
        assert_eq!(store.head().await.unwrap().position, Position::START);
    });
    assert!(matches!(RemoteStore::connect(folder.path()), Err(ConnectError::NotShared(_))));
    assert!(!folder.path().join("control.sock").exists());
}

#[test]
fn only_the_owners_user_may_enter_however_long_the_path() {
    let folder = tempfile::tempdir().unwrap();
    let deep = folder.path().join("a".repeat(120)).join("b".repeat(120));
    std::fs::create_dir_all(&deep).unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    for folder in [folder.path(), &deep] {
        // What a killed owner leaves behind is no obstacle.
        std::fs::write(folder.join("control.sock"), "").unwrap();
        let store: Arc<dyn EventStore> = Arc::new(MemoryStore::new());
        let share = Share::start(Arc::clone(&store), folder).unwrap();
        assert_eq!(mode(&folder.join("control.sock")), 0o600);
        let remote = RemoteStore::connect(folder).unwrap();
        assert_eq!(remote.namespace(), store.namespace());
        drop(share);
        let left: Vec<_> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
        assert!(left.iter().all(|path| path.is_dir()), "{left:?}");
    }
}

/// A page of several of them is over what one answer may hold: it is cut, and read on.
#[test]
fn events_of_16_mebibytes_go_through_the_socket() {
    let shared = Shared::new();
    let stream = StreamId::from_parts(mailtrail_core::id::Category::DELIVERY, [1; 16]);
    let event = |number: u8| {
        let data = bytes::Bytes::from(vec![number; 16 << 20]);
        let (id, source) = (EventId::from_bytes([number; 16]), Source::known("test"));
        (stream, NewEvent::from_bytes(id, "large".into(), 1, data, source))
    };
    let facts: Vec<_> = (1..=4).map(event).collect();
    assert_eq!(block_on(shared.remote.record(facts.clone())).unwrap().new_events(), 4);
    let (mut read, mut next) = (Vec::new(), Some(Position::START));
    while let Some(after) = next {
        let page = block_on(shared.remote.read_all(&Filter::all(), after, 100)).unwrap();
        read.extend(page.events.into_iter().map(|stored| (stored.stream, stored.event)));
        next = page.next;
    }
    assert!(read == facts, "all of them, whole");
    assert_eq!(block_on(shared.remote.stream(stream)).unwrap().len(), 4);
}
