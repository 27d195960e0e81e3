//! Auditor: exports the log, verifies the chain offline, replays to any date, and shows why Bob was Bounced
//! on Tuesday and what proved it. One altered byte is found and located; a cut tail is found against a head
//! that was kept elsewhere.

use std::path::Path;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use mailtrail::Tracker;
use mailtrail::audit::{
    ExportOptions, Finding, export, restore, verify_lines, verify_lines_against,
};
use mailtrail::core::Status;
use mailtrail::core::correlation::{Correlation, CorrelationKey};
use mailtrail::core::event::{Bounced, Delivered};
use mailtrail::core::plan::{Broadcast, Contact, ContactAddress};
use mailtrail::core::projection::AsOf;
use mailtrail::core::reason::Reason;
use mailtrail::report::Query;
use mailtrail::sled::SledStore;
use mailtrail_testkit::VirtualClock;

use crate::support::provider;

/// Monday: sent to Ann and Bob. Tuesday: Bob's mailbox is full. Wednesday: it arrived after all.
async fn week(folder: &Path, clock: &VirtualClock) -> Tracker {
    let store = SledStore::options().clock(Arc::new(clock.clone())).open(folder).unwrap();
    let tracker = Tracker::builder(store).clock(clock.clone()).open();
    let person = |name: &str| {
        let address = ContactAddress::new(format!("{name}@a.example"));
        Contact::new(name.parse().unwrap()).address(address)
    };
    let plan = Broadcast::new("b".parse().unwrap(), "general".parse().unwrap());
    tracker.plan(plan, [person("ann"), person("bob")]).await.unwrap();
    let mut queued = tracker.queued("b".parse().unwrap());
    while let Some(delivery) = queued.next().await.unwrap() {
        let id = format!("m-{}", delivery.row.contact);
        tracker.sent(&delivery, &provider::endpoint(), &id).await.unwrap();
    }
    clock.advance(TimeDelta::days(1));
    let key = CorrelationKey::new(provider::endpoint(), "m-bob", "bob@a.example");
    let full = Bounced::because(Reason::MailboxFull);
    let bounced = provider::feedback(&tracker, Correlation::Key(key.clone()), full);
    tracker.record([bounced]).await.unwrap();
    clock.advance(TimeDelta::days(1));
    let arrived = provider::feedback(&tracker, Correlation::Key(key), Delivered::default());
    tracker.record([arrived]).await.unwrap();
    tracker
}

async fn bob_as_of(tracker: &Tracker, then: DateTime<Utc>) -> Status {
    let log = tracker.email_log_as_of(&AsOf::RecordedAt(then)).await.unwrap();
    let rows = log.rows(&Query::default()).unwrap();
    rows.iter().find(|row| &*row.contact_id == "bob").unwrap().status
}

#[tokio::test]
async fn an_auditor_proves_what_happened_without_the_operator() {
    let monday = DateTime::from_timestamp(1_790_000_000, 0).unwrap();
    let operators = tempfile::tempdir().unwrap();
    let tracker = week(operators.path(), &VirtualClock::at(monday)).await;
    let kept = tracker.store().head().await.unwrap();
    let mut lines = Vec::new();
    let options = ExportOptions::new("school");
    export(&**tracker.store(), &options, &mut lines, |_| ()).await.unwrap();

    // Offline: the export alone.
    let verified = verify_lines_against(&lines[..], Some(kept)).unwrap();
    assert_eq!((verified.finding, verified.head), (Finding::Intact, kept));

    // Replayed to any date, in a store of the auditor's own.
    let own = tempfile::tempdir().unwrap();
    restore(&lines[..], |namespace| SledStore::restore(own.path(), namespace), |_| ()).unwrap();
    let copy = Tracker::builder(SledStore::open(own.path()).unwrap()).open();
    assert_eq!(copy.store().head().await.unwrap(), kept);
    let day = |days| monday + TimeDelta::days(days);
    assert_eq!(bob_as_of(&copy, day(0)).await, Status::Sent);
    assert_eq!(bob_as_of(&copy, day(1)).await, Status::Bounced);
    assert_eq!(bob_as_of(&copy, day(2)).await, Status::Delivered);
    let rows = copy.email_log_as_of(&AsOf::RecordedAt(day(1))).await.unwrap();
    let rows = rows.rows(&Query::default()).unwrap();
    let bob = rows.iter().find(|row| &*row.contact_id == "bob").unwrap();
    assert!(bob.why.contains("full"), "{}", bob.why);
    // What proved it is still there, and marked as speaking against the status.
    let explained = copy.explain(bob.delivery).await.unwrap();
    let proof = explained.steps.iter().find(|step| step.contradicts).unwrap();
    assert_eq!(proof.event_type.as_str(), "bounced");

    // One byte altered: found, and where.
    let text = String::from_utf8(lines.clone()).unwrap();
    let forged = text.replacen("mailbox_full", "mailbox_fuel", 1);
    let position = text.lines().position(|line| line.contains("mailbox_full")).unwrap();
    let Finding::Altered { position: found, .. } = verify_lines(forged.as_bytes()).unwrap().finding
    else {
        panic!("the change is found");
    };
    assert_eq!(found.get(), position as u64);

    // A tail cut off by someone who mends the header: the head that was kept elsewhere tells.
    let mut shorter: Vec<&str> = text.lines().collect();
    shorter.truncate(5);
    let last: serde_json::Value = serde_json::from_str(shorter[4]).unwrap();
    let mut header: serde_json::Value = serde_json::from_str(shorter[0]).unwrap();
    header["head"] = serde_json::json!({ "position": last["position"], "hash": last["hash"] });
    let header = header.to_string();
    shorter[0] = &header;
    let shorter = shorter.join("\n");
    assert_eq!(verify_lines(shorter.as_bytes()).unwrap().finding, Finding::Intact);
    let cut = verify_lines_against(shorter.as_bytes(), Some(kept)).unwrap().finding;
    assert!(matches!(cut, Finding::Cut { expected, .. } if expected == kept.position));
}
