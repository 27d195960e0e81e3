//! Right to be forgotten: one person is erased. Address, name and texts are gone from the store and from new
//! exports; totals, the chain and other people's rows are unchanged.

use bytes::Bytes;
use mailtrail::Tracker;
use mailtrail::audit::{Erasure, ExportOptions, Finding, export, verify_lines, verify_store};
use mailtrail::core::EmailAddress;
use mailtrail::core::correlation::{Correlation, CorrelationKey};
use mailtrail::core::event::{Bounced, Private};
use mailtrail::core::plan::{Broadcast, Contact, ContactAddress};
use mailtrail::core::reason::Reason;
use mailtrail::core::store::RawStore;
use mailtrail::core::suppression::Scope;
use mailtrail::report::{EmailLogRow, Query};
use mailtrail::sled::{SledRaw, SledStore};

use crate::support::provider;

async fn lines(tracker: &Tracker) -> String {
    let mut lines = Vec::new();
    export(&**tracker.store(), &ExportOptions::new("trail"), &mut lines, |_| ()).await.unwrap();
    String::from_utf8(lines).unwrap()
}

async fn rows(tracker: &Tracker) -> Vec<EmailLogRow> {
    tracker.email_log().await.unwrap().rows(&Query::default()).unwrap()
}

#[tokio::test]
async fn a_person_is_forgotten_and_the_sums_stay() {
    let folder = tempfile::tempdir().unwrap();
    let tracker = Tracker::builder(SledStore::open(folder.path()).unwrap()).open();
    let raw = SledRaw::open(folder.path().join("raw")).unwrap();
    let contact = |id: &str, name: &str, address: &str| {
        let contact = Contact::new(id.parse().unwrap()).name(name.to_owned());
        contact.address(ContactAddress::new(address.to_owned())).label("school", "North")
    };
    let people = [
        contact("c1", "Ann Archer", "ann@a.example"),
        contact("c2", "Bob Baker", "bob@a.example"),
        // Shares a part of the address: not the same person.
        contact("c3", "Jim Bob", "jim.bob@a.example"),
    ];
    let plan = Broadcast::new("b".parse().unwrap(), "general".parse().unwrap());
    tracker.plan(plan, people).await.unwrap();
    // One request of the provider tells of both bounces; a stray one names Bob and nobody's message.
    let body = raw.put(Bytes::from_static(b"bob@a.example and ann@a.example")).await.unwrap();
    for (message_id, to) in
        [("m-1", "bob@a.example"), ("m-2", "ann@a.example"), ("stray", "bob@a.example")]
    {
        let key = CorrelationKey::new(provider::endpoint(), message_id, to);
        let bounced = Bounced::because(Reason::MailboxFull);
        let mut private = Private::default();
        private.text = Some(format!("552 <{to}> is full").into());
        let feedback = provider::feedback(&tracker, Correlation::Key(key), bounced);
        tracker.record([feedback.private(private).raw(body)]).await.unwrap();
    }
    let mut queued = tracker.queued("b".parse().unwrap());
    while let Some(delivery) = queued.next().await.unwrap() {
        let id = match delivery.address.as_given() {
            "bob@a.example" => "m-1",
            "ann@a.example" => "m-2",
            _ => "m-3",
        };
        tracker.sent(&delivery, &provider::endpoint(), id).await.unwrap();
    }
    let bob: EmailAddress = "bob@a.example".parse().unwrap();
    tracker.block(&bob, Scope::AllKinds, "office", Some("Bob asked for it")).await.unwrap();
    let (before, head) = (rows(&tracker).await, tracker.store().head().await.unwrap());

    let erasure = Erasure::find(&**tracker.store(), &"c2".parse().unwrap()).await.unwrap();
    assert_eq!(erasure.raw, [body]);
    assert_eq!(erasure.unreadable.len(), 1, "Ann's bounce came in the same request");
    erasure
        .erase(&**tracker.store(), &raw, tracker.states().map(|states| &**states))
        .await
        .unwrap();

    let exported = lines(&tracker).await;
    let text = exported.to_lowercase();
    for gone in ["<bob@a.example>", "\"bob@a.example\"", "bob baker", "bob asked"] {
        assert!(!text.contains(gone), "{gone}");
    }
    assert!(text.contains("ann archer") && text.contains("jim.bob@a.example"));
    assert_eq!(raw.read(body).await.unwrap(), None);
    assert_eq!(verify_lines(exported.as_bytes()).unwrap().finding, Finding::Intact);
    let verified = verify_store(&**tracker.store(), Some(head), |_| ()).await.unwrap();
    assert_eq!((verified.finding, verified.head), (Finding::Intact, head));
    assert!(
        tracker.suppression(&bob).await.unwrap().blocked_for(&"general".parse().unwrap()).is_some()
    );

    let after = rows(&tracker).await;
    let of = |rows: &[EmailLogRow], contact: &str| {
        rows.iter().find(|row| &*row.contact_id == contact).unwrap().clone()
    };
    let statuses = |rows: &[EmailLogRow]| rows.iter().map(|row| row.status).collect::<Vec<_>>();
    assert_eq!(statuses(&after), statuses(&before));
    assert_eq!(of(&after, "c1"), of(&before, "c1"));
    assert_eq!(of(&after, "c3"), of(&before, "c3"));
    assert_eq!(&*of(&after, "c2").email_address, "erased");
}
