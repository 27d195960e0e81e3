//! Recorded requests: outcome, class, recipient, message id and time as their sources say.

use std::fs;
use std::io::Write;
use std::path::PathBuf;

use chrono::{DateTime, TimeDelta};
use data_encoding::BASE64;
use mailtrail_core::correlation::{Attribution, Correlation};
use mailtrail_core::event::Authenticity;
use mailtrail_core::{Event, Feedback, Status};
use mailtrail_webhook::provider::{Access, Account, Reader, Refused, receive};
use mailtrail_webhook::{Headers, Request, Secret};
use serde_json::Value;

use super::{account, classifier, keys};

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
    // Where none is set, the source takes the URL of the request.
    if let Some(url) = settings["public_url"].as_str().or(input["url"].as_str()) {
        account = account.public_url(url);
    }
    if provider == "mailgun" {
        // The source does not look at the time that is signed, and its requests are years older than
        // the rest.
        account = account.tolerance(TimeDelta::days(36_500));
    }
    let mut headers = Headers::new();
    if let Some(content_type) = input["content_type"].as_str() {
        headers = headers.with("Content-Type", content_type);
    }
    for (name, value) in input["headers"].as_object().into_iter().flatten() {
        headers = headers.with(name, value.as_str().unwrap());
    }
    let body = body(sample);
    let now = input["now"].as_i64().unwrap_or(1_700_000_000);
    // Its requests are later than what the source calls now: times to come are no times.
    let now = if provider == "unisender_go" { 1_800_000_000 } else { now };
    let now = DateTime::from_timestamp(now, 0).unwrap();
    let mut request = Request::new(&body, now).headers(headers);
    if let Some(pem) = settings["certificate_pem"].as_str() {
        // The source verifies no topic and no time: those of the request.
        let envelope: Value = serde_json::from_slice(&body).unwrap();
        account = account.topic(envelope["TopicArn"].as_str().unwrap());
        let time = DateTime::parse_from_rfc3339(envelope["Timestamp"].as_str().unwrap()).unwrap();
        request.now = time.to_utc();
        request = request.certificate(pem);
    }
    let keys = keys();
    receive(&account, &request, &Reader::new(&keys, classifier()), None)
}

fn body(sample: &Value) -> Vec<u8> {
    let body = &sample["input"]["body"];
    let encoded = body["b64"].as_str().map(|text| BASE64.decode(text.as_bytes()).unwrap());
    encoded.unwrap_or_else(|| body["text"].as_str().unwrap().into())
}

