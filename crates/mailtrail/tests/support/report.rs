//! Delivery reports, and the intake that takes them.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use mailtrail::classify::Classifier;
use mailtrail::core::plan::{Broadcast, Contact, ContactAddress};
use mailtrail::core::token::{Key, Keys};
use mailtrail::smtp::intake::Intake;
use mailtrail::smtp::return_path::ReturnPath;
use mailtrail::{Delivery, Tracker};

pub(crate) const DOMAIN: &str = "bounces.school.example";

pub(crate) fn keys() -> Keys {
    Keys::new(Key::new(1, [7; 32]))
}

/// Plans a row for each name, at `name@pupils.example`.
pub(crate) async fn plan(
    tracker: &Tracker,
    broadcast: &str,
    names: impl IntoIterator<Item = &str>,
) -> BTreeMap<String, Delivery> {
    let contacts = names.into_iter().map(|name| {
        let address = ContactAddress::new(format!("{name}@pupils.example"));
        Contact::new(name.parse().unwrap()).address(address)
    });
    let plan = Broadcast::new(broadcast.parse().unwrap(), "general".parse().unwrap());
    tracker.plan(plan, contacts).await.unwrap();
    let mut queued = tracker.queued(broadcast.parse().unwrap());
    let mut deliveries = BTreeMap::new();
    while let Some(delivery) = queued.next().await.unwrap() {
        let (name, _) = delivery.address.as_given().split_once('@').unwrap();
        deliveries.insert(name.to_owned(), delivery.clone());
    }
    deliveries
}

pub(crate) fn intake(tracker: &Tracker, keys: Keys, classifier: &Classifier) -> Intake {
    let (store, clock) = (Arc::clone(tracker.store()), Arc::clone(tracker.clock()));
    Intake::new(store, keys, ReturnPath::new(DOMAIN), classifier.clone(), clock)
}

pub(crate) fn return_path(keys: &Keys, delivery: &Delivery) -> String {
    ReturnPath::new(DOMAIN).address(keys, delivery.id())
}

/// A report (RFC 3464) of one recipient; `quoted` stands in the header that it returns.
pub(crate) fn report(recipient: &str, status: &str, diagnostic: &str, quoted: &str) -> Bytes {
    format!(
        "From: MAILER-DAEMON@mx.pupils.example\r\nTo: office@school.example\r\n\
         Subject: Undelivered Mail Returned to Sender\r\nMIME-Version: 1.0\r\n\
         Message-ID: <{recipient}.report>\r\nDate: Tue, 3 Nov 2026 08:00:00 +0000\r\n\
         Content-Type: multipart/report; report-type=delivery-status; boundary=x\r\n\r\n\
         --x\r\nContent-Type: text/plain\r\n\r\nIt could not be delivered.\r\n\r\n\
         --x\r\nContent-Type: message/delivery-status\r\n\r\n\
         Reporting-MTA: dns; mx.pupils.example\r\n\r\nFinal-Recipient: rfc822; {recipient}\r\n\
         Action: failed\r\nStatus: {status}\r\nDiagnostic-Code: smtp; {diagnostic}\r\n\r\n\
         --x\r\nContent-Type: text/rfc822-headers\r\n\r\nFrom: office@school.example\r\n\
         Subject: Snow day\r\n{quoted}\r\n--x--\r\n"
    )
    .into()
}
