//! A relay that offers no delivery reports takes a broadcast. Its log, and nothing else, says what became
//! of each row: read while it grows, once more from the beginning, and in two parts as after a rotation.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mailtrail::Tracker;
use mailtrail::classify::Classifier;
use mailtrail::core::correlation::Correlation;
use mailtrail::core::event::SentStage;
use mailtrail::core::plan::{Broadcast, Contact, ContactAddress};
use mailtrail::core::token::{Key, Keys};
use mailtrail::core::{Event, Feedback, Status};
use mailtrail::log::{Mta, OwnRelay, Reader};
use mailtrail::sled::SledStore;
use mailtrail::smtp::send::TalksTo;
use mailtrail::smtp::sink::{Script, Sink};

use crate::real_postfix::{DOMAIN, Row, email_log, send};
use crate::support::postfix::{NotStarted, Postfix, PostfixConfig};
use crate::support::skip::skipped;

const EXPECTED: [(&str, Row); 6] = [
    ("ok@parents.example", (Status::Delivered, None, 0)),
    ("later@parents.example", (Status::Delivered, None, 0)),
    ("gone@parents.example", (Status::Failed, Some("user_unknown"), 0)),
    ("full@parents.example", (Status::Bounced, Some("mailbox_full"), 0)),
    ("late@dead.example", (Status::Bounced, Some("connection_failed"), 0)),
    ("on@campus.example", (Status::Sent, None, 0)),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_row_sent_through_a_relay_without_dsn_becomes_delivered_from_its_log_alone() {
    let (parents, campus) = (parents().await, Sink::builder().start().await.unwrap());
    // Where reports would go nobody listens: the log is all that there is.
    let mut config = PostfixConfig::new(DOMAIN, ([127, 0, 0, 1], 1).into());
    config.relay("parents.example", parents.addr());
    config.relay("campus.example", campus.addr());
    config.relay("dead.example", "127.0.0.1:1");
    config.queue_lifetime = Duration::from_secs(6);
    config.settings.push("smtpd_discard_ehlo_keywords = dsn".into());
    let postfix = match Postfix::start(&config) {
        Ok(postfix) => postfix,
        Err(NotStarted::Unavailable(why)) => {
            return skipped(
                "a_row_sent_through_a_relay_without_dsn_becomes_delivered_from_its_log_alone",
                &why,
            );
        }
        Err(NotStarted::Failed(why)) => panic!("{why}"),
    };
    let tracker = Tracker::builder(SledStore::temporary().unwrap()).open();
    let keys = Keys::new(Key::new(1, [7; 32]));
    plan(&tracker).await;
    send(&tracker, &keys, postfix.smtp_addr(), TalksTo::Relay).await;
    let sent = EXPECTED.map(|(address, _)| (address.to_owned(), (Status::Sent, None, 0)));
    assert_eq!(email_log(&tracker).await, BTreeMap::from(sent));

    let relay: OwnRelay = campus.addr().to_string().parse().unwrap();
    let expected = EXPECTED.map(|(address, row)| (address.to_owned(), row));
    let until = Instant::now() + Duration::from_secs(90);
    loop {
        let feedback = read(&tracker, &keys, &relay, &postfix.log());
        tracker.record(feedback).await.unwrap();
        let actual = email_log(&tracker).await;
        if actual == BTreeMap::from(expected.clone()) {
            break;
        }
        assert!(Instant::now() < until, "{actual:#?}\n{}", postfix.log());
        // Another process writes the log: all that one can do is look again.
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let log = postfix.log();
    drop(postfix);
    parents.stop().await;
    campus.stop().await;

    let whole = read(&tracker, &keys, &relay, &log);
    assert_eq!(tracker.record(whole.clone()).await.unwrap().new_events(), 0, "known from before");
    handed_over(&tracker, &whole).await;
    another_store_agrees(&keys, &relay, &log, &whole).await;
}

/// What a relay that we name has taken is on its way, and no more.
async fn handed_over(tracker: &Tracker, feedback: &[Feedback]) {
    let is_sent = |feedback: &&Feedback| matches!(feedback.fact.event, Event::Sent(_));
    let sent: Vec<_> = feedback.iter().filter(is_sent).collect();
    let [feedback] = sent.as_slice() else { panic!("{sent:#?}") };
    let Event::Sent(sent) = &feedback.fact.event else { panic!("{feedback:?}") };
    assert_eq!(sent.stage, SentStage::HandedOver);
    let Correlation::Token { delivery, .. } = feedback.correlation else { panic!("{feedback:?}") };
    assert_eq!(tracker.evidence(delivery).await.unwrap().status(), Status::Sent);
}

/// The log in two parts, read backwards by two readers: what the second part says of a message whose
/// arrival is in the first comes with the older file, in whichever order they are brought.
async fn another_store_agrees(keys: &Keys, relay: &OwnRelay, log: &str, whole: &[Feedback]) {
    let tracker = Tracker::builder(SledStore::temporary().unwrap()).open();
    let half = log.lines().count() / 2;
    let newer: String = log.split_inclusive('\n').skip(half).collect();
    let part = read(&tracker, keys, relay, &newer);
    assert!(part.len() < whole.len() && part.iter().all(|feedback| whole.contains(feedback)));
    tracker.record(part.clone()).await.unwrap();
    let rest = tracker.record(whole.to_vec()).await.unwrap();
    assert_eq!(rest.new_events(), whole.len() - part.len());
}

async fn parents() -> Sink {
    let refuse = |reply: &str| Script::refuse(reply).unwrap();
    Sink::builder()
        .on("gone@parents.example", refuse("550 5.1.1 user unknown"))
        .on("full@parents.example", refuse("552 5.2.2 mailbox is over quota"))
        .on("later@parents.example", refuse("452 4.2.2 mailbox full").then_accept())
        .start()
        .await
        .unwrap()
}

async fn plan(tracker: &Tracker) {
    let contacts = EXPECTED.iter().map(|(address, _)| {
        Contact::new(address.parse().unwrap()).address(ContactAddress::new(*address))
    });
    let broadcast = Broadcast::new("b".parse().unwrap(), "general".parse().unwrap());
    tracker.plan(broadcast, contacts).await.unwrap();
}

/// Everything that the log says, as read by a process that has just begun.
fn read(tracker: &Tracker, keys: &Keys, relay: &OwnRelay, log: &str) -> Vec<Feedback> {
    let classifier = Classifier::builtin().unwrap();
    let mut reader = Reader::new(Mta::Postfix, &classifier, keys).own_relay(relay.clone());
    let now = Arc::clone(tracker.clock()).now();
    log.split_inclusive('\n')
        .filter(|line| line.ends_with('\n'))
        .flat_map(|line| reader.read(line.trim_end().as_bytes(), now))
        .collect()
}