fn class(feedback: &Feedback) -> &'static str {
    let mut fact = feedback.fact.clone();
    if feedback.private.recipient.is_none() {
        // The source asks what it is. For us it is that of nobody, and raises no status.
        assert_eq!(fact.attribution, Attribution::Message);
        fact.attribution = Attribution::Recipient;
    }
    match &fact.event {
        Event::Complained(_) => "complained",
        Event::AutoReplied(_) => "auto_replied",
        Event::Unsubscribed(_) => "unsubscribed",
        _ => match fact.floor() {
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
    if sample["input"]["method"] == "HEAD" {
        // Of an endpoint that we have the router says so.
        assert_eq!(expected["outcome"], "ignored");
        return Vec::new();
    }
    let feedback = match (answer(sample), expected["outcome"].as_str().unwrap()) {
        (Err(_), "refused" | "config-error") => return Vec::new(),
        (Err(refused), outcome) => return vec![format!("refused ({refused}), not {outcome}")],
        (Ok(_), "refused") => return vec!["not refused".into()],
        (Ok(feedback), _) => feedback,
    };
    let Some(events) = expected["events"].as_array() else { return Vec::new() };
    if events.is_empty() && feedback.iter().all(|one| class(one) == "none") {
        // What the source leaves out we keep, and it raises nothing.
        return Vec::new();
    }
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
    let body = body(sample);
    let has = |id: &str| String::from_utf8_lossy(&body).contains(id);
    if let (Some(id), Correlation::Key(key)) = (event["message_id"].as_str(), &feedback.correlation)
    {
        let same = id.trim_matches(['<', '>']) == key.message_id();
        if key.message_id().is_empty() || !same && !has(key.message_id()) {
            differences.push(format!("message id {}, not {id}", key.message_id()));
        }
    }
    differences
}

/// Where we say something else than the source, and why.
fn deviations(id: &str) -> &'static [&'static str] {
    let is = |name| id.contains(name);
    match () {
        // The source counts the change of the provider's list as a second bounce. It is none: the bounce
        // itself comes as its own event.
        () if is("subscription_change_bounce") => &["class none, not \"bounced\""],
        // The source leaves the upper of two pixels out, so as to count a view once; whoever counts
        // events counts a view twice then. For us one more open of a delivery changes nothing, and a
        // mail that was cut off above the lower pixel was opened too.
        () if is("initial_open_event_as_unknown") || is("amp_events") => {
            &["class opened, not \"none\""]
        }
        // With neither key nor credentials the source warns, and we refuse.
        () if is("resend/ResendWebhookSettingsTestCase/basic_auth_required_without_secret") => &[
            "refused (no credential, key, address or public URL is configured that would verify it: \
              configure one), not events",
        ],
        // What Resend says that it did not try, as the address is on a list, is no bounce.
        () if is("resend/ResendTestCase/suppressed_event") => &["class blocked, not \"bounced\""],
        // It is held until someone verifies the domain: Mailtrap does not go on trying.
        () if is("mailtrap/MailtrapDeliveryTestCase/suspension_event") => {
            &["class none, not \"soft_bounced\""]
        }
        // The source takes the time at which SNS published it. That of the event is another, and what
        // has none of its own has none.
        () if is("amazon_ses/AmazonSESNotificationsTests/bounce_event") => {
            &["at Some(2016-01-27T14:59:44.101Z), not 1522087139"]
        }
        () if is("amazon_ses/AmazonSESNotificationsTests/delivery_event") => {
            &["at Some(2016-01-27T14:59:38.237Z), not 1522087139"]
        }
        () if is("amazon_ses/AmazonSESNotificationsTests/open_event") => {
            &["at Some(2017-08-09T22:00:19.652Z), not 1522087139"]
        }
        () if is("amazon_ses/AmazonSESNotificationsTests/click_event") => {
            &["at Some(2017-08-09T23:51:25.570Z), not 1522087139"]
        }
        () if is("amazon_ses/AmazonSESNotificationsTests/reject_event")
            || is("amazon_ses/AmazonSESNotificationsTests/rendering_failure_event") =>
        {
            &["at None, not 1522087139"]
        }
        () => &[],
    }
}

#[test]
fn recorded_requests_are_read_as_their_sources_say() {
    let test = "recorded_requests_are_read_as_their_sources_say";
    let Some(samples) = corpus(test, "anymail-webhooks.jsonl") else { return };
    assert!(samples.len() >= 195, "{} samples", samples.len());
    for sample in &samples {
        let differences = differences(sample);
        let id = sample["id"].as_str().unwrap();
        assert_eq!(differences, deviations(id), "{id}");
    }
}

#[test]
fn recorded_signatures_hold_or_not_as_their_source_says() {
    let test = "recorded_signatures_hold_or_not_as_their_source_says";
    let Some(samples) = corpus(test, "webhook-signatures.jsonl") else { return };
    assert!(samples.len() >= 19, "{} samples", samples.len());
    for sample in &samples {
        let answer = answer(sample);
        let refused = sample["expected"]["outcome"] == "refused";
        assert_eq!(answer.is_err(), refused, "{}: {answer:?}", sample["id"]);
        let mut signed = answer.into_iter().flatten().map(|one| one.provenance.authenticity);
        assert!(signed.all(|how| matches!(how, Authenticity::Signed { .. })));
    }
}
