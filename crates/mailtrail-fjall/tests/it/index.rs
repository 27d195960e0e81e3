//! The index: whatever of it is in memory, on disk or lost, the answers are the same.

use std::fs;

use futures_executor::block_on;
use mailtrail_core::event::Source;
use mailtrail_core::id::Category;
use mailtrail_core::store::{EventStore, EventStoreExt, Filter, Outcome};
use mailtrail_core::{Envelope, EventId, NewEvent, Position, StreamId, Version};
use mailtrail_fjall::FjallStore;
use mailtrail_testkit::proptest::{self, prelude::*};

/// A store that writes its index all the time, in a folder that is left to the system.
pub(crate) fn temporary() -> Kept {
    let folder = tempfile::tempdir().unwrap();
    let store = FjallStore::options().index_every(7).open(folder.path().join("trail")).unwrap();
    Kept { store, _folder: folder }
}

/// A store and its folder.
#[derive(Debug)]
pub(crate) struct Kept {
    store: FjallStore,
    _folder: tempfile::TempDir,
}

#[async_trait::async_trait]
impl EventStore for Kept {
    fn capabilities(&self) -> mailtrail_core::store::Capabilities {
        self.store.capabilities()
    }
    fn namespace(&self) -> mailtrail_core::Namespace {
        self.store.namespace()
    }
    async fn append(
        &self,
        batch: mailtrail_core::AppendBatch,
    ) -> Result<mailtrail_core::store::Appended, mailtrail_core::store::AppendError> {
        self.store.append(batch).await
    }
    async fn read_stream(
        &self,
        stream: StreamId,
        from: Version,
        limit: usize,
    ) -> Result<mailtrail_core::store::StreamPage, mailtrail_core::store::ReadError> {
        self.store.read_stream(stream, from, limit).await
    }
    async fn read_all(
        &self,
        filter: &Filter,
        after: Position,
        limit: usize,
    ) -> Result<mailtrail_core::store::Page, mailtrail_core::store::ReadError> {
        self.store.read_all(filter, after, limit).await
    }
    async fn changed(&self, past: Position) -> Result<Position, mailtrail_core::store::ReadError> {
        self.store.changed(past).await
    }
    async fn head(&self) -> Result<mailtrail_core::store::Head, mailtrail_core::store::ReadError> {
        self.store.head().await
    }
    async fn redact(&self, ids: &[EventId]) -> Result<(), mailtrail_core::store::RedactError> {
        self.store.redact(ids).await
    }
    async fn import(
        &self,
        batch: mailtrail_core::AppendBatch,
    ) -> Result<mailtrail_core::store::Appended, mailtrail_core::store::ImportError> {
        self.store.import(batch).await
    }
}

const CATEGORIES: [Category; 3] = [Category::DELIVERY, Category::KEY, Category::CLAIM];
const TYPES: [&str; 4] = ["queued", "delivered", "opened", "of an integrator"];

