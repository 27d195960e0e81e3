//! Fix your addresses: a pile of bounce mails of every make and of replies to our own connections. The
//! list of addresses that a contact must correct holds those that are invalid, and none that met a rate
//! limit, a spam block or a full box. A corrected address leaves it after one delivery.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use mailtrail::classify::{Classifier, Reply};
use mailtrail::core::correlation::Correlation;
use mailtrail::core::event::{Bounced, Source};
use mailtrail::core::id::Identity;
use mailtrail::core::plan::{Broadcast, Contact, ContactAddress};
use mailtrail::core::token::SeenIn;
use mailtrail::core::{Feedback, Status};
use mailtrail::report::Query;
use mailtrail::sled::SledStore;
use mailtrail::{Delivery, Tracker};
use serde_json::Value;

use crate::support::report::{intake, keys, plan, return_path};

/// Replies, and whether the address is invalid. Codes and words contradict each other in some.
const REPLIES: [(&str, &str, bool); 14] = [
    ("r01", "550 5.1.1 <x@a.example>: Recipient address rejected: User unknown", true),
    ("r02", "550 No such user here", true),
    ("r03", "556 5.1.10 Recipient address has a null MX", true),
    ("r04", "550 5.4.1 Recipient address rejected: Access denied", true),
    ("r05", "551 5.1.6 The user has moved", true),
    ("r06", "550 5.1.1 too many messages from you this hour", false),
    ("r07", "421 4.7.28 Our system has detected an unusual rate of mail from your address", false),
    ("r08", "550 5.7.1 Message contains spam", false),
    ("r09", "554 5.7.1 Service unavailable; client blocked using list.example", false),
    ("r10", "552 5.2.2 mailbox is full", false),
    ("r11", "550 5.1.1 mailbox full", false),
    ("r12", "452 4.2.2 The email account that you tried to reach is over quota", false),
    ("r13", "550 5.7.26 Unauthenticated mail is not accepted (DMARC)", false),
    ("r14", "550 5.2.1 The mailbox is disabled", false),
];

/// Our own mails that speak of one recipient, and what became of it.
fn mails() -> Vec<(String, Vec<u8>, String)> {
    let folder =
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../mailtrail-bounce/tests/mails/feedback");
    let expected = fs::read_to_string(folder.join("expected.jsonl")).unwrap();
    let read = |line: &str| {
        let line: Value = serde_json::from_str(line).unwrap();
        let name = line["mail"].as_str()?.to_owned();
        let [recipient] = line["recipients"].as_array()?.as_slice() else { return None };
        let class = recipient["class"].as_str()?.to_owned();
        let mail = fs::read(folder.join(format!("{name}.eml"))).unwrap();
        Some((name, mail, class))
    };
    expected.lines().filter_map(read).collect()
}

/// A reply to a connection of ours.
async fn refused(tracker: &Tracker, classifier: &Classifier, row: &Delivery, text: &str) {
    let mut bounced = Bounced::default();
    let reply = Reply::parse(text);
    (bounced.diagnosis.reply_code, bounced.diagnosis.enhanced_code) =
        (reply.reply_code, reply.enhanced_code);
    classifier.fill(&mut bounced.diagnosis, text);
    let token = Correlation::Token { delivery: row.id(), key_id: 1, seen_in: SeenIn::ReturnPath };
    let identity = Identity::Observed(tracker.observed().unwrap());
    let mut feedback = Feedback::new(token, bounced.into(), identity, Source::known("smtp"));
    feedback.private.text = Some(text.into());
    feedback.occurred_at = Some(tracker.clock().now());
    tracker.record([feedback]).await.unwrap();
}

