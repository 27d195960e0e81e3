//! A change of provider: one broadcast goes out over Amazon SES, SendGrid and our own server, while a key
//! is rotated. One report, in the same words for the same fate, and nothing is lost.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use data_encoding::{BASE64, HEXLOWER};
use mailtrail::Tracker;
use mailtrail::classify::Classifier;
use mailtrail::core::Status;
use mailtrail::core::id::Endpoint;
use mailtrail::report::Query;
use mailtrail::sled::SledStore;
use mailtrail::webhook::provider::{Access, Account};
use mailtrail::webhook::{Headers, Intake, Request, Secret};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};

use crate::support::report::{intake, keys, plan, report, return_path};

const GONE: &str = "550 5.1.1 no such user here";

/// A key of SendGrid's.
struct Signer(EcdsaKeyPair);

impl Signer {
    fn new() -> Self {
        let (algorithm, random) = (&ECDSA_P256_SHA256_ASN1_SIGNING, SystemRandom::new());
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
        Self(EcdsaKeyPair::from_pkcs8(algorithm, pkcs8.as_ref(), &random).unwrap())
    }

    fn public_key(&self) -> String {
        let head = b"3059301306072a8648ce3d020106082a8648ce3d030107034200";
        let mut spki = HEXLOWER.decode(head).unwrap();
        spki.extend_from_slice(self.0.public_key().as_ref());
        BASE64.encode(&spki)
    }
}

/// The webhooks, with these keys of SendGrid's.
fn webhooks(tracker: &Tracker, signers: &[&Signer]) -> Intake {
    let account = |provider: &str, access| {
        Account::new(Endpoint::new(provider).unwrap(), provider, access).unwrap()
    };
    let sendgrid = signers.iter().fold(account("sendgrid", Access::new()), |account, signer| {
        account.signing_key(&signer.public_key()).unwrap()
    });
    let bridge = Access::new().header("X-Bridge", Secret::new("s3cret"));
    let (store, clock) = (Arc::clone(tracker.store()), Arc::clone(tracker.clock()));
    Intake::new(store, keys(), Classifier::builtin().unwrap(), move || clock.now(), || [0; 10])
        .provider(sendgrid)
        .provider(account("ses", bridge))
}

/// What SendGrid posts of this recipient's message.
async fn sendgrid(webhooks: &Intake, signer: &Signer, name: &str, event: &str, more: &str) -> u16 {
    let now = webhooks.now();
    let body = format!(
        r#"[{{"event":"{event}","email":"{name}@pupils.example","sg_message_id":"{name}-1.recv","sg_event_id":"{name}-{event}","timestamp":{}{more}}}]"#,
        now.timestamp(),
    );
    let time = now.timestamp().to_string();
    let signature =
        signer.0.sign(&SystemRandom::new(), format!("{time}{body}").as_bytes()).unwrap();
    let headers = Headers::new()
        .with("X-Twilio-Email-Event-Webhook-Signature", BASE64.encode(signature.as_ref()))
        .with("X-Twilio-Email-Event-Webhook-Timestamp", time);
    webhooks.webhook("sendgrid", &Request::new(body.as_bytes(), now).headers(headers)).await.status
}

/// What SES posts by way of `EventBridge`.
async fn ses(webhooks: &Intake, detail: &str) -> u16 {
    let now: DateTime<Utc> = webhooks.now();
    let body =
        format!(r#"{{"id":"1","detail-type":"Email Event","source":"aws.ses","detail":{detail}}}"#);
    let headers = Headers::new().with("X-Bridge", "s3cret");
    webhooks.webhook("ses", &Request::new(body.as_bytes(), now).headers(headers)).await.status
}

#[tokio::test]
async fn three_ways_and_a_rotated_key_give_one_report_in_the_same_words() {
    let tracker = Tracker::builder(SledStore::temporary().unwrap()).open();
    let names = ["ses-gone", "ses-read", "grid-gone", "grid-read", "grid-late", "own-gone"];
    let rows = plan(&tracker, "snow-day", names).await;
    for name in names {
        let way = name.split('-').next().unwrap();
        let endpoint = match way {
            "grid" => "sendgrid",
            "own" => "relay",
            other => other,
        };
        tracker.sent(&rows[name], &endpoint.parse().unwrap(), &format!("{name}-1")).await.unwrap();
    }

    let (old, new) = (Signer::new(), Signer::new());
    let before = webhooks(&tracker, &[&old]);
    let gone = format!(r#","type":"bounce","status":"5.1.1","reason":"{GONE}""#);
    assert_eq!(sendgrid(&before, &old, "grid-gone", "bounce", &gone).await, 200);
    // The new key is set there first: what it signs is refused here, and SendGrid tries again.
    assert_eq!(sendgrid(&before, &new, "grid-read", "open", "").await, 401);
    let both = webhooks(&tracker, &[&old, &new]);
    assert_eq!(sendgrid(&both, &new, "grid-read", "open", "").await, 200);
    assert_eq!(sendgrid(&both, &old, "grid-late", "delivered", "").await, 200);
    let after = webhooks(&tracker, &[&new]);
    assert_eq!(sendgrid(&after, &new, "grid-late", "open", "").await, 200);

    let mail = |name: &str| {
        format!(r#""mail":{{"messageId":"{name}-1","destination":["{name}@pupils.example"]}}"#)
    };
    let bounce = format!(
        r#"{{"eventType":"Bounce",{},"bounce":{{"bounceType":"Permanent","bounceSubType":"General","feedbackId":"f","timestamp":"2026-11-03T08:00:00Z","bouncedRecipients":[{{"emailAddress":"ses-gone@pupils.example","action":"failed","status":"5.1.1","diagnosticCode":"smtp; {GONE}"}}]}}}}"#,
        mail("ses-gone"),
    );
    let open = format!(
        r#"{{"eventType":"Open",{},"open":{{"timestamp":"2026-11-03T08:00:00Z","userAgent":"Mozilla/5.0 (X11; Linux)"}}}}"#,
        mail("ses-read"),
    );
    assert_eq!(ses(&after, &bounce).await, 200);
    assert_eq!(ses(&after, &open).await, 200);

    let classifier = Classifier::builtin().unwrap();
    let own = intake(&tracker, keys(), &classifier);
    let notice = report("own-gone@pupils.example", "5.1.1", GONE, "");
    own.record(notice, Some(&return_path(&keys(), &rows["own-gone"]))).await.unwrap();

    let log = tracker.email_log().await.unwrap();
    let rows = log.rows(&Query::default()).unwrap();
    assert_eq!(rows.len(), names.len());
    let said: BTreeMap<_, _> = rows
        .iter()
        .map(|row| {
            let words = (row.delivery_results, row.why.clone(), row.what_to_do);
            (row.contact_id.to_string(), (row.status, words))
        })
        .collect();
    for name in ["ses-read", "grid-read", "grid-late"] {
        assert_eq!(said[name].0, Status::Opened, "{name}");
    }
    let own = &said["own-gone"];
    assert_eq!(own.0, Status::Failed);
    for name in ["ses-gone", "grid-gone"] {
        assert_eq!(&said[name], own, "{name}");
    }
}
