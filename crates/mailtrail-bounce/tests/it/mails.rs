//! Mails of many systems, as we know that they write, and mails that are none of them.

use std::fs;
use std::path::PathBuf;

use mailtrail_bounce::{Kind, Recipient};
use mailtrail_classify::Classifier;
use mailtrail_core::{Event, Status};
use serde_json::Value;

use crate::read;

pub(crate) fn folder(name: &str) -> Vec<(String, Vec<u8>)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/mails").join(name);
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mails = paths.filter(|path| path.extension().is_some_and(|extension| extension == "eml"));
    let mut mails: Vec<_> = mails
        .map(|path| {
            (path.file_stem().unwrap().to_str().unwrap().to_owned(), fs::read(&path).unwrap())
        })
        .collect();
    mails.sort();
    mails
}

#[test]
fn two_hundred_ordinary_mails_are_no_feedback() {
    let mails = folder("ordinary");
    assert_eq!(mails.len(), 200);
    for (name, mail) in mails {
        let reading = read(&mail, None).unwrap();
        assert_eq!(reading.recipients, [], "{name}");
        assert!(matches!(reading.kind, Kind::NotFeedback | Kind::AuthenticationReport), "{name}");
    }
}

#[test]
fn what_mail_systems_write_is_understood() {
    let path =
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/mails/feedback/expected.jsonl");
    let expected = fs::read_to_string(path).unwrap();
    let mails = folder("feedback");
    assert_eq!(mails.len(), expected.lines().count());
    let classifier = Classifier::builtin().unwrap();
    for line in expected.lines() {
        let expected: Value = serde_json::from_str(line).unwrap();
        let (name, mail) = mails.iter().find(|(name, _)| expected["mail"] == **name).unwrap();
        let reading = read(mail, None).unwrap();
        assert_eq!(serde_json::to_value(reading.kind).unwrap(), expected["kind"], "{name}");
        let mut found: Vec<_> = reading.recipients.iter().map(|r| of(r, &classifier)).collect();
        let mut wanted: Vec<_> =
            expected["recipients"].as_array().unwrap().iter().map(wanted).collect();
        found.sort();
        wanted.sort();
        for (found, wanted) in found.iter_mut().zip(&wanted) {
            // A code is compared where one is expected.
            found.2 = found.2.take().filter(|_| wanted.2.is_some());
        }
        assert_eq!(found, wanted, "{name}: {:?}", reading.recipients);
    }
}

type Said = (Option<String>, String, Option<String>);

fn wanted(value: &Value) -> Said {
    let text = |name: &str| value[name].as_str().map(str::to_owned);
    (
        text("recipient").map(|address| address.to_lowercase()),
        text("class").unwrap(),
        text("status"),
    )
}

fn of(recipient: &Recipient, classifier: &Classifier) -> Said {
    let class = match recipient.event(classifier) {
        Event::Deferred(_) => "soft_bounced",
        Event::Bounced(bounced) if bounced.diagnosis.reason.final_status() == Status::Failed => {
            "failed"
        }
        Event::Bounced(_) => "bounced",
        Event::Complained(_) => "complained",
        Event::AutoReplied(_) => "auto_replied",
        Event::Delivered(_) => "delivered",
        Event::Sent(_) => "sent",
        Event::Opened(_) => "opened",
        other => panic!("{other:?}"),
    };
    let address = recipient.recipient.as_ref().map(|address| address.to_lowercase());
    (address, class.to_owned(), recipient.enhanced_code.map(|code| code.to_string()))
}
