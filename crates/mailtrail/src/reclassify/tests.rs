use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use mailtrail_core::correlation::{Attribution, Correlation, CorrelationKey};
use mailtrail_core::diagnosis::{EnhancedCode, ReplyCode};
use mailtrail_core::event::{
    Authenticity, Bounced, Custom, Deferred, Provenance, RawHash, Reading, Source,
};
use mailtrail_core::id::{Endpoint, Identity};
use mailtrail_core::plan::{Broadcast, Contact, ContactAddress};
use mailtrail_core::reason::Reason;
use mailtrail_core::token::{Key, SeenIn};
use mailtrail_core::{DeliveryId, Event, Fact, Feedback, NewEvent, Private, Status, StreamId};
use mailtrail_memory::{MemoryRaw, MemoryStore};

use super::*;

const UNKNOWN: (&str, &str) = ("550 house rule 12", "house rule 12");

fn own(version: u32, fragment: &str, reason: Reason) -> Classifier {
    let rules = format!(
        "version = \"{version}\"\n[[rule]]\nname = \"r{version}\"\ntext = [\"{fragment}\"]\n\
         reason = \"{reason}\"\nsource = \"s\"\n"
    );
    Classifier::with_own(&rules).unwrap()
}

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_790_000_000 + seconds, 0).unwrap()
}

/// A store with one row for each name.
async fn planned(names: &[&str]) -> (Tracker, Vec<DeliveryId>) {
    let store = MemoryStore::new();
    let tracker = Tracker::builder(store).clock(|| at(9_000)).open();
    let contacts = names.iter().map(|name| {
        let address = ContactAddress::new(format!("{name}@a.example"));
        Contact::new(name.parse().unwrap()).address(address)
    });
    let broadcast = Broadcast::new("b".parse().unwrap(), "general".parse().unwrap());
    tracker.plan(broadcast, contacts).await.unwrap();
    let log = tracker.email_log().await.unwrap();
    let of = |name: &&str| log.deliveries_to(&format!("{name}@a.example")).unwrap()[0];
    let deliveries = names.iter().map(of).collect();
    (tracker, deliveries)
}

fn read_by(classifier: &Classifier, text: &str) -> Bounced {
    let mut bounced = Bounced::default();
    let reply = mailtrail_classify::Reply::parse(text);
    (bounced.diagnosis.reply_code, bounced.diagnosis.enhanced_code) =
        (reply.reply_code, reply.enhanced_code);
    classifier.fill(&mut bounced.diagnosis, text);
    bounced
}

async fn record(tracker: &Tracker, stream: StreamId, fact: Fact, text: Option<&str>, second: i64) {
    let mut private = Private::default();
    private.text = text.map(Into::into);
    let id = tracker.observed().unwrap();
    let event = NewEvent::new(id, &fact, &private, Source::known("test")).unwrap();
    let event = event.occurred_at(Some(at(second))).provenance(Provenance::observed());
    tracker.store().record(vec![(stream, event)]).await.unwrap();
}

async fn bounce(tracker: &Tracker, delivery: DeliveryId, text: &str) {
    let bounced = read_by(&Classifier::builtin().unwrap(), text);
    let stream = StreamId::delivery(delivery);
    record(tracker, stream, Fact::new(bounced.into()), Some(text), 10).await;
}

async fn all(plan: &mut Reclassify<'_>) -> (Vec<Change>, Sum) {
    let (mut changes, mut sum) = (Vec::new(), Sum::default());
    while let Some(change) = plan.next().await.unwrap() {
        sum.count(&change);
        changes.push(change);
    }
    (changes, sum)
}

async fn applied(tracker: &Tracker, classifier: &Classifier) -> Sum {
    let mut plan = tracker.reclassify(classifier);
    let (changes, sum) = all(&mut plan).await;
    let count = changes.len();
    assert_eq!(plan.apply(changes.clone(), "office").await.unwrap(), count);
    assert_eq!(plan.apply(changes, "office").await.unwrap(), 0, "again adds nothing");
    assert_eq!(all(&mut tracker.reclassify(classifier)).await.0.len(), 0);
    sum
}

