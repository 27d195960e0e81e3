//! Requests of providers, verified and read as an account with the sample's settings would.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, TimeDelta, Utc};
use mailtrail_classify::Classifier;
use mailtrail_core::correlation::Correlation;
use mailtrail_core::id::Endpoint;
use mailtrail_core::token::Keys;
use mailtrail_core::{Feedback, Namespace};
use mailtrail_webhook::provider::{Access, Account, Provider as _, Reader, read_verified};
use mailtrail_webhook::{Headers, Request, Secret};
use serde_json::{Value, json};

use super::class_of;

/// What is made of a request: its events, or why it is refused.
pub(super) fn answer(
    sample: &Value,
    keys: &Keys,
    classifier: &Classifier,
) -> Result<Value, String> {
    let input = &sample["input"];
    let account = account(sample)?;
    let body = bytes(&input["body"])?;
    let now = match input["now"].as_i64() {
        Some(now) => DateTime::from_timestamp(now, 0).ok_or("`now` is no time")?,
        None => {
            published(&body).unwrap_or(DateTime::from_timestamp(EVERYDAY, 0).unwrap_or_default())
        }
    };
    let mut headers = Headers::new();
    for (name, value) in input["headers"].as_object().into_iter().flatten() {
        headers = headers.with(name, value.as_str().unwrap_or_default());
    }
    if let Some(content_type) = input["content_type"].as_str()
        && headers.only("content-type").is_none()
    {
        headers = headers.with("Content-Type", content_type);
    }
    let query = input["url"].as_str().and_then(|url| url.split_once('?')).map(|(_, query)| query);
    if input["method"].as_str().is_some_and(|method| method != "POST") {
        return Ok(json!({ "outcome": "ignored", "events": [] }));
    }
    let request = Request::new(&body, now).headers(headers).query(query);
    let reader = Reader::new(keys, classifier);
    let read = account.verify(&request).and_then(|authenticity| {
        // Signatures are as old as the sample says. Of what is read no time is to come, whenever the
        // sample was made.
        let mut later = request.clone();
        later.now = DateTime::from_timestamp(LATER, 0).unwrap_or(now);
        read_verified(&account, &later, &reader, authenticity, None)
    });
    Ok(match read {
        Err(refused) => json!({ "outcome": "refused", "reason": refused.name() }),
        Ok(feedback) => {
            let mut events: Vec<Value> = feedback.iter().map(event).collect();
            let stored = stored_ids(&body);
            if stored.len() == events.len() {
                for (event, id) in events.iter_mut().zip(stored) {
                    event["message_id"] = id;
                }
            }
            let nothing = events.iter().all(|event| event["class"] == "none");
            json!({ "outcome": if nothing { "ignored" } else { "events" }, "events": events })
        }
    })
}

/// The account that a sample's settings describe.
fn account(sample: &Value) -> Result<Account, String> {
    let name = sample["esp"].as_str().or_else(|| sample["input"]["esp"].as_str());
    let name = name.unwrap_or_default().to_lowercase().replace(' ', "_");
    let name = name.trim_start_matches("amazon_");
    let settings = &sample["input"]["settings"];
    let mut access = Access::new();
    let credentials: Vec<&str> =
        settings["basic_auth"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let signing_key = settings["signing_key"].as_str().or_else(|| settings["api_key"].as_str());
    let certificate = settings["certificate_pem"].as_str();
    if credentials.is_empty() && signing_key.is_none() && certificate.is_none() {
        access = access.unauthenticated();
    }
    for credential in credentials {
        access = access.credential(Secret::new(credential));
    }
    let endpoint = Endpoint::new(name).map_err(|error| error.to_string())?;
    let mut account = Account::new(endpoint, name, access).map_err(|error| error.to_string())?;
    if let Some(key) = signing_key {
        account = account.signing_key(key).map_err(|error| error.to_string())?;
    }
    // Where none is set, the sources take the URL of the request.
    if let Some(url) = settings["public_url"].as_str().or_else(|| sample["input"]["url"].as_str()) {
        account = account.public_url(url);
    }
    if let Some(pem) = certificate {
        // The sources trust any topic that is signed for.
        let body: Value =
            serde_json::from_slice(&bytes(&sample["input"]["body"])?).unwrap_or_default();
        let topic = body["TopicArn"].as_str().unwrap_or_default();
        account = account.topic(topic).certificate(pem).map_err(|error| error.to_string())?;
    }
    if name == "mailgun" {
        // The sources don't look at the time that is signed, and sign with times of long ago.
        account = account.tolerance(TimeDelta::days(36_500));
    }
    Ok(account)
}

fn event(feedback: &Feedback) -> Value {
    let message_id = match &feedback.correlation {
        Correlation::Key(key) => Some(key.message_id().to_owned()),
        Correlation::Message { message_id, .. } => Some(message_id.to_string()),
        _ => None,
    };
    json!({
        "class": class_of(&feedback.fact.event),
        "type": feedback.fact.event.type_name(),
        "recipient": feedback.private.recipient,
        "message_id": message_id.filter(|id| !id.is_empty()),
        "timestamp": feedback.occurred_at.map(|at| at.to_rfc3339()),
        "event_id": feedback.event_id(&Namespace::from_bytes([0; 16])),
        "rule": feedback.provenance.rule,
    })
}

/// The ids that the samples' sender put into its own metadata, in their order: where each element has
/// one, that is the message id that its receiver answers. A receiver of ours finds a token there instead.
fn stored_ids(body: &[u8]) -> Vec<Value> {
    fn collect(value: &Value, ids: &mut Vec<Value>) {
        match value {
            Value::Object(object) => {
                ids.extend(object.get("anymail_id").cloned());
                object.values().for_each(|value| collect(value, ids));
            }
            Value::Array(items) => items.iter().for_each(|value| collect(value, ids)),
            _ => {}
        }
    }
    let mut ids = Vec::new();
    collect(&serde_json::from_slice(body).unwrap_or_default(), &mut ids);
    ids
}

/// When Amazon SNS says that it published the request.
fn published(body: &[u8]) -> Option<DateTime<Utc>> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let at = DateTime::parse_from_rfc3339(body["Timestamp"].as_str()?).ok()?;
    Some(at.to_utc())
}

/// The bytes of a body or mail.
pub(super) fn bytes(value: &Value) -> Result<Vec<u8>, String> {
    match (value["text"].as_str(), value["b64"].as_str()) {
        (Some(text), _) => Ok(text.as_bytes().to_vec()),
        (None, Some(encoded)) => STANDARD.decode(encoded).map_err(|error| error.to_string()),
        (None, None) => Err("the input has neither `text` nor `b64`".to_owned()),
    }
}

/// Where a sample does not say when it came.
const EVERYDAY: i64 = 1_700_000_000;
/// After all that any sample tells of: the year 2100.
const LATER: i64 = 4_102_444_800;
