//! A real Postfix takes a broadcast, tries, gives up, and reports; its own delivery reports come back
//! by LMTP, name their deliveries by the signed return path, and the Email Log says what happened.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mailtrail::Tracker;
use mailtrail::classify::Classifier;
use mailtrail::core::Status;
use mailtrail::core::plan::{Broadcast, Contact, ContactAddress};
use mailtrail::core::token::{Key, Keys};
use mailtrail::report::Query;
use mailtrail::sled::SledStore;
use mailtrail::smtp::intake::{Intake, LmtpIntake};
use mailtrail::smtp::message::Message;
use mailtrail::smtp::return_path::ReturnPath;
use mailtrail::smtp::send::{Relay, Sender, TalksTo};
use mailtrail::smtp::server::{Protocol, Server};
use mailtrail::smtp::sink::{Script, Sink};

use crate::support::postfix::{NotStarted, Postfix, PostfixConfig};
use crate::support::skip::skipped;

pub(crate) const DOMAIN: &str = "bounces.school.example";

/// Status, reason in JSON words, and how many reports speak against it.
pub(crate) type Row = (Status, Option<&'static str>, usize);

async fn broadcast(test: &str, talks_to: TalksTo, expected: &[(&str, Row)]) {
    let tracker = Tracker::builder(SledStore::temporary().unwrap()).open();
    let keys = Keys::new(Key::new(1, [7; 32]));
    let intake = Intake::new(
        Arc::clone(tracker.store()),
        keys.clone(),
        ReturnPath::new(DOMAIN),
        Classifier::builtin().unwrap(),
        Arc::clone(tracker.clock()),
    );
    let lmtp = Server::new(Protocol::Lmtp, LmtpIntake::new(Arc::new(intake)));
    let lmtp = lmtp.bind(([127, 0, 0, 1], 0).into()).await.unwrap();
    let refuse = |reply: &str| Script::refuse(reply).unwrap();
    let sink = Sink::builder()
        .on("gone@parents.example", refuse("550 5.1.1 user unknown"))
        .on("full@parents.example", refuse("552 5.2.2 mailbox is over quota"))
        .on("later@parents.example", refuse("452 4.2.2 mailbox full").then_accept())
        .on("grey@parents.example", refuse("450 4.7.1 greylisted").then_accept())
        .start()
        .await
        .unwrap();
    let mut config = PostfixConfig::new(DOMAIN, lmtp.local_addr());
    config.relay("parents.example", sink.addr());
    config.relay("dead.example", "127.0.0.1:1");
    config.queue_lifetime = Duration::from_secs(6);
    let postfix = match Postfix::start(&config) {
        Ok(postfix) => postfix,
        Err(NotStarted::Unavailable(why)) => return skipped(test, &why),
        Err(NotStarted::Failed(why)) => panic!("{why}"),
    };

    let contacts = expected.iter().map(|(address, _)| {
        Contact::new(address.parse().unwrap()).address(ContactAddress::new(*address))
    });
    let plan = Broadcast::new("b".parse().unwrap(), "general".parse().unwrap());
    tracker.plan(plan, contacts).await.unwrap();
    send(&tracker, &keys, postfix.smtp_addr(), talks_to).await;

    let wanted: BTreeMap<&str, Row> = expected.iter().copied().collect();
    let until = Instant::now() + Duration::from_secs(90);
    loop {
        let actual = email_log(&tracker).await;
        if actual == wanted.iter().map(|(address, row)| ((*address).to_owned(), *row)).collect() {
            break;
        }
        assert!(Instant::now() < until, "{actual:#?}\n{}", postfix.log());
        // The log moves when a report is recorded; a report that never comes ends in the time above.
        let head = tracker.store().head().await.unwrap().position;
        let moved = tracker.store().changed(head);
        drop(tokio::time::timeout(Duration::from_secs(2), moved).await);
    }
    drop(postfix);
    lmtp.stop().await;
    sink.stop().await;
}

pub(crate) async fn send(tracker: &Tracker, keys: &Keys, addr: SocketAddr, talks_to: TalksTo) {
    let relay = Relay::new(addr.ip().to_string(), addr.port()).talks_to(talks_to);
    let tracker_ids = tracker.clone();
    let random = Box::new(move || {
        let id = tracker_ids.observed().map_err(Box::new)?;
        let mut bytes = [0; 10];
        bytes.copy_from_slice(&id.as_bytes()[6..]);
        Ok(bytes)
    });
    let sender = Sender::new(
        Arc::clone(tracker.store()),
        keys.clone(),
        ReturnPath::new(DOMAIN),
        relay,
        Classifier::builtin().unwrap(),
        Arc::clone(tracker.clock()),
        random,
    );
    let message = Message::new("office@school.example", "Closed today", "Stay at home.");
    let mut queued = tracker.queued("b".parse().unwrap());
    while let Some(delivery) = queued.next().await.unwrap() {
        sender.deliver(delivery.id(), &message).await.unwrap();
    }
    sender.close().await;
}

pub(crate) async fn email_log(tracker: &Tracker) -> BTreeMap<String, Row> {
    let state = tracker.email_log().await.unwrap();
    let rows = state.rows(&Query::default()).unwrap().into_iter().map(|row| {
        let evidence = state.evidence(row.delivery).unwrap();
        let reason =
            evidence.why().and_then(|why| why.reason).map(mailtrail::core::reason::Reason::name);
        (row.email_address.to_string(), (row.status, reason, row.bounced_after_delivery))
    });
    rows.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_postfix_reports_and_the_email_log_says_what_happened() {
    broadcast(
        "a_real_postfix_reports_and_the_email_log_says_what_happened",
        TalksTo::Relay,
        &[
            ("ok@parents.example", (Status::Sent, None, 0)),
            ("later@parents.example", (Status::Sent, None, 0)),
            ("grey@parents.example", (Status::Sent, None, 0)),
            ("gone@parents.example", (Status::Failed, Some("user_unknown"), 0)),
            ("full@parents.example", (Status::Bounced, Some("mailbox_full"), 0)),
            ("late@dead.example", (Status::Bounced, Some("connection_failed"), 0)),
        ],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn delivered_then_bounced_stays_delivered_and_shows_both() {
    broadcast(
        "delivered_then_bounced_stays_delivered_and_shows_both",
        TalksTo::Mx,
        &[
            ("ok@parents.example", (Status::Delivered, None, 0)),
            ("gone@parents.example", (Status::Delivered, None, 1)),
            ("full@parents.example", (Status::Delivered, None, 1)),
        ],
    )
    .await;
}
