//! A forged bounce: someone who knows an address writes reports that it is gone. Where a token is
//! required they change nothing, and each is told with what it lacks.

use bytes::Bytes;
use mailtrail::Tracker;
use mailtrail::classify::Classifier;
use mailtrail::core::Status;
use mailtrail::core::token::{Key, Keys, Purpose};
use mailtrail::sled::SledStore;
use mailtrail::smtp::intake::{Recorded, Unproven};

use crate::support::report::{intake, plan, report, return_path};

#[tokio::test]
async fn reports_without_a_valid_token_change_nothing_and_say_what_they_lack() {
    let tracker = Tracker::builder(SledStore::temporary().unwrap()).open();
    let old = Key::new(1, [1; 32]);
    let keys = Keys::new(Key::new(2, [2; 32])).and(old.clone().retired());
    let row = plan(&tracker, "snow-day", ["ann"]).await.remove("ann").unwrap();
    let endpoint = "relay".parse().unwrap();
    tracker.sent(&row, &endpoint, "m-1").await.unwrap();
    let classifier = Classifier::builtin().unwrap();
    let strict = intake(&tracker, keys.clone(), &classifier).require_token();
    let gone = |quoted: &str| -> Bytes {
        report("ann@pupils.example", "5.1.1", "550 5.1.1 user unknown", quoted)
    };
    let quoted =
        format!("Message-ID: <{}@school.example>\r\n", keys.sign(Purpose::MessageId, row.id()));
    let by = |key: Key| return_path(&Keys::new(key), &row);

    let before = tracker.store().head().await.unwrap();
    let cases = [
        (gone(""), None, Unproven::NoToken),
        (gone(""), Some("office@school.example".to_owned()), Unproven::NoToken),
        (gone("Message-ID: <m-1@school.example>\r\n"), None, Unproven::NoToken),
        (gone(&quoted), None, Unproven::Quoted),
        (gone(&quoted), Some("b+none@bounces.school.example".to_owned()), Unproven::Quoted),
        (gone(""), Some(by(Key::new(2, [9; 32]))), Unproven::Forged),
        (gone(&quoted), Some(by(Key::new(2, [9; 32]))), Unproven::Forged),
        (gone(""), Some(by(Key::new(7, [9; 32]))), Unproven::UnknownKey { key_id: 7 }),
        (gone(""), Some(by(old)), Unproven::RetiredKey { key_id: 1 }),
    ];
    for (mail, to, lacks) in cases {
        let recorded = strict.record(mail, to.as_deref()).await.unwrap();
        assert_eq!(recorded, Recorded::Refused(lacks), "{to:?}");
    }
    assert_eq!(tracker.store().head().await.unwrap(), before, "what is refused leaves no event");
    assert_eq!(tracker.evidence(row.id()).await.unwrap().status(), Status::Sent);

    let true_one = strict.record(gone(""), Some(&return_path(&keys, &row))).await.unwrap();
    assert!(matches!(true_one, Recorded::Feedback(_)), "{true_one:?}");
    assert_eq!(tracker.evidence(row.id()).await.unwrap().status(), Status::Failed);
}
