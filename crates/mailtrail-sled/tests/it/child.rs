//! A process of its own that records until it is killed: this test binary, started again.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use futures_executor::block_on;
use mailtrail_core::event::{Delivered, Source};
use mailtrail_core::store::EventStoreExt;
use mailtrail_core::{DeliveryId, EventId, Fact, NewEvent, Private, StreamId};
use mailtrail_sled::SledStore;

const FOLDER: &str = "MAILTRAIL_TEST_CHILD_FOLDER";
const FROM: &str = "MAILTRAIL_TEST_CHILD_FROM";
const COUNT: &str = "MAILTRAIL_TEST_CHILD_COUNT";

/// The fact of a number.
pub(crate) fn fact(number: u64) -> (StreamId, NewEvent) {
    let mut id = [0xc5; 16];
    id[8..].copy_from_slice(&number.to_be_bytes());
    let mut private = Private::default();
    private.text = Some(format!("text {number}").into());
    let fact = Fact::new(Delivered::default().into());
    let event = NewEvent::new(EventId::from_bytes(id), &fact, &private, Source::known("test"));
    (StreamId::delivery(DeliveryId::from_bytes([(number % 7) as u8; 16])), event.unwrap())
}

/// Starts a process that records the facts from a number on, one a commit, and prints the number of
/// each when it is acknowledged.
pub(crate) fn start(
    folder: &Path,
    from: u64,
    count: u64,
    wrapper: &[String],
) -> (Child, BufReader<ChildStdout>) {
    let own = std::env::current_exe().unwrap();
    let mut command = match wrapper {
        [] => Command::new(&own),
        [program, arguments @ ..] => {
            let mut command = Command::new(program);
            command.args(arguments).arg(&own);
            command
        }
    };
    let mut child = command
        .args(["child::records_until_it_is_killed", "--exact", "--nocapture"])
        .env(FOLDER, folder)
        .env(FROM, from.to_string())
        .env(COUNT, count.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let output = BufReader::new(child.stdout.take().unwrap());
    (child, output)
}

/// The next number that was acknowledged.
pub(crate) fn acknowledged(output: &mut BufReader<ChildStdout>) -> Option<u64> {
    loop {
        let mut line = String::new();
        if output.read_line(&mut line).unwrap() == 0 {
            return None;
        }
        if let Some(number) = line.trim().strip_prefix("acknowledged ") {
            return number.parse().ok();
        }
    }
}

/// Does nothing unless [`start`] runs it.
#[test]
fn records_until_it_is_killed() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let number = |name| std::env::var_os(name).unwrap().to_str().unwrap().parse::<u64>().unwrap();
    let store = SledStore::open(folder).unwrap();
    for next in number(FROM)..number(FROM) + number(COUNT) {
        block_on(store.record(vec![fact(next)])).unwrap();
        let mut out = std::io::stdout().lock();
        writeln!(out, "acknowledged {next}").unwrap();
        out.flush().unwrap();
    }
}
