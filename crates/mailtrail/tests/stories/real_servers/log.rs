//! What the relay's log alone says: the same, but that it knows of nothing after a host took a message.

use std::collections::BTreeMap;

use mailtrail::Tracker;
use mailtrail::classify::Classifier;
use mailtrail::core::correlation::Correlation;
use mailtrail::core::evidence::Evidence;
use mailtrail::core::token::Keys;
use mailtrail::core::{DeliveryId, Namespace, Status};
use mailtrail::log::{Mta, Reader};
use mailtrail::report::Query;

use crate::support::relay::Kind;

/// The status of each address by the log.
pub(crate) async fn statuses(
    tracker: &Tracker,
    keys: &Keys,
    kind: Kind,
    log: &str,
) -> BTreeMap<String, Status> {
    let mta = match kind {
        Kind::Postfix => Mta::Postfix,
        Kind::Exim => Mta::Exim,
        Kind::OpenSmtpd => Mta::OpenSmtpd,
    };
    let classifier = Classifier::builtin().unwrap();
    let mut reader = Reader::new(mta, &classifier, keys);
    let now = tracker.clock().now();
    let mut evidence: BTreeMap<DeliveryId, Evidence> = BTreeMap::new();
    for feedback in log.lines().flat_map(|line| reader.read(line.as_bytes(), now)) {
        let Correlation::Token { delivery, .. } = feedback.correlation else {
            panic!("{feedback:?}");
        };
        let id = feedback.event_id(&Namespace::from_random([1; 16]));
        let of_delivery = evidence.entry(delivery).or_default();
        of_delivery.add(id, feedback.occurred_at, &feedback.fact);
    }
    let state = tracker.email_log().await.unwrap();
    let rows = state.rows(&Query::default()).unwrap().into_iter();
    rows.map(|row| {
        let status = evidence.get(&row.delivery).map_or(Status::Unsent, Evidence::status);
        (row.email_address.to_string(), status)
    })
    .collect()
}
