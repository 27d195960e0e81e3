//! Durability and damage, of stores on disk: what [`conformance!`](crate::conformance!) checks where it is told how a
//! folder is opened.
//!
//! Each check runs the store in a process of its own, which is this test binary, started again for one test that does
//! nothing otherwise. So a process can be killed, watched and given up on.

mod child;
mod damage;
mod day;
mod disk;
mod found;
mod kill;
mod limits;
pub(crate) mod memory;
mod places;
mod power;
mod trace;
mod watched;
mod witness;

pub use child::{Parent, Process, Said, child, child_of_bodies, child_of_states};
pub use damage::{
    a_cut_or_missing_file_is_the_same_answer_or_damage, a_flipped_byte_is_the_same_answer_or_damage,
};
pub use day::a_day_of_mixed_load_survives_kill_9;
pub use disk::SmallDisk;
pub use kill::what_is_acknowledged_or_observed_survives_kill_9;
pub use limits::Limits;
pub use places::Places;
pub use power::what_is_acknowledged_or_observed_survives_a_power_cut;
pub use watched::PATIENCE;
pub use witness::what_is_acknowledged_or_observed_was_synced;

use std::io::Write as _;

use bytes::Bytes;
use mailtrail_core::event::Source;
use mailtrail_core::id::Category;
use mailtrail_core::{EventId, NewEvent, StreamId};

/// The event of a number: what was appended can be told from the number alone.
pub fn event(number: u64) -> (StreamId, NewEvent) {
    let mut id = [0xc5; 16];
    id[8..].copy_from_slice(&number.to_be_bytes());
    let data = Bytes::from(format!("{{\"number\":{number}}}"));
    let source = Source::known("testkit");
    let mut event = NewEvent::from_bytes(EventId::from_bytes(id), "crash".into(), 1, data, source);
    event.private = Some(Bytes::from(format!("private text of event {number}.")));
    (StreamId::from_parts(Category::DELIVERY, [(number % 7) as u8; 16]), event)
}

/// The number of an event; `None` if it is none of these.
pub fn number(id: EventId) -> Option<u64> {
    let (_, number) = id.as_bytes().split_last_chunk::<8>()?;
    Some(u64::from_be_bytes(*number))
}

/// Says that a test did not run: on standard error, also where the test harness keeps what tests print, and to the
/// list that `MAILTRAIL_SKIPS` names. The test is named by its path, as `module_path!` begins it.
pub fn skipped(test: &str, why: &str) {
    let test = test.split_once("::").map_or(test, |(_, test)| test);
    let line = format!("skipped: {test}: {why}\n");
    std::io::stderr().write_all(line.as_bytes()).ok();
    if let Some(list) = std::env::var_os("MAILTRAIL_SKIPS") {
        let list = std::fs::OpenOptions::new().append(true).create(true).open(list);
        list.and_then(|mut list| list.write_all(line.as_bytes())).ok();
    }
}

/// Whether the long form of a test is asked for.
pub(crate) fn soaks() -> bool {
    std::env::var_os("MAILTRAIL_SOAK").is_some()
}
