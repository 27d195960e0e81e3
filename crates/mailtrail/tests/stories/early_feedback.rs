//! A provider's webhook is faster than the answer to our own call, and one speaks of a message that
//! nobody sent. Both are kept; the first joins when `Sent` names the message, the second raises nobody.

use std::sync::Arc;

use mailtrail::core::correlation::Correlation;
use mailtrail::core::event::{Agent, Opened};
use mailtrail::core::plan::{Broadcast, Contact, ContactAddress};
use mailtrail::core::{EventStore, Status};
use mailtrail::memory::MemoryStore;
use mailtrail::report::Query;
use mailtrail::sled::SledStore;
use mailtrail::{Delivery, Tracker};

use crate::support::provider;

async fn one_delivery(store: Arc<dyn EventStore>) -> (Tracker, Delivery) {
    let tracker = Tracker::shared(store).open();
    let plan = Broadcast::new("b".parse().unwrap(), "general".parse().unwrap());
    let ann = Contact::new("ann".parse().unwrap()).address(ContactAddress::new("Ann@a.example"));
    tracker.plan(plan, [ann]).await.unwrap();
    let delivery = tracker.queued("b".parse().unwrap()).next().await.unwrap().unwrap();
    (tracker, delivery)
}

async fn seen(tracker: &Tracker) -> (Status, u64) {
    let log = tracker.email_log().await.unwrap();
    (log.rows(&Query::default()).unwrap()[0].status, log.unmatched().unwrap())
}

fn stores() -> [Arc<dyn EventStore>; 2] {
    [Arc::new(MemoryStore::new()), Arc::new(SledStore::temporary().unwrap())]
}

#[tokio::test]
async fn feedback_before_its_sent_waits_and_joins() {
    for store in stores() {
        let (tracker, delivery) = one_delivery(store).await;
        let early = provider::delivered(&tracker, "m-1", &delivery.address);
        let stray = provider::delivered(&tracker, "m-other", &delivery.address);
        tracker.record([early, stray]).await.unwrap();
        assert_eq!(seen(&tracker).await, (Status::Unsent, 2));
        tracker.sent(&delivery, &provider::endpoint(), "m-1").await.unwrap();
        assert_eq!(seen(&tracker).await, (Status::Delivered, 1), "the stray one is still listed");
        assert_eq!(tracker.evidence(delivery.id()).await.unwrap().status(), Status::Delivered);
    }
}

#[tokio::test]
async fn an_open_that_names_no_recipient_raises_nobody() {
    for store in stores() {
        let (tracker, delivery) = one_delivery(store).await;
        tracker.sent(&delivery, &provider::endpoint(), "m-1").await.unwrap();
        let of_message = Correlation::message(provider::endpoint(), "m-1");
        let mut opened = Opened::default();
        opened.agent = Agent::Human;
        let open = provider::feedback(&tracker, of_message, opened);
        tracker.record([open]).await.unwrap();
        assert_eq!(seen(&tracker).await.0, Status::Sent);
    }
}
