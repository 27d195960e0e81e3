//! The signature of Amazon SNS, with keys and certificates made for the test (`tests/keys`).

use chrono::{DateTime, TimeDelta, Utc};
use data_encoding::BASE64;
use mailtrail_core::event::Authenticity;
use mailtrail_webhook::provider::{Access, Account, KeyError, Provider, Refused};
use mailtrail_webhook::{Headers, Request, Secret};
use proptest::prelude::*;
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use serde_json::{Value, json};

use super::{account, now};

pub(super) const SNS: (&[u8], &str) =
    (include_bytes!("../keys/sns.pk8"), include_str!("../keys/sns.pem"));
/// The one that follows it: with a region in its name, and no other name.
const NEXT: (&[u8], &str) =
    (include_bytes!("../keys/sns-next.pk8"), include_str!("../keys/sns-next.pem"));
/// Signed and valid, but for another host.
const STRANGER: (&[u8], &str) =
    (include_bytes!("../keys/stranger.pk8"), include_str!("../keys/stranger.pem"));
/// By the key of SNS, of [`validated`] at version 1.
const SHA_1: &str = include_str!("../keys/sns-sha1.signature");

const TOPIC: &str = "arn:aws:sns:eu-west-1:123456789012:mail";
pub(super) const URL: &str =
    "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0a1b2c.pem";
const EVENT: &str =
    r#"{"eventType":"Send","mail":{"messageId":"m","destination":["ann@a.example"]}}"#;

pub(super) fn envelope() -> Value {
    json!({
        "Type": "Notification", "MessageId": "p-1", "TopicArn": TOPIC, "Subject": " Amazon \u{e9} ",
        "Message": EVENT, "Timestamp": "2023-11-14T22:10:00.000Z", "SignatureVersion": "2",
        "SigningCertURL": URL,
    })
}

pub(super) fn confirmation() -> Value {
    json!({
        "Type": "SubscriptionConfirmation", "MessageId": "p-2", "TopicArn": TOPIC, "Token": "t0ken",
        "Message": "You have chosen to subscribe to the topic.", "SigningCertURL": URL,
        "SubscribeURL": "https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription",
        "Timestamp": "2023-11-14T22:10:00.000Z", "SignatureVersion": "2",
    })
}

/// Says the lines that are signed again, from the documentation.
pub(super) fn sign(mut envelope: Value, key: &[u8]) -> Value {
    let names: &[&str] = match envelope["Type"].as_str() {
        Some("Notification") => {
            &["Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"]
        }
        _ => &["Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"],
    };
    let line = |name: &&str| Some(format!("{name}\n{}\n", envelope[*name].as_str()?));
    let message: String = names.iter().filter_map(line).collect();
    let key = RsaKeyPair::from_pkcs8(key).unwrap();
    let mut signature = vec![0; key.public().modulus_len()];
    key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message.as_bytes(), &mut signature).unwrap();
    envelope["Signature"] = BASE64.encode(&signature).into();
    envelope
}

pub(super) fn ses() -> Account {
    account("ses", "ses", Access::new()).topic(TOPIC)
}

fn pinned(certificates: &[&str]) -> Account {
    certificates.iter().fold(ses(), |ses, pem| ses.certificate(pem).unwrap())
}

fn verify(account: &Account, envelope: &Value) -> Result<Authenticity, Refused> {
    verify_at(account, envelope, now())
}

fn verify_at(
    account: &Account,
    envelope: &Value,
    now: DateTime<Utc>,
) -> Result<Authenticity, Refused> {
    account.verify(&Request::new(envelope.to_string().as_bytes(), now))
}

#[test]
fn notifications_and_confirmations_hold_by_any_pinned_certificate() {
    let provider = pinned(&[SNS.1, NEXT.1]);
    let mut key_ids = Vec::new();
    for key in [SNS.0, NEXT.0] {
        for unsigned in [envelope(), confirmation()] {
            let Ok(Authenticity::Signed { key_id }) = verify(&provider, &sign(unsigned, key))
            else {
                panic!("not verified");
            };
            key_ids.push(key_id);
        }
    }
    key_ids.dedup();
    assert_eq!(key_ids.len(), 2);
    let by_next = sign(envelope(), NEXT.0);
    assert_eq!(verify(&pinned(&[SNS.1]), &by_next), Err(Refused::WrongSignature));
    // Without a subject there is no line for it.
    let mut bare = envelope();
    bare.as_object_mut().unwrap().remove("Subject");
    assert!(verify(&provider, &sign(bare, SNS.0)).is_ok());
}

fn validated() -> Value {
    json!({
        "Type": "Notification", "MessageId": "m-1", "TopicArn": TOPIC,
        "Message": "Successfully validated SNS topic for Amazon SES event publishing.",
        "Timestamp": "2023-11-14T22:10:00.000Z", "SignatureVersion": "1", "Signature": SHA_1,
        "SigningCertURL": URL,
    })
}

