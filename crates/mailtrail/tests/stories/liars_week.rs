//! The liar's week: everything comes late, several times, in any order and other batches. The report
//! is the same to the byte, and what was built live is what is rebuilt.

use std::sync::Arc;

use mailtrail::Tracker;
use mailtrail::core::Namespace;
use mailtrail::memory::{MemoryStates, MemoryStore};
use mailtrail::projection::Runner;
use mailtrail::report::render::{self, Cells};
use mailtrail::report::{EmailLog, EmailLogRow, EmailLogState, Query};
use mailtrail_testkit::strategy::{History, Shape, history};
use mailtrail_testkit::{Feeder, VirtualClock};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;

/// All evidence of so many deliveries.
fn week(deliveries: usize) -> History {
    let shape = Shape::adversarial().deliveries(deliveries..=deliveries).events(1..=6);
    history(shape).new_tree(&mut TestRunner::deterministic()).unwrap().current()
}

fn tracker(namespace: Namespace) -> Tracker {
    let clock = Arc::new(VirtualClock::default());
    Tracker::builder(MemoryStore::with(namespace, clock)).open()
}

fn csv(state: &EmailLogState) -> Vec<u8> {
    render::csv(&EmailLogRow::sheet(&state.rows(&Query::default()).unwrap()), Cells::Safe).unwrap()
}

async fn lies(deliveries: usize) {
    let week = week(deliveries);
    let honest = tracker(week.namespace);
    Feeder::new(&week).batched(500..=500).into_store(&**honest.store()).await.unwrap();
    let expected = csv(&honest.email_log().await.unwrap());
    assert!(expected.len() > deliveries * 50, "a row for every delivery");

    let liar = tracker(week.namespace);
    let states = Arc::new(MemoryStates::default());
    let live = Runner::parted(Arc::clone(liar.store()), states, EmailLog).spawn().unwrap();
    let fed = Feeder::new(&week).repeated(1..=5).batched(1..=400);
    fed.into_store(&**liar.store()).await.unwrap();
    let rebuilt = liar.email_log().await.unwrap();
    assert_eq!(csv(&rebuilt), expected, "the report is that of the honest week");
    live.reached(liar.store().head().await.unwrap().position).await;
    assert_eq!(csv(&live.state().unwrap().unwrap()), expected, "live is rebuilt");
    let (digest, checkpoint) = live.runner().digest().unwrap().unwrap();
    let anew = live.runner().digest_anew(&checkpoint, &|_| ()).await.unwrap();
    assert_eq!(digest, anew, "and the states are, to the byte");
}

#[tokio::test]
async fn a_week_of_lies_gives_the_honest_report() {
    lies(if std::env::var_os("MAILTRAIL_SOAK").is_some() { 100_000 } else { 20_000 }).await;
}