#[tokio::test]
async fn a_row_moves_up_and_never_down_and_says_what_was_corrected() {
    let (tracker, deliveries) = planned(&["ann", "bob", "eva"]).await;
    bounce(&tracker, deliveries[0], UNKNOWN.0).await;
    bounce(&tracker, deliveries[1], "550 5.1.1 user unknown").await;
    bounce(&tracker, deliveries[2], "552 5.2.2 mailbox full").await;
    let sum = applied(&tracker, &own(1, UNKNOWN.1, Reason::UserUnknown)).await;
    assert_eq!(sum.moved, [((Status::Bounced, Status::Failed), 1)].into());
    assert_eq!((sum.changes, sum.another_reason), (1, 0));

    let sum = applied(&tracker, &own(2, UNKNOWN.1, Reason::PolicyRejected)).await;
    assert_eq!((sum.moved.len(), sum.another_reason, sum.corrected), (0, 1, 1));
    let evidence = tracker.evidence(deliveries[0]).await.unwrap();
    assert_eq!(evidence.status(), Status::Failed, "the floor stays");
    assert_eq!(evidence.corrected_reason(), Some(Reason::PolicyRejected));
    let row = tracker.email_log().await.unwrap().row(deliveries[0]).unwrap().unwrap();
    assert!(row.why.contains("Since corrected: policy rejected"), "{}", row.why);

    // Older rules than those that read it last change nothing, and say so.
    let older = own(1, UNKNOWN.1, Reason::UserUnknown);
    let mut plan = tracker.reclassify(&older);
    assert_eq!(all(&mut plan).await.0.len(), 0);
    assert_eq!((plan.left_alone().outranked, plan.left_alone().same), (1, 2));
}

#[tokio::test]
async fn each_row_moves_once_however_many_of_its_failures_are_read_otherwise() {
    let (tracker, deliveries) = planned(&["ann"]).await;
    bounce(&tracker, deliveries[0], UNKNOWN.0).await;
    bounce(&tracker, deliveries[0], "550 5.0.0 house rule 12, again").await;
    let sum = applied(&tracker, &own(1, UNKNOWN.1, Reason::UserUnknown)).await;
    assert_eq!((sum.changes, sum.unseen), (2, 1));
    assert_eq!(sum.moved, [((Status::Bounced, Status::Failed), 1)].into());
}

#[tokio::test]
async fn what_is_said_of_a_message_raises_nobody_and_a_key_reaches_its_rows() {
    let (tracker, _) = planned(&["ann"]).await;
    let delivery = tracker.queued("b".parse().unwrap()).next().await.unwrap().unwrap();
    let endpoint = Endpoint::new("esp").unwrap();
    tracker.sent(&delivery, &endpoint, "m-1").await.unwrap();
    let key = CorrelationKey::new(endpoint, "m-1", "ann@a.example");
    let stream = Correlation::Key(key).stream(&tracker.store().namespace());
    let builtin = Classifier::builtin().unwrap();
    let fact = |attribution| Fact::new(read_by(&builtin, UNKNOWN.0).into()).attributed(attribution);
    record(&tracker, stream, fact(Attribution::Message), Some(UNKNOWN.0), 1).await;
    let sum = applied(&tracker, &own(1, UNKNOWN.1, Reason::UserUnknown)).await;
    assert_eq!((sum.changes, sum.unseen), (1, 1));
    assert_eq!(tracker.evidence(delivery.id()).await.unwrap().status(), Status::Sent);
    record(&tracker, stream, fact(Attribution::Recipient), Some(UNKNOWN.0), 2).await;
    let sum = applied(&tracker, &own(1, UNKNOWN.1, Reason::UserUnknown)).await;
    assert_eq!(sum.moved, [((Status::Bounced, Status::Failed), 1)].into());
    let trail = tracker.trail(delivery.id()).await.unwrap();
    let reread = |e: &&Envelope| e.event.event_type.as_str() == "reclassified";
    assert!(trail.iter().filter(reread).all(|e| e.event.actor.as_deref() == Some("office")));
}

