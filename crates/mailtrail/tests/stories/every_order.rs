//! The same evidence in 200 orders, with repetitions and other batch borders, into both stores: the
//! reports are the same to the byte.

use std::sync::Arc;

use mailtrail::Tracker;
use mailtrail::core::EventStore;
use mailtrail::memory::MemoryStore;
use mailtrail::report::render::{self, Cells};
use mailtrail::report::{EmailLogRow, Query};
use mailtrail::sled::SledStore;
use mailtrail_testkit::Feeder;
use mailtrail_testkit::strategy::{Shape, history};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;

async fn reports(store: Arc<dyn EventStore>) -> (Vec<u8>, String, String) {
    let rows =
        Tracker::shared(store).open().email_log().await.unwrap().rows(&Query::default()).unwrap();
    let sheet = EmailLogRow::sheet(&rows);
    let csv = render::csv(&sheet, Cells::Safe).unwrap();
    (csv, render::json(&sheet).unwrap(), render::table(&sheet, Some(120)))
}

#[tokio::test]
async fn two_hundred_orders_and_two_stores_give_the_same_reports() {
    let shape = Shape::adversarial().deliveries(6..=6).events(3..=8);
    let week = history(shape).new_tree(&mut TestRunner::deterministic()).unwrap().current();
    let straight = Arc::new(MemoryStore::new());
    Feeder::new(&week).into_store(&*straight).await.unwrap();
    let expected = reports(straight).await;
    for order in 0..200 {
        let feeder = Feeder::new(&week).repeated(1..=3).shuffled_by(order).batched(1..=9);
        let store: Arc<dyn EventStore> = if order % 2 == 0 {
            Arc::new(MemoryStore::new())
        } else {
            Arc::new(SledStore::temporary().unwrap())
        };
        feeder.into_store(&*store).await.unwrap();
        assert_eq!(reports(store).await, expected, "order {order}");
    }
}
