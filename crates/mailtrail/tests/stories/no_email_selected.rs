//! No Email Selected: Ann wants only emergencies at her address. A general broadcast skips her and says
//! so; the emergency after it reaches her.

use mailtrail::core::Status;
use mailtrail::core::plan::{Broadcast, Contact, ContactAddress};
use mailtrail::report::Query;
use mailtrail::sled::SledStore;
use mailtrail::{Delivery, Tracker};

use crate::support::provider;

fn people() -> Vec<Contact> {
    let emergencies = ContactAddress::new("ann@a.example").only_for(["emergency".parse().unwrap()]);
    vec![
        Contact::new("ann".parse().unwrap()).name("Ann").address(emergencies),
        Contact::new("bob".parse().unwrap())
            .name("Bob")
            .address(ContactAddress::new("bob@a.example")),
    ]
}

async fn plan(tracker: &Tracker, broadcast: &str, kind: &str) -> Vec<Delivery> {
    let plan = Broadcast::new(broadcast.parse().unwrap(), kind.parse().unwrap());
    tracker.plan(plan, people()).await.unwrap();
    let mut queued = tracker.queued(broadcast.parse().unwrap());
    let mut deliveries = Vec::new();
    while let Some(delivery) = queued.next().await.unwrap() {
        deliveries.push(delivery);
    }
    deliveries
}

#[tokio::test]
async fn who_chose_no_address_for_general_mail_still_gets_the_emergency() {
    let tracker = Tracker::builder(SledStore::temporary().unwrap()).open();
    let newsletter = plan(&tracker, "newsletter", "general").await;
    let names: Vec<_> = newsletter.iter().map(|delivery| delivery.name.as_deref()).collect();
    assert_eq!(names, [Some("Bob")], "Ann is not written to");

    let fire = plan(&tracker, "fire", "emergency").await;
    assert_eq!(fire.len(), 2);
    for (number, delivery) in fire.iter().enumerate() {
        let message_id = format!("m-{number}");
        tracker.sent(delivery, &provider::endpoint(), &message_id).await.unwrap();
        let delivered = provider::delivered(&tracker, &message_id, &delivery.address);
        tracker.record([delivered]).await.unwrap();
    }

    let log = tracker.email_log().await.unwrap();
    let status_of = |broadcast: &str, contact: &str| {
        let rows = log.rows(&Query::of(broadcast.parse().unwrap())).unwrap();
        let row = rows.iter().find(|row| &*row.contact_id == contact).unwrap();
        (row.status, row.why.clone())
    };
    let (status, why) = status_of("newsletter", "ann");
    assert_eq!(status, Status::NoEmailSelected);
    assert!(why.contains("no email address associated with this type of broadcast"), "{why}");
    assert_eq!(status_of("newsletter", "bob").0, Status::Unsent);
    assert_eq!(status_of("fire", "ann").0, Status::Delivered);
    assert_eq!(status_of("fire", "bob").0, Status::Delivered);
}