#[test]
fn version_1_is_sha_1_and_no_other_than_1_and_2_is_any() {
    let provider = pinned(&[SNS.1]);
    assert!(verify(&provider, &validated()).is_ok());
    for (version, refused) in [
        (json!("2"), Refused::WrongSignature),
        (json!("3"), Refused::MalformedSignature),
        (json!(1), Refused::MalformedSignature),
        (json!(null), Refused::MalformedSignature),
    ] {
        let mut other = validated();
        other["SignatureVersion"] = version;
        assert_eq!(verify(&provider, &other), Err(refused));
    }
    let mut other = sign(envelope(), SNS.0);
    other["SignatureVersion"] = "1".into();
    assert_eq!(verify(&provider, &other), Err(Refused::WrongSignature));
}

#[test]
fn sha_1_may_be_refused() {
    let provider = pinned(&[SNS.1]).require_sha256();
    assert_eq!(verify(&provider, &validated()), Err(Refused::WeakSignature));
    assert!(verify(&provider, &sign(envelope(), SNS.0)).is_ok());
}

#[test]
fn whatever_is_signed_can_not_be_changed() {
    let provider = pinned(&[SNS.1]);
    for good in [sign(envelope(), SNS.0), sign(confirmation(), SNS.0)] {
        let signed = ["Message", "MessageId", "Subject", "SubscribeURL", "Timestamp", "Token"];
        for name in signed {
            let mut spoiled = good.clone();
            let Some(text) = good[name].as_str() else { continue };
            spoiled[name] = format!("{text} ").into();
            assert_eq!(verify(&provider, &spoiled), Err(Refused::WrongSignature), "{name}");
            spoiled.as_object_mut().unwrap().remove(name);
            let gone = if name == "Subject" {
                Refused::WrongSignature
            } else {
                Refused::MalformedSignature
            };
            assert_eq!(verify(&provider, &spoiled), Err(gone), "{name}");
        }
    }
    let good = sign(envelope(), SNS.0);
    let signature = good["Signature"].as_str().unwrap();
    for (name, value, refused) in [
        ("Signature", json!(""), Refused::MissingSignature),
        ("Signature", json!(null), Refused::MissingSignature),
        ("Signature", json!("no base64!"), Refused::MalformedSignature),
        ("Signature", json!(format!("{signature}AAAA")), Refused::MalformedSignature),
        ("Signature", json!("AAAA"), Refused::WrongSignature),
        ("Type", json!("SubscriptionConfirmation"), Refused::MalformedSignature),
        ("Type", json!("Other"), Refused::MalformedSignature),
        ("Type", json!(null), Refused::MalformedSignature),
        // A valid signature proves only that some account at Amazon sent it.
        ("TopicArn", json!("arn:aws:sns:eu-west-1:999999999999:mail"), Refused::WrongTopic),
        ("TopicArn", json!(null), Refused::WrongTopic),
        (
            "SigningCertURL",
            json!(
                "https://sns.eu-west-1.amazonaws.com.example/SimpleNotificationService-0a1b2c.pem"
            ),
            Refused::UntrustedHost,
        ),
        (
            "SigningCertURL",
            json!("https://bucket.s3.amazonaws.com/SimpleNotificationService-0a1b2c.pem"),
            Refused::UntrustedHost,
        ),
        ("SigningCertURL", json!(null), Refused::UntrustedHost),
    ] {
        let mut spoiled = good.clone();
        spoiled[name] = value;
        assert_eq!(verify(&provider, &spoiled), Err(refused), "{name}");
    }
}

#[test]
fn the_topic_of_another_account_is_refused_with_a_good_signature() {
    let mut other = envelope();
    other["TopicArn"] = "arn:aws:sns:eu-west-1:999999999999:mail".into();
    let other = sign(other, SNS.0);
    let provider = pinned(&[SNS.1]);
    assert_eq!(verify(&provider, &other), Err(Refused::WrongTopic));
    let both = provider.topic("arn:aws:sns:eu-west-1:999999999999:mail");
    assert!(verify(&both, &other).is_ok());
}

#[test]
fn it_must_be_of_this_hour() {
    let (provider, good) = (pinned(&[SNS.1]), sign(envelope(), SNS.0));
    let published = DateTime::parse_from_rfc3339("2023-11-14T22:10:00Z").unwrap().to_utc();
    for (after, holds) in
        [(0, true), (3_600, true), (3_601, false), (-3_600, true), (-3_601, false)]
    {
        let answer = verify_at(&provider, &good, published + TimeDelta::seconds(after));
        let expected = if holds { None } else { Some(Refused::Stale) };
        assert_eq!(answer.err(), expected, "{after}");
    }
    let patient = provider.tolerance(TimeDelta::days(4));
    assert!(verify_at(&patient, &good, published + TimeDelta::days(3)).is_ok());
}