#[tokio::test]
async fn what_no_rules_decided_or_was_erased_stays() {
    let (tracker, deliveries) = planned(&["ann", "bob"]).await;
    let stream = StreamId::delivery(deliveries[0]);
    let lost = Bounced::because(Reason::ConnectionFailed);
    record(&tracker, stream, Fact::new(lost.into()), Some("connection refused"), 1).await;
    let mut expired = read_by(&Classifier::builtin().unwrap(), "450 4.2.2 full");
    (expired.diagnosis.reason, expired.diagnosis.rule) = (Reason::Expired, Some("schedule".into()));
    record(&tracker, stream, Fact::new(expired.into()), Some("450 4.2.2 full"), 2).await;
    // The text said more than its codes, which alone would say that the address is invalid.
    bounce(&tracker, deliveries[1], "550 5.1.1 mailbox full").await;
    let mut deferred = Deferred::default();
    deferred.diagnosis.reply_code = ReplyCode::new(450);
    deferred.diagnosis.enhanced_code = "4.2.2".parse::<EnhancedCode>().ok();
    deferred.diagnosis.rule = Some("reply_code".into());
    let of_bob = StreamId::delivery(deliveries[1]);
    record(&tracker, of_bob, Fact::new(deferred.into()), Some("bob@a.example: 450 4.2.2"), 3).await;
    let contact = "bob".parse().unwrap();
    let erasure = crate::audit::Erasure::find(&**tracker.store(), &contact).await.unwrap();
    erasure.erase(&**tracker.store(), &MemoryRaw::default(), None).await.unwrap();

    let classifier = Classifier::builtin().unwrap();
    let mut plan = tracker.reclassify(&classifier);
    let (changes, _) = all(&mut plan).await;
    let [change] = changes.as_slice() else { panic!("{changes:?}") };
    let reading = |reason| Some(Reading::Reason(reason));
    let expected = (reading(Reason::Unknown), reading(Reason::MailboxFull));
    assert_eq!((change.before, change.after), expected);
    assert_eq!(&*change.rows[0].address, "erased");
    assert_eq!((plan.left_alone().not_by_rules, plan.left_alone().erased), (2, 1));
}

#[tokio::test]
async fn a_mail_that_was_kept_unread_becomes_ordinary_events() {
    let (tracker, deliveries) = planned(&["ann"]).await;
    let (raw, keys) = (Arc::new(MemoryRaw::default()), Keys::new(Key::new(1, [7; 32])));
    let mail: &[u8] = b"From: MAILER-DAEMON@mx.example\r\nSubject: Undelivered\r\nMIME-Version: 1.0\r\n\
        Content-Type: multipart/report; report-type=delivery-status; boundary=x\r\n\r\n\
        --x\r\nContent-Type: text/plain\r\n\r\nSorry.\r\n\r\n--x\r\nContent-Type: message/delivery-status\r\n\r\n\
        Reporting-MTA: dns; mx.example\r\n\r\nFinal-Recipient: rfc822; ann@a.example\r\nAction: failed\r\n\
        Status: 5.1.1\r\nDiagnostic-Code: smtp; 550 5.1.1 user unknown\r\n\r\n--x--\r\n";
    let here = raw.put(Bytes::from_static(mail)).await.unwrap();
    for (second, hash) in [(1, here), (2, RawHash::of(b"expired"))] {
        let mut custom = Custom::default();
        custom.custom_type = "unread_mail".into();
        let token =
            Correlation::Token { delivery: deliveries[0], key_id: 1, seen_in: SeenIn::ReturnPath };
        let identity = Identity::Observed(tracker.observed().unwrap());
        let kept = Feedback::new(token, custom.into(), identity, Source::known("mail"));
        tracker.record([kept.raw(hash).claimed_at(Some(at(second)), at(9))]).await.unwrap();
    }
    let classifier = Classifier::builtin().unwrap();
    let mut plan = tracker.reclassify(&classifier).unread(&*raw, &keys);
    let (changes, sum) = all(&mut plan).await;
    assert_eq!((sum.from_mails, plan.left_alone().mails_gone), (1, 1));
    assert_eq!(sum.moved, [((Status::Unsent, Status::Failed), 1)].into());
    plan.apply(changes, "office").await.unwrap();
    let trail = tracker.trail(deliveries[0]).await.unwrap();
    let read = trail.last().unwrap();
    let Event::Bounced(bounced) = read.fact().unwrap().event else { panic!("{read:?}") };
    assert_eq!(bounced.diagnosis.reason, Reason::UserUnknown);
    let Authenticity::Token { seen_in, .. } = read.event.provenance.authenticity else { panic!() };
    assert_eq!(seen_in, SeenIn::ReturnPath, "as it came");
    let mut again = tracker.reclassify(&classifier).unread(&*raw, &keys);
    assert_eq!(all(&mut again).await.0.len(), 0);
}

#[cfg(feature = "webhook")]
mod hits {
    use mailtrail_core::event::Agent;
    use mailtrail_core::token::Purpose;
    use mailtrail_webhook::track::{HitRequest, Judge, Machines, hit};

    use super::*;

