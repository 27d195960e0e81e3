//! `plan --follow`: the next broadcast from the rows of an old one.

use std::path::Path;

use mailtrail::Tracker;
use mailtrail::core::event::{Attempted, Bounced, Event, Private, Source};
use mailtrail::core::reason::Reason;
use mailtrail::core::{EventStoreExt, Fact, NewEvent, StreamId};
use mailtrail::fjall::FjallStore;
use serde_json::Value;

use super::{lines, mailtrail, text};

/// Three rows of `snow-day`: Ann waits, Bob is in doubt, of Cem the mailbox is full.
async fn planned(folder: &Path) {
    let csv = "contact_id,name,address,school\n\
               c1,Ann,ann@a.example,North\nc2,Bob,bob@a.example,South\nc3,Cem,cem@a.example,South\n";
    std::fs::write(folder.join("contacts.csv"), csv).unwrap();
    let plan = ["plan", "snow-day", "contacts.csv", "--kind", "emergency", "--subject", "Closed"];
    text(&mailtrail(folder, &plan));
    let tracker = Tracker::builder(FjallStore::open(folder.join("trail")).unwrap()).open();
    let mut queued = tracker.queued("snow-day".parse().unwrap());
    while let Some(delivery) = queued.next().await.unwrap() {
        let mut attempted = Attempted::default();
        attempted.attempt = 1;
        let event: Event = match delivery.address.as_given() {
            "bob@a.example" => attempted.into(),
            "cem@a.example" => Bounced::because(Reason::MailboxFull).into(),
            _ => continue,
        };
        let (fact, private) = (Fact::new(event), Private::default());
        let id = tracker.observed().unwrap();
        let event = NewEvent::new(id, &fact, &private, Source::known("smtp")).unwrap();
        let stream = StreamId::delivery(delivery.id());
        tracker.store().record(vec![(stream, event)]).await.unwrap();
    }
}

#[tokio::test]
async fn a_follow_up_goes_to_the_rows_with_these_statuses() {
    let folder = tempfile::tempdir().unwrap();
    planned(folder.path()).await;
    let follow = ["plan", "snow-day-2", "--follow", "snow-day", "--status"];
    let run = |rest: &[&str]| mailtrail(folder.path(), &[&follow[..], rest].concat());
    let first = run(&["bounced,soft_bounced,blocked,unsent"]);
    let said = String::from_utf8_lossy(&first.stderr).into_owned();
    assert!(said.contains("--on-doubt resend"), "{said}");
    assert!(said.contains("1 of the rows still wait in snow-day"), "{said}");
    let told = text(&first);
    for line in ["2  to be sent", "1  left out: an attempt is in doubt", "0  left out: the contact"]
    {
        assert!(told.contains(line), "{told}");
    }
    let log = ["report", "email-log", "snow-day-2", "--json"];
    let rows = lines(&mailtrail(folder.path(), &log));
    let of =
        |column: &str| rows.iter().map(|row| row[column].as_str().unwrap()).collect::<Vec<_>>();
    assert_eq!(of("email_address"), ["ann@a.example", "cem@a.example"]);
    assert_eq!(of("broadcast_type"), ["emergency"; 2]);
    assert_eq!(of("subject"), ["Closed"; 2]);
    assert_eq!(of("name"), ["Ann", "Cem"]);

    // Again, with the row in doubt; one who was forgotten meanwhile is told.
    text(&mailtrail(folder.path(), &["erase", "c3"]));
    let again = run(&["bounced", "--status", "unsent", "--on-doubt", "resend", "--json"]);
    let report: Value = serde_json::from_str(text(&again).trim()).unwrap();
    let counts = ["queued", "unchanged", "in_doubt", "erased"].map(|name| report[name].as_u64());
    assert_eq!(counts, [1, 1, 0, 1].map(Some));
}

#[tokio::test]
async fn what_can_be_no_follow_up_is_said() {
    let folder = tempfile::tempdir().unwrap();
    planned(folder.path()).await;
    let cases: [(&[&str], i32, &str); 9] = [
        (&["b", "--follow", "snow", "--status", "unsent"], 65, "no broadcast snow to follow"),
        (&["snow-day", "--follow", "snow-day", "--status", "unsent"], 65, "can't follow itself"),
        (&["b", "--follow", "snow-day", "--status", "duplicate"], 65, "its address"),
        (&["b", "--follow", "snow-day", "--status", "lost"], 2, "no such status"),
        (&["b", "--status", "unsent"], 2, "--follow"),
        (&["b", "--follow", "snow-day"], 2, "CONTACTS"),
        (&["b", "contacts.csv"], 2, "--kind"),
        (&["b", "contacts.csv", "--follow", "snow-day", "--status", "unsent"], 2, "--status"),
        (&["b", "contacts.csv", "--kind", "general", "--on-doubt", "resend"], 2, "--status"),
    ];
    for (arguments, code, words) in cases {
        let output = mailtrail(folder.path(), &[&["plan"], arguments].concat());
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
        assert!(said.contains(words), "{arguments:?}: {said}");
    }
    // Corrected contacts are planned into a follow-up as into any other broadcast, but not into a stranger.
    let corrected = ["plan", "b", "contacts.csv", "--kind", "emergency"];
    let follow =
        |earlier| mailtrail(folder.path(), &[&corrected[..], &["--follow", earlier]].concat());
    text(&follow("snow-day"));
    let said = String::from_utf8_lossy(&follow("other").stderr).into_owned();
    assert!(said.contains("does not follow other"), "{said}");
}