#[test]
fn a_certificate_is_of_sns_and_valid_now() {
    // What a signature is worth, a stranger's certificate does not say.
    let by_stranger = sign(envelope(), STRANGER.0);
    assert_eq!(verify(&pinned(&[STRANGER.1]), &by_stranger), Err(Refused::WrongCertificate));
    for (at, holds) in [
        ("2022-12-31T23:59:59Z", false),
        ("2023-01-01T00:00:00Z", true),
        ("2024-12-31T23:59:59Z", true),
        ("2025-01-01T00:00:00Z", false),
    ] {
        let mut then = envelope();
        then["Timestamp"] = at.into();
        let at = DateTime::parse_from_rfc3339(at).unwrap().to_utc();
        let answer = verify_at(&pinned(&[SNS.1]), &sign(then, SNS.0), at);
        assert_eq!(answer.err(), (!holds).then_some(Refused::WrongCertificate), "{at}");
    }
    let key = include_str!("../keys/postal.pem");
    for bad in ["", "nonsense", key, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"]
    {
        assert_eq!(ses().certificate(bad).unwrap_err(), KeyError::Certificate);
    }
}

#[test]
fn the_certificate_is_fetched_from_amazon_only_and_only_where_it_is_missing() {
    let good = sign(envelope(), SNS.0).to_string();
    let request = Request::new(good.as_bytes(), now());
    assert_eq!(ses().wants(&request).as_deref(), Some(URL));
    assert_eq!(ses().verify(&request), Err(Refused::NotConfigured));
    let fetched = request.clone().certificate(SNS.1);
    assert_eq!(ses().wants(&fetched), None);
    assert!(ses().verify(&fetched).is_ok());
    assert_eq!(ses().verify(&request.clone().certificate(NEXT.1)), Err(Refused::WrongSignature));
    assert_eq!(ses().verify(&request.clone().certificate("")), Err(Refused::WrongCertificate));
    // What is pinned is not to be talked out of.
    assert_eq!(pinned(&[NEXT.1]).wants(&request), None);
    assert_eq!(pinned(&[NEXT.1]).verify(&fetched), Err(Refused::WrongSignature));

    let wants = |account: &Account, name: &str, value: &str| {
        let mut other = envelope();
        other[name] = value.into();
        let other = sign(other, SNS.0).to_string();
        account.wants(&Request::new(other.as_bytes(), now()))
    };
    assert_eq!(wants(&ses(), "TopicArn", "arn:aws:sns:eu-west-1:999999999999:mail"), None);
    assert_eq!(
        wants(
            &ses(),
            "SigningCertURL",
            "https://sns.evil.example/SimpleNotificationService-0a.pem"
        ),
        None
    );
    assert_eq!(
        wants(&ses(), "SigningCertURL", "https://localhost/SimpleNotificationService-0a.pem"),
        None
    );
    let strict = Access::new().credential(Secret::basic("a", "b"));
    let strict = account("ses", "ses", strict).topic(TOPIC);
    assert_eq!(strict.wants(&request), None);
    let shown = request.headers(Headers::new().with("Authorization", "Basic YTpi"));
    assert_eq!(strict.wants(&shown).as_deref(), Some(URL));
    for name in ["postmark", "sendgrid", "resend"] {
        assert_eq!(account(name, name, Access::new()).wants(&shown), None);
    }
}

#[test]
fn without_a_topic_nothing_verifies_and_without_both_credentials_do() {
    let good = sign(envelope(), SNS.0);
    let topicless = account("ses", "ses", Access::new()).certificate(SNS.1).unwrap();
    assert_eq!(verify(&topicless, &good), Err(Refused::NotConfigured));
    let plain = account("ses", "ses", Access::new().credential(Secret::basic("a", "b")));
    assert_eq!(verify(&plain, &good), Err(Refused::MissingCredentials));
    let body = good.to_string();
    let shown = Headers::new().with("Authorization", "Basic YTpi");
    let request = Request::new(body.as_bytes(), now()).headers(shown);
    assert_eq!(plain.verify(&request), Ok(Authenticity::SharedSecret));
    // With both, both must hold.
    let both = plain.topic(TOPIC).certificate(SNS.1).unwrap();
    assert_eq!(verify(&both, &good), Err(Refused::MissingCredentials));
    assert!(matches!(both.verify(&request), Ok(Authenticity::Signed { .. })));
}

#[test]
fn what_has_no_envelope_has_no_signature() {
    for body in [EVENT, "", "[]", "nonsense"] {
        let request = Request::new(body.as_bytes(), now());
        assert_eq!(pinned(&[SNS.1]).verify(&request), Err(Refused::MissingSignature), "{body}");
    }
}

#[test]
fn the_header_field_repeats_the_type() {
    let body = sign(envelope(), SNS.0).to_string();
    for (named, holds) in [("Notification", true), ("SubscriptionConfirmation", false), ("", false)]
    {
        let headers = Headers::new().with("X-Amz-Sns-Message-Type", named);
        let request = Request::new(body.as_bytes(), now()).headers(headers);
        assert_eq!(pinned(&[SNS.1]).verify(&request).is_ok(), holds, "{named}");
    }
}

proptest! {
    #[test]
    fn no_tampered_signature_verifies(at in 0_usize..256, bit in 0_u8..8) {
        let mut good = sign(envelope(), SNS.0);
        let mut signature = BASE64.decode(good["Signature"].as_str().unwrap().as_bytes()).unwrap();
        signature[at] ^= 1 << bit;
        good["Signature"] = BASE64.encode(&signature).into();
        prop_assert_eq!(verify(&pinned(&[SNS.1]), &good), Err(Refused::WrongSignature));
    }
}
