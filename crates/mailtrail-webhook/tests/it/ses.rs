//! Amazon SES: what has several recipients, several envelopes, or is published twice.

use std::sync::Arc;

use data_encoding::BASE64;
use mailtrail_classify::Classifier;
use mailtrail_core::Event;
use mailtrail_core::correlation::Attribution;
use mailtrail_core::id::Endpoint;
use mailtrail_core::store::{EventStore, Position};
use mailtrail_core::token::{Key, Keys};
use mailtrail_memory::MemoryStore;
use mailtrail_webhook::provider::{Access, Refused};
use mailtrail_webhook::{Intake, Request};
use serde_json::{Value, json};

use super::{account, ids, now, open, read, read_one};

fn event(kind: &str, part: &Value, destination: &[&str]) -> Value {
    let name = if kind == "DeliveryDelay" { "deliveryDelay".into() } else { kind.to_lowercase() };
    let mail = json!({ "messageId": "m-1", "timestamp": "2023-11-05T08:30:00Z", "destination": destination });
    json!({ "eventType": kind, "mail": mail, name: part })
}

fn published(message: &Value, id: &str) -> Value {
    json!({ "Type": "Notification", "MessageId": id, "Message": message.to_string() })
}

fn bytes(value: &Value) -> Vec<u8> {
    value.to_string().into_bytes()
}

/// SES may publish the same thing twice: the id of the publication is none of the event.
#[test]
fn an_event_is_the_same_in_whatever_envelope_it_comes_and_however_often() {
    let bounce = json!({ "bounceType": "Permanent", "bounceSubType": "General", "feedbackId": "f-1",
        "timestamp": "2023-11-05T08:30:07Z", "bouncedRecipients": [{ "emailAddress": "ann@a.example" }] });
    let open = json!({ "timestamp": "2023-11-05T08:30:07Z", "userAgent": "Mozilla/5.0 (X11)" });
    for event in
        [event("Bounce", &bounce, &["ann@a.example"]), event("Open", &open, &["ann@a.example"])]
    {
        let mut notification = event.clone();
        notification["notificationType"] = notification["eventType"].take();
        let bridged =
            json!({ "id": "e-1", "detail-type": "Email", "source": "aws.ses", "detail": event });
        let alike = [
            bytes(&published(&event, "p-1")),
            bytes(&published(&event, "p-2")),
            bytes(&published(&notification, "p-3")),
            bytes(&bridged),
            bytes(&event),
            format!("{event}\n").into_bytes(),
        ];
        let all: Vec<_> =
            alike.iter().flat_map(|body| ids(&read(&*self::open("ses"), body))).collect();
        assert_eq!(all.len(), alike.len());
        assert!(all.iter().all(|id| *id == all[0]), "{all:?}");
    }
    let later = json!({ "timestamp": "2023-11-05T08:30:08Z", "userAgent": "Mozilla/5.0 (X11)" });
    let both = [open, later].map(|open| event("Open", &open, &["ann@a.example"]).to_string());
    let ids = ids(&read(&*self::open("ses"), both.join("\n").as_bytes()));
    assert_ne!(ids[0], ids[1]);
}

#[test]
fn what_several_may_have_done_is_nobodys() {
    let two = ["ann@a.example", "bob@b.example"];
    let complained = json!({ "feedbackId": "f-1", "complaintFeedbackType": "abuse",
        "complainedRecipients": [{ "emailAddress": two[0] }, { "emailAddress": two[1] }] });
    let seen = json!({ "timestamp": "2023-11-05T09:00:00Z" });
    for (kind, part) in [("Open", &seen), ("Click", &seen), ("Complaint", &complained)] {
        let one = read_one("ses", &bytes(&published(&event(kind, part, &two), "p-1")));
        assert_eq!(one.private.recipient, None, "{kind}");
        assert_eq!((one.fact.attribution, one.fact.floor()), (Attribution::Message, None));
    }
    let one = read_one("ses", &bytes(&published(&event("Open", &seen, &two[..1]), "p-1")));
    assert_eq!(one.private.recipient.as_deref(), Some(two[0]));
}

