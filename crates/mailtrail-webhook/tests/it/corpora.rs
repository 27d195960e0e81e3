//! Recorded requests: outcome, class, recipient, message id and time as their sources say.

use std::fs;
use std::io::Write;
use std::path::PathBuf;

use chrono::DateTime;
use mailtrail_core::correlation::Correlation;
use mailtrail_core::event::Authenticity;
use mailtrail_core::{Event, Feedback, Status};
use mailtrail_webhook::provider::{Access, Account, Reader, Refused, receive};
use mailtrail_webhook::{Headers, Request, Secret};
use serde_json::Value;

use super::{account, classifier, keys, namespace};

fn corpus(test: &str, name: &str) -> Option<Vec<Value>> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpora").join(name);
    let Ok(text) = fs::read_to_string(path) else {
        let line = format!("skipped (optional): {test}: ../shared/corpora is not there\n");
        print!("{line}");
        if let Some(list) = std::env::var_os("MAILTRAIL_SKIPS") {
            let mut list = fs::OpenOptions::new().append(true).create(true).open(list).unwrap();
            list.write_all(line.as_bytes()).unwrap();
        }
        return None;
    };
    let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
    let ours = |sample: &Value| Account::providers().contains(&provider(sample));
    Some(lines.filter(ours).collect())
}

/// Our name of the provider.
fn provider(sample: &Value) -> String {
    let name = sample["esp"].as_str().unwrap_or_default().to_ascii_lowercase().replace(' ', "_");
    name.trim_start_matches("amazon_").to_owned()
}

fn answer(sample: &Value) -> Result<Vec<Feedback>, Refused> {
    let (input, settings) = (&sample["input"], &sample["input"]["settings"]);
    let mut access = Access::new();
    let pairs = settings["basic_auth"].as_array().into_iter().flatten();
    for pair in pairs {
        access = access.credential(Secret::new(pair.as_str().unwrap()));
    }
    let provider = provider(sample);
    let mut account = account(&provider, &provider, access);
    // Mailgun takes the API key where no signing key is configured.
    if let Some(key) = settings["signing_key"].as_str().or(settings["api_key"].as_str()) {
        account = account.signing_key(key).unwrap();
    }
    if let Some(url) = settings["public_url"].as_str() {
        account = account.public_url(url);
    }
    let mut headers = Headers::new();
    for (name, value) in input["headers"].as_object().into_iter().flatten() {
        headers = headers.with(name, value.as_str().unwrap());
    }
    let body = input["body"]["text"].as_str().unwrap();
    let now = input["now"].as_i64().unwrap_or(1_700_000_000);
    let now = DateTime::from_timestamp(now, 0).unwrap();
    let request = Request::new(body.as_bytes(), now).headers(headers);
    let keys = keys();
    receive(&account, &request, &Reader::new(&keys, namespace(), classifier()), None)
}

fn class(feedback: &Feedback) -> &'static str {
    match &feedback.fact.event {
        Event::Complained(_) => "complained",
        Event::AutoReplied(_) => "auto_replied",
        Event::Unsubscribed(_) => "unsubscribed",
        _ => match feedback.fact.floor() {
            Some(Status::Sent) => "sent",
            Some(Status::SoftBounced) => "soft_bounced",
            Some(Status::Blocked) => "blocked",
            Some(Status::Bounced) => "bounced",
            Some(Status::Failed) => "failed",
            Some(Status::Delivered) => "delivered",
            Some(Status::Opened) => "opened",
            _ => "none",
        },
    }
}

/// What differs from the sample's answer.
fn differences(sample: &Value) -> Vec<String> {
    let expected = &sample["expected"];
    let feedback = match (answer(sample), expected["outcome"].as_str().unwrap()) {
        (Err(_), "refused") => return Vec::new(),
        (Err(refused), outcome) => return vec![format!("refused ({refused}), not {outcome}")],
        (Ok(_), "refused") => return vec!["not refused".into()],
        (Ok(feedback), _) => feedback,
    };
    let Some(events) = expected["events"].as_array() else { return Vec::new() };
    if events.len() != feedback.len() {
        return vec![format!("{} events, not {}", feedback.len(), events.len())];
    }
    let both = events.iter().zip(&feedback);
    both.flat_map(|(event, feedback)| event_differences(sample, event, feedback)).collect()
}

fn event_differences(sample: &Value, event: &Value, feedback: &Feedback) -> Vec<String> {
    let mut differences = Vec::new();
    let class = class(feedback);
    let also = event["also"].as_array().into_iter().flatten();
    if !also.chain([&event["class"]]).any(|ok| ok == class) {
        differences.push(format!("class {class}, not {}", event["class"]));
    }
    if event["recipient"].as_str() != feedback.private.recipient.as_deref() {
        differences.push("another recipient".into());
    }
    if let Some(time) = event["timestamp"].as_str() {
        let time = DateTime::parse_from_rfc3339(time).unwrap().timestamp();
        if feedback.occurred_at.is_none_or(|at| at.timestamp() != time) {
            differences.push(format!("at {:?}, not {time}", feedback.occurred_at));
        }
    }
    // The source stores an id of its own where it can; any other has to be one that the request has.
    let body = sample["input"]["body"]["text"].as_str().unwrap();
    if let (Some(id), Correlation::Key(key)) = (event["message_id"].as_str(), &feedback.correlation)
    {
        let same = id == key.message_id();
        if key.message_id().is_empty() || !same && !body.contains(key.message_id()) {
            differences.push(format!("message id {}, not {id}", key.message_id()));
        }
    }
    differences
}

#[test]
fn recorded_requests_are_read_as_their_sources_say() {
    let test = "recorded_requests_are_read_as_their_sources_say";
    let Some(samples) = corpus(test, "anymail-webhooks.jsonl") else { return };
    assert!(samples.len() >= 24, "{} samples", samples.len());
    for sample in &samples {
        let differences = differences(sample);
        let id = sample["id"].as_str().unwrap();
        if id.contains("subscription_change_bounce") {
            // The source counts the change of the provider's list as a second bounce. It is none:
            // the bounce itself comes as its own event.
            assert_eq!(differences, ["class none, not \"bounced\""], "{id}");
        } else {
            assert!(differences.is_empty(), "{id}: {differences:?}");
        }
    }
}

#[test]
fn recorded_signatures_hold_or_not_as_their_source_says() {
    let test = "recorded_signatures_hold_or_not_as_their_source_says";
    let Some(samples) = corpus(test, "webhook-signatures.jsonl") else { return };
    assert!(samples.len() >= 5, "{} samples", samples.len());
    for sample in &samples {
        let answer = answer(sample);
        let refused = sample["expected"]["outcome"] == "refused";
        assert_eq!(answer.is_err(), refused, "{}: {answer:?}", sample["id"]);
        let mut signed = answer.into_iter().flatten().map(|one| one.provenance.authenticity);
        assert!(signed.all(|how| matches!(how, Authenticity::Signed { .. })));
    }
}