/// The contacts that must correct an address, each with the sentence and the rule that decided: rows
/// that failed as they are read at present, unless a later message to the contact arrived.
async fn to_correct(tracker: &Tracker) -> BTreeMap<String, (String, String)> {
    let log = tracker.email_log().await.unwrap();
    let rows = log.rows(&Query::default()).unwrap();
    let arrived: BTreeSet<_> = rows
        .iter()
        .filter(|row| row.status >= Status::Delivered)
        .map(|r| (&r.contact_id, r.planned))
        .collect();
    let mut list = BTreeMap::new();
    for row in rows.iter().filter(|row| row.status == Status::Failed) {
        let evidence = tracker.evidence(row.delivery).await.unwrap();
        let invalid = evidence.current_reason().unwrap().final_status() == Status::Failed;
        let later =
            arrived.iter().any(|(contact, at)| **contact == row.contact_id && *at >= row.planned);
        if !invalid || later {
            continue;
        }
        let explained = tracker.explain(row.delivery).await.unwrap();
        let decided = explained.decided_by.unwrap();
        let step = explained.steps.iter().find(|step| step.event_id == decided).unwrap();
        let rule = step.rule.as_deref().unwrap().to_owned();
        list.insert(row.contact_id.to_string(), (row.why.clone(), rule));
    }
    list
}

#[tokio::test]
async fn only_invalid_addresses_are_to_be_corrected_and_one_delivery_ends_it() {
    let tracker = Tracker::builder(SledStore::temporary().unwrap()).open();
    let (keys, classifier) = (keys(), Classifier::builtin().unwrap());
    let mails = mails();
    assert!(mails.len() > 80, "{}", mails.len());
    let names = mails.iter().map(|(name, ..)| name.as_str()).chain(REPLIES.map(|(name, ..)| name));
    let rows = plan(&tracker, "term", names).await;
    let intake = intake(&tracker, keys.clone(), &classifier).require_token();
    let mut invalid: BTreeSet<&str> = BTreeSet::new();
    for (name, mail, class) in &mails {
        let to = return_path(&keys, &rows[name]);
        intake.record(mail.clone().into(), Some(&to)).await.unwrap();
        if class == "failed" {
            invalid.insert(name);
        }
    }
    for (name, text, is_invalid) in REPLIES {
        refused(&tracker, &classifier, &rows[name], text).await;
        if is_invalid {
            invalid.insert(name);
        }
    }
    let list = to_correct(&tracker).await;
    let wrong: Vec<_> = list.iter().filter(|(name, _)| !invalid.contains(name.as_str())).collect();
    assert!(wrong.is_empty(), "not invalid: {wrong:#?}");
    let missed: Vec<_> = invalid.iter().filter(|name| !list.contains_key(**name)).collect();
    assert!(
        missed.len() * 50 <= invalid.len(),
        "{} of {}: {missed:?}",
        missed.len(),
        invalid.len()
    );
    for (name, (sentence, rule)) in &list {
        assert!(sentence.ends_with('.') && !rule.is_empty(), "{name}: {sentence} {rule}");
    }
    assert_eq!(list["r04"].1, "text/microsoft-directory");
    assert_eq!(list["r02"].0, "There is no such mailbox at this domain (550).");

    // The contact gives another address, and the next message arrives there.
    let corrected =
        Contact::new("r01".parse().unwrap()).address(ContactAddress::new("new@a.example"));
    let next = Broadcast::new("next-term".parse().unwrap(), "general".parse().unwrap());
    tracker.plan(next, [corrected]).await.unwrap();
    let row = tracker.queued("next-term".parse().unwrap()).next().await.unwrap().unwrap();
    let relay = "relay".parse().unwrap();
    tracker.sent(&row, &relay, "m-2").await.unwrap();
    assert!(to_correct(&tracker).await.contains_key("r01"), "sent is not arrived");
    let token = Correlation::Token { delivery: row.id(), key_id: 1, seen_in: SeenIn::ReturnPath };
    let identity = Identity::Observed(tracker.observed().unwrap());
    let arrived = mailtrail::core::event::Delivered::default().into();
    tracker.record([Feedback::new(token, arrived, identity, Source::known("dsn"))]).await.unwrap();
    let after = to_correct(&tracker).await;
    assert!(!after.contains_key("r01"));
    assert_eq!(after.len(), list.len() - 1);
}
