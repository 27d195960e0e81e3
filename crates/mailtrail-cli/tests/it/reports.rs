//! `report`: every report over one small history, as people ask for it.

use std::path::Path;

use chrono::{DateTime, TimeDelta, Utc};
use mailtrail::Tracker;
use mailtrail::core::correlation::{Correlation, CorrelationKey};
use mailtrail::core::event::{Agent, Bounced, Custom, Deferred, Delivered, Opened, Sent, Source};
use mailtrail::core::id::{Endpoint, Identity};
use mailtrail::core::plan::{Broadcast, Contact, ContactAddress};
use mailtrail::core::reason::Reason;
use mailtrail::core::{Event, Feedback};
use serde_json::{Value, json};

use super::{lines, mailtrail, text};

/// Two broadcasts to Ann, Bob and Cy: Ann's address is wrong, Bob reads, Cy's is deferred; and feedback of nobody.
async fn school() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let monday = DateTime::from_timestamp(1_790_000_000, 0).unwrap();
    let store = mailtrail::fjall::FjallStore::open(folder.path().join("trail")).unwrap();
    let tracker = Tracker::builder(store).clock(move || monday).open();
    for (broadcast, days) in [("mon", 0), ("tue", 1)] {
        let plan = Broadcast::new(broadcast.parse().unwrap(), "lunch".parse().unwrap());
        let contacts = ["ann", "bob", "cy"].map(|name| {
            let address = ContactAddress::new(format!("{name}@{name}.example"));
            Contact::new(name.parse().unwrap()).label("school", "North").address(address)
        });
        tracker
            .plan(plan.from_address("office@school.example").subject("Menu"), contacts)
            .await
            .unwrap();
        let mut queued = tracker.queued(broadcast.parse().unwrap());
        while let Some(delivery) = queued.next().await.unwrap() {
            let contact = delivery.row.contact.as_str().to_owned();
            let key = key(broadcast, &contact);
            let stream = mailtrail::core::StreamId::key(&tracker.store().namespace(), &key);
            let mut sent = Sent::default();
            sent.keys = vec![stream];
            let at = monday + TimeDelta::days(days);
            let token = mailtrail::core::StreamId::delivery(delivery.id());
            append(&tracker, token, sent.into(), at).await;
            for (event, minutes) in told(&contact) {
                record(&tracker, key.clone(), event, at + TimeDelta::minutes(minutes)).await;
            }
        }
    }
    record(&tracker, key("other", "eve"), Delivered::default().into(), monday).await;
    folder
}

fn told(contact: &str) -> Vec<(Event, i64)> {
    let mut opened = Opened::default();
    opened.agent = Agent::Human;
    let mut custom = Custom::default();
    custom.custom_type = "printed".into();
    match contact {
        "ann" => vec![(Bounced::because(Reason::UserUnknown).into(), 1)],
        "bob" => vec![
            (Delivered::default().into(), 2),
            (opened.into(), 70),
            (Bounced::because(Reason::MailboxFull).into(), 80),
            (custom.into(), 90),
        ],
        _ => vec![(Deferred::because(Reason::RateLimited).into(), 1)],
    }
}

fn key(message: &str, contact: &str) -> CorrelationKey {
    let address = format!("{contact}@{contact}.example");
    CorrelationKey::new(
        Endpoint::new("postmark").unwrap(),
        &format!("{message}-{contact}"),
        &address,
    )
}

async fn record(tracker: &Tracker, key: CorrelationKey, event: Event, at: DateTime<Utc>) {
    let observed = Identity::Observed(tracker.observed().unwrap());
    let feedback =
        Feedback::new(Correlation::Key(key), event, observed, Source::known("webhook:postmark"));
    tracker.record([feedback.claimed_at(Some(at), at)]).await.unwrap();
}

async fn append(
    tracker: &Tracker,
    stream: mailtrail::core::StreamId,
    event: Event,
    at: DateTime<Utc>,
) {
    use mailtrail::core::{AppendBatch, Expected, Fact, NewEvent, Private};
    let id = tracker.observed().unwrap();
    let event = NewEvent::new(id, &Fact::new(event), &Private::default(), Source::known("smtp"));
    let event = event.unwrap().occurred_at(Some(at));
    let batch = AppendBatch::new().write(stream, Expected::Any, vec![event]);
    tracker.store().append(batch).await.unwrap();
}

fn report(folder: &Path, arguments: &[&str]) -> Vec<Value> {
    lines(&mailtrail(folder, &[&["report"], arguments, &["--json"]].concat()))
}

fn refused(folder: &Path, arguments: &[&str]) -> String {
    let output = mailtrail(folder, &[&["report"], arguments].concat());
    assert_eq!(output.status.code(), Some(65), "{arguments:?}");
    String::from_utf8(output.stderr).unwrap()
}

