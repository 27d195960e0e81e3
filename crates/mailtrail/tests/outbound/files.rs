//! Messages as lines of a file.

use std::fs;
use std::io::{self, ErrorKind, Write};
use std::sync::{Arc, Mutex};

use mailtrail::outbound::JsonLines;
use serde_json::Value;

use crate::world::{World, change, subscriber, tries, until};

#[test]
fn a_file_gets_a_line_for_each_message_and_what_a_crash_left_of_one_is_cut_off() {
    let world = World::new();
    let path = world.folder.path().join("crm.jsonl");
    let deliveries = world.plan("snow-day", &["ann", "bob"]);
    world.delivered(deliveries[0]);
    world.through(&world.start(subscriber(JsonLines::file(&path).unwrap())));
    let whole = fs::read_to_string(&path).unwrap();
    let line: Value = serde_json::from_str(whole.strip_suffix('\n').unwrap()).unwrap();
    assert!(line["id"].as_str().unwrap().starts_with("msg_"));
    assert_eq!(change(&line), ("unsent".to_owned(), "delivered".to_owned()));

    // Torn anywhere, also before its first brace is followed by anything.
    for length in [1, 5, 40, whole.len() - 1] {
        fs::write(&path, [&whole, &whole[..length]].concat()).unwrap();
        drop(JsonLines::file(&path).unwrap());
        assert_eq!(fs::read_to_string(&path).unwrap(), whole, "{length}");
    }
    fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    world.delivered(deliveries[1]);
    world.through(&world.start(subscriber(JsonLines::file(&path).unwrap())));
    let text = fs::read_to_string(&path).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0]["data"]["delivery"], deliveries[1].to_string());
}

/// What is written to, and breaks off as a pipe whose reader is gone.
#[derive(Clone, Default)]
struct Pipe(Arc<Mutex<Vec<u8>>>);

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut written = self.0.lock().unwrap();
        if written.contains(&b'\n') {
            return Err(ErrorKind::BrokenPipe.into());
        }
        written.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_pipe_that_nobody_reads_any_more_pauses_and_keeps_what_is_left() {
    let (world, pipe) = (World::new(), Pipe::default());
    let deliveries = world.plan("snow-day", &["ann", "bob"]);
    for delivery in &deliveries {
        world.delivered(*delivery);
    }
    let lines = JsonLines::writer(pipe.clone());
    let outbound = world.start(subscriber(lines).at_once(1).schedule(tries([0, 1])));
    let paused = until(|| outbound.standing().paused);
    assert!(paused.cause.contains("broken pipe"), "{}", paused.cause);
    drop(outbound);
    let kept = world.folder_of("crm").kept().unwrap().unwrap();
    assert_eq!((kept.taken, kept.waiting.len()), (1, 1));
    let written = String::from_utf8(pipe.0.lock().unwrap().clone()).unwrap();
    let line: Value = serde_json::from_str(&written).unwrap();
    assert_eq!(line["data"]["delivery"], deliveries[0].to_string());
}

#[test]
fn a_file_of_somebody_else_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("passwd");
    for text in ["root:x:0:0", "{\"id\":\"msg_1\"}\nroot", "{\"id\":1"] {
        fs::write(&path, text).unwrap();
        assert_eq!(JsonLines::file(&path).unwrap_err().kind(), ErrorKind::InvalidData);
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
    }
}
