//! Events of 16 MiB, through every command that moves events.

use std::fs;

use mailtrail::core::event::{EnvelopeLine, Source};
use mailtrail::core::id::Category;
use mailtrail::core::store::Filter;
use mailtrail::core::{EventId, EventStore, EventStoreExt, NewEvent, Position, StreamId};
use mailtrail::memory::MemoryStore;

use super::{lines, mailtrail, text};

/// Lines for `ingest events`.
async fn events(count: u8) -> String {
    let store = MemoryStore::new();
    let event = |number: u8| {
        let letter = char::from(b'a' + number).to_string();
        let data = format!("{{\"text\":\"{}\"}}", letter.repeat(16 << 20));
        let (id, source) = (EventId::from_bytes([number; 16]), Source::known("test"));
        let event = NewEvent::from_bytes(id, "large".into(), 1, data.into(), source);
        (StreamId::from_parts(Category::DELIVERY, [number; 16]), event)
    };
    store.record((0..count).map(event).collect()).await.unwrap();
    let page = store.read_all(&Filter::all(), Position::START, 100).await.unwrap();
    assert_eq!(page.events.len(), usize::from(count));
    let line = |envelope| serde_json::to_string(&EnvelopeLine::from(envelope)).unwrap() + "\n";
    page.events.iter().map(line).collect()
}

/// Five with `MAILTRAIL_SOAK`: together they are over what one batch may hold.
#[tokio::test]
async fn events_of_16_mebibytes_go_in_and_out_whole_soak() {
    let count = if std::env::var_os("MAILTRAIL_SOAK").is_some() { 5 } else { 1 };
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("large.jsonl"), events(count).await).unwrap();
    let taken = &lines(&mailtrail(folder, &["ingest", "events", "large.jsonl", "--json"]))[0];
    assert_eq!((&taken["new_events"], &taken["unreadable"]), (&count.into(), &0.into()));
    let again = &lines(&mailtrail(folder, &["ingest", "events", "large.jsonl", "--json"]))[0];
    assert_eq!(again["known_events"], count);

    let head =
        |store: &str| lines(&mailtrail(folder, &["verify", store, "--json"]))[0]["head"].clone();
    text(&mailtrail(folder, &["export", "log.jsonl.zst"]));
    text(&mailtrail(folder, &["--store", "sled:copy", "import", "log.jsonl.zst"]));
    assert_eq!(head("log.jsonl.zst"), head("fjall:trail"));
    assert_eq!(head("sled:copy"), head("fjall:trail"));
    let all = count.to_string();
    let tail = ["--store", "sled:copy", "tail", "--after", "0", "--count", &all, "--json"];
    for (number, event) in (0..count).zip(lines(&mailtrail(folder, &tail))) {
        let text = event["data"]["text"].as_str().unwrap();
        assert!(text.len() == 16 << 20 && text.bytes().all(|byte| byte == b'a' + number));
    }
    text(&mailtrail(folder, &["report", "email-log"]));
}