    /// A table that knows one gateway more.
    fn machines(sequence: u64) -> Machines {
        let entry =
            "rule = \"gate\"\nagent = \"scanner\"\nholds = [\"Gate/1\"]\nsource = \"its log\"\n";
        let table = format!(
            "version = \"{sequence}\"\nsequence = {sequence}\n[timing]\nlinks_at_once = 3\nat_once_milliseconds = 1000\n\
             beside_seconds = 10\nsame_program_seconds = 600\nreading_seconds = 2\n[conduct]\n[[machine]]\n{entry}"
        );
        Machines::from_toml(&table).unwrap()
    }

    async fn opened(tracker: &Tracker, delivery: DeliveryId, user_agent: &str) {
        let keys = Keys::new(Key::new(1, [7; 32]));
        let token = keys.sign(Purpose::Open, delivery);
        let request = HitRequest::pixel(&token, at(10)).user_agent(Some(user_agent));
        tracker.record([hit(&keys, &request, tracker.observed().unwrap()).unwrap()]).await.unwrap();
        let later = tracker.clock().now() + chrono::TimeDelta::days(9_000);
        assert_eq!(Judge::default().run(&**tracker.store(), later).await.unwrap(), 1);
    }

    #[tokio::test]
    async fn a_better_table_judges_old_hits_again_and_the_row_says_so() {
        let (tracker, deliveries) = planned(&["ann", "bob"]).await;
        opened(&tracker, deliveries[0], "Mozilla/5.0 (Gate/1; like a browser)").await;
        opened(&tracker, deliveries[1], "Mozilla/5.0 (X11)").await;
        let classifier = Classifier::builtin().unwrap();
        let better = machines(1_000);
        let unchanged = Machines::builtin();
        assert!(all(&mut tracker.reclassify(&classifier).hits(&unchanged)).await.0.is_empty());

        let mut plan = tracker.reclassify(&classifier).hits(&better);
        let (changes, sum) = all(&mut plan).await;
        assert_eq!((sum.changes, sum.other_opens, sum.unseen), (1, 1, 0));
        assert_eq!(plan.left_alone().same, 1);
        let [change] = changes.as_slice() else { panic!("{changes:?}") };
        let readings = (Some(Reading::Agent(Agent::Unknown)), Some(Reading::Agent(Agent::Scanner)));
        assert_eq!((change.before, change.after), readings);
        assert_eq!(change.rule_after.as_deref(), Some("gate"));
        let opens = || async { tracker.evidence(deliveries[0]).await.unwrap().opens() };
        assert_eq!(opens().await.unknown, 1, "a dry run changes nothing");

        assert_eq!(plan.apply(changes.clone(), "office").await.unwrap(), 1);
        assert_eq!(plan.apply(changes, "office").await.unwrap(), 0);
        assert_eq!(opens().await.unknown, 0);
        let evidence = tracker.evidence(deliveries[0]).await.unwrap();
        assert_eq!(evidence.status(), Status::Opened, "a status never moves back");
        let row = tracker.email_log().await.unwrap().row(deliveries[0]).unwrap().unwrap();
        assert!(row.why.contains("Since corrected: by a scanner"), "{}", row.why);
        let explanation = tracker.explain(deliveries[0]).await.unwrap();
        let last = explanation.steps.last().unwrap();
        assert_eq!((last.agent, last.rule.as_deref()), (Some(Agent::Scanner), Some("gate")));

        // Again, or by an older table that would say otherwise: nothing.
        for table in [&better, &machines(999), &*unchanged] {
            assert!(all(&mut tracker.reclassify(&classifier).hits(table)).await.0.is_empty());
        }
    }

    #[tokio::test]
    async fn a_hit_of_one_who_was_erased_keeps_its_verdict() {
        let (tracker, deliveries) = planned(&["ann"]).await;
        opened(&tracker, deliveries[0], "Mozilla/5.0 (Gate/1)").await;
        let contact = "ann".parse().unwrap();
        let erasure = crate::audit::Erasure::find(&**tracker.store(), &contact).await.unwrap();
        erasure.erase(&**tracker.store(), &MemoryRaw::default(), None).await.unwrap();
        let (classifier, better) = (Classifier::builtin().unwrap(), machines(1_000));
        let mut plan = tracker.reclassify(&classifier).hits(&better);
        assert!(all(&mut plan).await.0.is_empty());
        assert_eq!(plan.left_alone().erased, 1);
    }
}