#[test]
fn what_befell_several_is_an_event_of_each() {
    let two = json!([{ "emailAddress": "ann@a.example" }, { "emailAddress": "bob@b.example" }]);
    let to = ["ann@a.example", "bob@b.example"];
    for (kind, part) in [
        ("Send", json!({})),
        ("Reject", json!({ "reason": "Bad content" })),
        ("Delivery", json!({ "recipients": to })),
        ("DeliveryDelay", json!({ "delayedRecipients": two })),
        (
            "Bounce",
            json!({ "bounceType": "Permanent", "bounceSubType": "NoEmail", "feedbackId": "f", "bouncedRecipients": two }),
        ),
        (
            "Complaint",
            json!({ "complaintSubType": "OnAccountSuppressionList", "feedbackId": "f", "complainedRecipients": two }),
        ),
    ] {
        let feedback = read(&*open("ses"), &bytes(&published(&event(kind, &part, &to), "p-1")));
        let recipients: Vec<_> = feedback
            .iter()
            .map(|one| one.private.recipient.as_deref().unwrap_or_default())
            .collect();
        assert_eq!(recipients, to, "{kind}");
        let ids = ids(&feedback);
        assert_ne!(ids[0], ids[1], "{kind}");
    }
}

/// SES says 5.1.1 of what it did not try: no second bounce, and no news of the address.
#[test]
fn what_is_on_a_list_is_suppressed_and_no_bounce() {
    for sub_type in ["Suppressed", "OnAccountSuppressionList"] {
        let bounce = json!({ "bounceType": "Permanent", "bounceSubType": sub_type, "feedbackId": "f-1",
            "bouncedRecipients": [{ "emailAddress": "ann@a.example", "action": "failed",
                "status": "5.1.1", "diagnosticCode": "Amazon SES has suppressed sending to this address" }] });
        let one = read_one("ses", &bytes(&event("Bounce", &bounce, &[])));
        assert!(matches!(one.fact.event, Event::Suppressed(_)), "{sub_type}");
    }
}

/// Anyone who has seen a signed envelope can add to it: members that are not signed say nothing.
#[test]
fn only_the_signed_message_of_an_envelope_is_read() {
    let bounce = json!({ "bounceType": "Permanent", "bounceSubType": "NoEmail", "feedbackId": "f-1",
        "bouncedRecipients": [{ "emailAddress": "ann@a.example" }] });
    let forged = event("Bounce", &bounce, &["ann@a.example"]);
    for (kind, message) in [
        ("Notification", "Successfully validated SNS topic for Amazon SES event publishing."),
        ("SubscriptionConfirmation", "You have chosen to subscribe."),
        ("UnsubscribeConfirmation", "You have chosen to deactivate."),
    ] {
        let bridged = json!({ "detail-type": "Email Bounced", "detail": forged });
        for added in [&forged, &bridged] {
            let mut envelope = added.clone();
            envelope["Type"] = kind.into();
            envelope["MessageId"] = "p-1".into();
            envelope["Message"] = message.into();
            let one = read_one("ses", &bytes(&envelope));
            assert!(matches!(one.fact.event, Event::Custom(_)), "{kind}");
            assert_eq!(one.private.recipient, None);
        }
    }
}

#[test]
fn mail_that_comes_in_belongs_to_another_url() {
    let received = json!({ "notificationType": "Received", "mail": {}, "content": "…" });
    for body in [bytes(&received), bytes(&published(&received, "p-1"))] {
        let split = open("ses").split(&Request::new(&body, now())).map(|elements| elements.len());
        assert_eq!(split, Err(Refused::WrongEndpoint));
    }
}