fn event(number: u64, kind: u8) -> (StreamId, NewEvent) {
    let mut id = [9; 16];
    id[..8].copy_from_slice(&number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    let data = format!("{{\"number\":{number}}}").into();
    let event_type = TYPES[usize::from(kind / 3 % 4)].into();
    let source = Source::known("test");
    let event = NewEvent::from_bytes(EventId::from_bytes(id), event_type, 1, data, source);
    let category = CATEGORIES[usize::from(kind % 3)];
    (StreamId::from_parts(category, [kind % 5; 16]), event)
}

fn all(store: &FjallStore, filter: &Filter, limit: usize) -> Vec<Envelope> {
    let (mut events, mut next) = (Vec::new(), Some(Position::START));
    while let Some(after) = next {
        let page = block_on(store.read_all(filter, after, limit)).unwrap();
        assert!(page.events.len() <= limit);
        events.extend(page.events);
        next = page.next;
    }
    events
}

fn filters() -> Vec<Filter> {
    let mut filters = vec![Filter::all(), Filter::all().event_type("nothing")];
    filters.extend(CATEGORIES.map(|category| Filter::all().category(category)));
    filters.extend(TYPES.map(|name| Filter::all().event_type(name)));
    filters.push(Filter::all().category(Category::KEY).event_type("opened").event_type("queued"));
    filters
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..Default::default() })]

    #[test]
    fn a_filter_gives_what_a_scan_would(
        kinds in proptest::collection::vec(prop_oneof![20 => Just(0_u8), 1 => any::<u8>()], 1..400),
        every in 1_usize..120,
        limit in 1_usize..50,
        group in 1_usize..40,
    ) {
        let folder = tempfile::tempdir().unwrap();
        let open = || FjallStore::options().index_every(every).open(folder.path()).unwrap();
        let mut store = open();
        let facts: Vec<_> = kinds.iter().zip(0..).map(|(kind, n)| event(n, *kind)).collect();
        for (turn, facts) in facts.chunks(group).enumerate() {
            block_on(store.record(facts.to_vec())).unwrap();
            if turn % 5 == 4 {
                drop(store);
                store = open();
            }
        }
        let log = all(&store, &Filter::all(), 1_000);
        prop_assert_eq!(log.len(), facts.len());
        for filter in filters() {
            let expected = log.iter().filter(|e| filter.matches(e.stream, &e.event.event_type));
            let found = all(&store, &filter, limit);
            prop_assert!(found.iter().eq(expected), "{:?}", filter);
        }
        let head = block_on(store.head()).unwrap();
        prop_assert_eq!(store.verify(|_| ()).unwrap(), head);
    }
}

#[test]
fn a_long_stream_is_read_from_any_version_and_its_end_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let open = || FjallStore::options().index_every(300).open(folder.path()).unwrap();
    let store = open();
    for numbers in (0..5_300_u64).collect::<Vec<_>>().chunks(100) {
        block_on(store.record(numbers.iter().map(|n| event(*n, 0)).collect())).unwrap();
    }
    drop(store);
    let store = open();
    let stream = event(0, 0).0;
    for from in [0, 1, 511, 512, 513, 1_023, 1_024, 2_600, 5_299] {
        let page = block_on(store.read_stream(stream, Version::new(from), 700)).unwrap();
        assert_eq!(page.last, Some(Version::new(5_299)));
        let numbers: Vec<u64> = page.events.iter().map(|event| event.version.get()).collect();
        assert_eq!(numbers, (from..5_300.min(from + 700)).collect::<Vec<_>>());
    }
    let beyond = block_on(store.read_stream(stream, Version::new(5_300), 9)).unwrap();
    assert_eq!((beyond.events.len(), beyond.last), (0, Some(Version::new(5_299))));
}

#[test]
fn an_index_that_is_lost_or_old_is_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    let open = || FjallStore::options().index_every(50).open(folder.path()).unwrap();
    let facts: Vec<_> = (0..500_u64).map(|n| event(n, (n % 11) as u8)).collect();
    for part in facts.chunks(20) {
        block_on(open().record(part.to_vec())).unwrap();
    }
    let whole = |store: &FjallStore| {
        let head = block_on(store.head()).unwrap();
        assert_eq!(head.position, Position::new(500));
        assert_eq!(store.verify(|_| ()).unwrap(), head);
        let again = block_on(store.record(facts.clone())).unwrap();
        assert_eq!(again.outcome, Outcome::AlreadyStored);
    };
    whole(&open());
    fs::remove_dir_all(folder.path().join("index")).unwrap();
    whole(&open());
    fs::remove_file(folder.path().join("indexed")).unwrap();
    whole(&open());
    fs::write(folder.path().join("index/version"), "no database").unwrap();
    whole(&open());
    fs::write(folder.path().join("index.opening"), "").unwrap();
    whole(&open());
    let store = open();
    store.compact().unwrap();
    whole(&store);
}