#[tokio::test]
async fn every_report_is_there_in_every_way_to_ask_for_it() {
    let folder = school().await;
    let folder = folder.path();

    let invalid = report(folder, &["invalid-addresses"]);
    assert_eq!(invalid.len(), 1);
    assert_eq!((&invalid[0]["contact_id"], &invalid[0]["broadcasts"]), (&"ann".into(), &2.into()));
    assert_eq!(invalid[0]["labels"], json!({ "school": "North" }));
    assert!(report(folder, &["invalid-addresses", "--where", "school=South"]).is_empty());

    let reading = report(folder, &["reading-behaviour"]);
    let read = json!({ "count": 2, "of": 2 });
    assert_eq!((&reading[0]["broadcast_type"], &reading[0]["read"]), (&"lunch".into(), &read));
    let table = text(&mailtrail(folder, &["report", "reading-behaviour", "--by", "domain"]));
    assert!(table.contains("bob.example") && table.contains("too few to say (2 of 2)"), "{table}");

    let health = report(folder, &["domain-health"]);
    assert_eq!(health.len(), 6, "three domains, two days: {health:?}");
    assert_eq!(health[0]["given_up"]["address"], 1);
    assert_eq!(report(folder, &["domain-health", "--weekly", "--where", "contact_id=cy"]).len(), 1);

    let coverage = report(folder, &["tracking-coverage"]);
    let office = coverage.iter().find(|row| row["value"] == "office@school.example").unwrap();
    assert_eq!(office["known"], json!({ "count": 2, "of": 4 }));

    let unmatched = report(folder, &["unmatched-feedback"]);
    assert_eq!((&unmatched[0]["type"], unmatched.len()), (&"delivered".into(), 1));
    assert_eq!(unmatched[0]["source"], "webhook:postmark");
    let contradictions = report(folder, &["contradictions", "tue"]);
    assert_eq!((&contradictions[0]["contact_id"], contradictions.len()), (&"bob".into(), 1));
    let custom = report(folder, &["custom-events"]);
    assert_eq!((&custom[0]["type"], custom.len()), (&"printed".into(), 2));
    assert!(report(folder, &["custom-events", "--as-of", "3"]).is_empty());

    let times = report(folder, &["summary", "--times"]);
    assert_eq!((&times[0]["time_to_deliver_median"], &times[0]["rows"]), (&120.into(), &6.into()));
    let hours = report(folder, &["summary", "mon", "--over-time"]);
    let last = hours.last().unwrap();
    assert_eq!(hours.len(), 2, "{hours:?}");
    assert_eq!(last["statuses"]["opened"], 1);
    let compared = report(folder, &["summary", "tue", "--compare", "3"]);
    let broadcasts: Vec<_> = compared.iter().map(|row| row["broadcast"].clone()).collect();
    assert_eq!(broadcasts, ["tue", "mon"]);
}

/// The reports that are made by the values of a label.
const BY_LABEL: [&str; 8] = [
    "email-log",
    "summary",
    "invalid-addresses",
    "reading-behaviour",
    "domain-health",
    "tracking-coverage",
    "contradictions",
    "custom-events",
];

#[tokio::test]
async fn every_report_is_made_by_the_values_of_a_label() {
    let folder = school().await;
    let folder = folder.path();
    for name in BY_LABEL {
        let rows = report(folder, &[name, "--by", "school"]);
        let values: Vec<_> = rows.iter().map(|row| row["school"].as_str().unwrap()).collect();
        assert!(!values.is_empty(), "{name}");
        if name != "reading-behaviour" {
            assert!(values.is_sorted(), "{name}: {values:?}");
        }
        // Each group is what the report says of its rows alone.
        let group = values[0];
        let alone = report(folder, &[name, "--where", &format!("school={group}")]);
        if ["email-log", "domain-health", "tracking-coverage", "contradictions", "custom-events"]
            .contains(&name)
        {
            let of_group = rows.iter().filter(|row| row["school"] == group).cloned();
            let without = of_group.map(|mut row| {
                row.as_object_mut().unwrap().remove("school");
                row
            });
            assert_eq!(without.collect::<Vec<_>>(), alone, "{name}");
        }
    }
    let table = text(&mailtrail(folder, &["report", "email-log", "--by", "school"]));
    assert!(table.contains("school"), "{table}");
}

#[tokio::test]
async fn the_email_log_is_filtered_searched_sorted_and_paged() {
    let folder = school().await;
    let folder = folder.path();
    let log = |more: &[&str]| report(folder, &[&["email-log"], more].concat());
    let contacts = |rows: &[Value]| -> Vec<String> {
        rows.iter().map(|row| row["contact_id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(contacts(&log(&["tue", "--where", "Delivery Results=failed"])), ["ann"]);
    assert_eq!(contacts(&log(&["mon", "--search", "CY@"])), ["cy"]);
    assert_eq!(contacts(&log(&["mon", "--sort", "contact_id:desc"])), ["cy", "bob", "ann"]);
    let cy = log(&["mon", "--where", "contact_id=cy", "--as-of", "occurred:2030-01-01T00:00:00Z"]);
    assert!(cy[0]["why"].as_str().unwrap().contains("no news since"), "{cy:?}");

    let (mut paged, mut after) = (Vec::new(), String::new());
    loop {
        let mut asked =
            vec!["report", "email-log", "--sort", "status:desc", "--limit", "2", "--json"];
        if !after.is_empty() {
            asked.extend(["--after", &after]);
        }
        let output = mailtrail(folder, &asked);
        paged.extend(lines(&output));
        let said = String::from_utf8(output.stderr).unwrap();
        let next = said.lines().find_map(|line| line.split_once("--after ")).map(|(_, next)| next);
        let Some(next) = next else { break };
        after = next.to_owned();
    }
    assert_eq!(paged, log(&["--sort", "Delivery Results:desc"]));
    assert_eq!(contacts(&paged), ["bob", "bob", "ann", "ann", "cy", "cy"]);

    let said = refused(folder, &["email-log", "--where", "shool=North"]);
    assert!(said.contains("there is no column and no label \"shool\""), "{said}");
    assert!(refused(folder, &["email-log", "--sort", "nothing"]).contains("nothing"));
    assert!(refused(folder, &["unmatched-feedback", "mon"]).contains("no broadcast"));
    assert!(refused(folder, &["unmatched-feedback", "--by", "school"]).contains("label"));
    for report in BY_LABEL {
        assert!(refused(folder, &[report, "--by", "shool"]).contains("shool"), "{report}");
    }
}