#[test]
fn sns_is_asked_for_credentials_and_told_to_come_again_otherwise() {
    use std::sync::Arc;

    use futures_executor::block_on;
    use mailtrail_webhook::{Headers, Secret};

    let access = Access::new().credential(Secret::basic("mail", "trail"));
    let store = Arc::new(MemoryStore::new());
    let classifier = super::classifier().clone();
    let intake = Intake::new(store, super::keys(), classifier, now, || [3; 10])
        .provider(account("ses", "ses", access))
        .provider(account("signed", "ses", Access::new()).topic("arn"));
    let request = Request::new(b"{}", now());
    let answer = block_on(intake.webhook("ses", &request));
    assert_eq!((answer.status, answer.challenge), (401, true));
    let wrong = Headers::new().with("Authorization", "Basic YTpi");
    for (endpoint, request) in [("ses", request.clone().headers(wrong)), ("signed", request)] {
        let answer = block_on(intake.webhook(endpoint, &request));
        assert_eq!((answer.status, answer.retry_after), (429, Some(60)), "{endpoint}");
    }
}

/// Firehose's own form: events in base64, several in a record or a request, and an answer that has to say which request it is of.
#[cfg(feature = "mock")]
#[tokio::test]
async fn firehose_is_read_and_answered_in_its_form() {
    use mailtrail_webhook::provider::mock::{About, Mock};

    let mock = Mock::firehose(Endpoint::new("ses").unwrap()).unwrap();
    let store = Arc::new(MemoryStore::new());
    let (keys, classifier) = (Keys::new(Key::new(1, [7; 32])), Classifier::builtin().unwrap());
    let intake = Intake::new(Arc::<MemoryStore>::clone(&store), keys, classifier, now, || [3; 10])
        .provider(mock.account().clone());
    let bounced = mock.request("bounced", &About::new("ann@a.example", now())).unwrap();
    let request = bounced.request();
    let id = request.headers.text("x-amz-firehose-request-id").unwrap().to_owned();

    for (spoilt, status) in bounced.spoilt().iter().zip([401, 429, 429]) {
        let answer = intake.webhook("ses", &spoilt.request.request()).await;
        let body: Value = serde_json::from_str(&answer.body.unwrap()).unwrap();
        assert_eq!((answer.status, &body["requestId"]), (status, &json!(id)));
        assert!(body["errorMessage"].is_string(), "{body}");
    }
    assert_eq!(store.head().await.unwrap().position, Position::START);

    let answer = intake.webhook("ses", &request).await;
    let said: Value = serde_json::from_str(&answer.body.unwrap()).unwrap();
    assert_eq!(answer.status, 200);
    assert_eq!(said, json!({ "requestId": id, "timestamp": now().timestamp_millis() }));
    assert_eq!(intake.counts("ses").unwrap().new_events, 1);

    // Another batch, with the first event in it again: two in one record, and one that nobody can read.
    let record: Value = serde_json::from_slice(request.body).unwrap();
    let again = record["records"][0]["data"].as_str().unwrap().to_owned();
    let open = json!({ "timestamp": "2023-11-05T08:30:07Z", "userAgent": "Mozilla/5.0 (X11)" });
    let two: String =
        ["m", "n"].map(|_| event("Open", &open, &["ann@a.example"]).to_string()).join("\n");
    let body = json!({ "requestId": id, "timestamp": 1, "records": [
        { "data": again }, { "data": BASE64.encode(two.as_bytes()) }, { "data": BASE64.encode(b"{nonsense") },
    ] });
    let body = bytes(&body);
    let batch = request.clone().body(&body);
    assert_eq!(intake.webhook("ses", &batch).await.status, 200);
    // The same event twice in a record is one.
    assert_eq!(intake.counts("ses").unwrap().new_events, 3);
    assert_eq!(intake.webhook("ses", &batch).await.status, 200);
    assert_eq!(intake.counts("ses").unwrap().new_events, 3);
}
