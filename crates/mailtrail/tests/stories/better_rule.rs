//! A better rule: what a campus says when an address is gone was not understood for a month. A rule of
//! our own reads the old log again: first to see what would move, then for good. What was read before
//! stays as evidence, and no status moves back.

use mailtrail::Tracker;
use mailtrail::classify::Classifier;
use mailtrail::core::event::EventType;
use mailtrail::core::reason::Reason;
use mailtrail::core::{Event, Status};
use mailtrail::reclassify::{Change, Sum};
use mailtrail::sled::SledStore;

use crate::support::report::{intake, keys, plan, report, return_path};

const FILE_13: &str = "550 5.0.0 Please see file 13";
const ROWS: [(&str, &str, &str); 4] = [
    ("ann", "5.0.0", FILE_13),
    ("bob", "5.0.0", "550 5.0.0 PLEASE SEE   FILE 13 (bob)"),
    ("eva", "5.1.1", "550 5.1.1 user unknown"),
    ("kim", "5.2.2", "552 5.2.2 mailbox full"),
];

fn own(version: u32, reason: &str) -> Classifier {
    let rules = format!(
        "version = \"{version}\"\n[[rule]]\nname = \"campus\"\ntext = [\"see file 13\"]\n\
         reason = \"{reason}\"\nsource = \"the campus told us by phone\"\n"
    );
    Classifier::with_own(&rules).unwrap()
}

async fn read_again(tracker: &Tracker, classifier: &Classifier) -> (Vec<Change>, Sum) {
    let (mut changes, mut sum) = (Vec::new(), Sum::default());
    let mut plan = tracker.reclassify(classifier);
    while let Some(change) = plan.next().await.unwrap() {
        sum.count(&change);
        changes.push(change);
    }
    (changes, sum)
}

async fn status(tracker: &Tracker, name: &str) -> Status {
    let log = tracker.email_log().await.unwrap();
    let delivery = log.deliveries_to(&format!("{name}@pupils.example")).unwrap();
    tracker.evidence(delivery[0]).await.unwrap().status()
}

#[tokio::test]
async fn newer_rules_read_an_old_log_again_and_the_first_reading_stays() {
    let tracker = Tracker::builder(SledStore::temporary().unwrap()).open();
    let (keys, builtin) = (keys(), Classifier::builtin().unwrap());
    let rows = plan(&tracker, "snow-day", ROWS.map(|(name, ..)| name)).await;
    let mails = intake(&tracker, keys.clone(), &builtin);
    for (name, code, words) in ROWS {
        let mail = report(&format!("{name}@pupils.example"), code, words, "");
        mails.record(mail, Some(&return_path(&keys, &rows[name]))).await.unwrap();
    }
    assert_eq!(status(&tracker, "ann").await, Status::Bounced, "nobody could tell why");
    assert_eq!(
        read_again(&tracker, &builtin).await.1.changes,
        0,
        "by the same rules all is the same"
    );

    // What would move?
    let better = own(1, "user_unknown");
    let before = tracker.store().head().await.unwrap();
    let (changes, sum) = read_again(&tracker, &better).await;
    assert_eq!(sum.moved, [((Status::Bounced, Status::Failed), 2)].into());
    assert_eq!((sum.changes, sum.another_reason, sum.unseen), (2, 0, 0));
    let shown = &changes[0].rows[0];
    assert_eq!((&*shown.contact_id, &*shown.address), ("ann", "ann@pupils.example"));
    assert_eq!(changes[0].rule_after.as_deref(), Some("own/campus"));
    assert_eq!(tracker.store().head().await.unwrap(), before, "a dry run changes nothing");

    // For good, and once.
    let plan = tracker.reclassify(&better);
    assert_eq!(plan.apply(changes.clone(), "office").await.unwrap(), 2);
    assert_eq!(plan.apply(changes, "office").await.unwrap(), 0);
    assert_eq!(read_again(&tracker, &better).await.1.changes, 0);
    assert_eq!(status(&tracker, "ann").await, Status::Failed);
    assert_eq!(status(&tracker, "kim").await, Status::Bounced);

    // The trail tells both readings, by which rule and who wanted the newer one.
    let trail = tracker.trail(rows["ann"].id()).await.unwrap();
    let first = trail.iter().find(|e| e.event.event_type == EventType::from("bounced")).unwrap();
    let Event::Bounced(bounced) = first.fact().unwrap().event else { panic!("{first:?}") };
    assert_eq!(bounced.diagnosis.reason, Reason::Unknown, "the old reading stays");
    assert_eq!(trail.last().unwrap().event.actor.as_deref(), Some("office"));
    let explained = tracker.explain(rows["ann"].id()).await.unwrap();
    let told: Vec<_> = explained
        .steps
        .iter()
        .filter_map(|step| {
            Some((step.reason?, step.rule.as_deref()?, step.rules_version.as_deref()?))
        })
        .collect();
    let (old, new) = (builtin.version(), better.version());
    let expected = [(Reason::Unknown, "none", old), (Reason::UserUnknown, "own/campus", new)];
    assert_eq!(told, expected);

    // The rule was too harsh: the address is no longer thought invalid, and the status keeps its floor.
    let best = own(2, "mailbox_disabled");
    let (changes, sum) = read_again(&tracker, &best).await;
    assert_eq!((sum.moved.len(), sum.another_reason, sum.corrected), (0, 2, 2));
    tracker.reclassify(&best).apply(changes, "office").await.unwrap();
    assert_eq!(status(&tracker, "ann").await, Status::Failed);
    let log = tracker.email_log().await.unwrap();
    let row = log.row(rows["ann"].id()).unwrap().unwrap();
    assert!(row.why.contains("(Since corrected: mailbox disabled.)"), "{}", row.why);
    assert_eq!(row.what_to_do, Reason::MailboxDisabled.advice());
}
