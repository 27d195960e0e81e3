//! Mailgun's signature in the body, and what may not be mistaken for it.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta};
use futures_executor::block_on;
use mailtrail_core::event::Authenticity;
use mailtrail_memory::MemoryStore;
use mailtrail_webhook::provider::{Access, Account, Provider, Refused};
use mailtrail_webhook::{Headers, Intake, Request};
use proptest::prelude::*;
use ring::hmac;
use serde_json::{Value, json};

use super::{account, classifier, form, ids, keys, namespace, now, open, read};

const KEY: &str = "key-of-the-account";
const TOKEN: &str = "0123456789abcdef0123456789abcdef0123456789abcdef01";
const EVENT: &str =
    r#"{"event":"opened","id":"e1","recipient":"ann@a.example","timestamp":1700000000.5}"#;

fn sign(key: &str, timestamp: &str, token: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes());
    let signature = hmac::sign(&key, format!("{timestamp}{token}").as_bytes());
    data_encoding::HEXLOWER.encode(signature.as_ref())
}

fn signature(key: &str) -> Value {
    let timestamp = now().timestamp().to_string();
    json!({ "timestamp": timestamp, "token": TOKEN, "signature": sign(key, &timestamp, TOKEN) })
}

fn body(signature: &Value) -> String {
    format!(r#"{{ "signature": {signature}, "event-data": {EVENT} }}"#)
}

fn mailgun(keys: &[&str]) -> Account {
    let mailgun = account("mailgun", "mailgun", Access::new());
    keys.iter().fold(mailgun, |mailgun, key| mailgun.signing_key(key).unwrap())
}

fn verify(provider: &Account, body: &str) -> Result<Authenticity, Refused> {
    provider.verify(&Request::new(body.as_bytes(), now()))
}

/// The event is not signed: that somebody knows the key, or saw a request, is all that is proven.
#[test]
fn a_signature_by_any_configured_key_holds_and_proves_a_secret() {
    let provider = mailgun(&["old", "new"]);
    for key in ["old", "new"] {
        assert_eq!(verify(&provider, &body(&signature(key))), Ok(Authenticity::SharedSecret));
    }
    assert_eq!(verify(&provider, &body(&signature("other"))), Err(Refused::WrongSignature));
}

/// Who saw a request has its token, and could put any event behind it.
#[test]
fn a_token_is_for_the_event_that_it_came_with() {
    let store = Arc::new(MemoryStore::with(namespace(), Arc::new(now)));
    let intake =
        Intake::new(store, keys(), classifier().clone(), now, || [0; 10]).provider(mailgun(&[KEY]));
    let post =
        |body: &str| block_on(intake.webhook("mailgun", &Request::new(body.as_bytes(), now())));
    let seen = body(&signature(KEY));
    assert_eq!(post(&seen).status, 200);
    assert_eq!(post(&seen).status, 200, "Mailgun tries again");
    let forged = seen.replace("\"e1\"", "\"e2\"").replace("opened", "complained");
    assert_eq!(verify(&mailgun(&[KEY]), &forged), Ok(Authenticity::SharedSecret));
    assert_eq!(post(&forged).status, 401);
    let counts = intake.counts("mailgun").unwrap();
    assert_eq!(
        (counts.repeated, counts.new_events, counts.refused),
        (1, 1, [(Refused::Reused, 1)].into())
    );
}

#[test]
fn the_parent_account_signs_for_its_subaccounts() {
    let mut both = signature("of the subaccount");
    both["parent-signature"] = signature("of the parent")["signature"].clone();
    for key in ["of the subaccount", "of the parent"] {
        assert_eq!(verify(&mailgun(&[key]), &body(&both)), Ok(Authenticity::SharedSecret));
    }
    assert_eq!(verify(&mailgun(&[KEY]), &body(&both)), Err(Refused::WrongSignature));
}

#[test]
fn what_is_missing_or_no_signature_is_refused() {
    let good = signature(KEY);
    let with = |name: &str, value: Value| {
        let mut signature = good.clone();
        signature[name] = value;
        body(&signature)
    };
    let hex = good["signature"].as_str().unwrap();
    for (body, refused) in [
        (EVENT.to_owned(), Refused::MissingSignature),
        (String::new(), Refused::MissingSignature),
        ("nonsense".to_owned(), Refused::MissingSignature),
        (body(&Value::Null), Refused::MissingSignature),
        (with("signature", Value::Null), Refused::MissingSignature),
        (with("signature", json!("")), Refused::MissingSignature),
        (with("signature", json!([hex])), Refused::MissingSignature),
        (with("token", Value::Null), Refused::MissingSignature),
        (with("timestamp", Value::Null), Refused::MissingSignature),
        (with("signature", json!("no hex")), Refused::MalformedSignature),
        (with("signature", json!(format!("{hex}0"))), Refused::MalformedSignature),
        (with("signature", json!(format!("{hex}00"))), Refused::WrongSignature),
        (with("signature", json!(hex[2..])), Refused::WrongSignature),
        (with("token", json!("other")), Refused::WrongSignature),
        (with("timestamp", json!("1700000001")), Refused::WrongSignature),
    ] {
        assert_eq!(verify(&mailgun(&[KEY]), &body), Err(refused), "{body}");
    }
    // Upper case is the same number.
    let upper = with("signature", json!(hex.to_ascii_uppercase()));
    assert!(verify(&mailgun(&[KEY]), &upper).is_ok());
}

/// An outage of ours lasts hours, and a retry may bear the time of the first attempt.
#[test]
fn a_retry_holds_for_a_day_and_longer_only_if_configured() {
    let body = body(&signature(KEY));
    let at = |provider: &Account, later: TimeDelta| {
        provider.verify(&Request::new(body.as_bytes(), now() + later))
    };
    let day = TimeDelta::hours(24);
    let provider = mailgun(&[KEY]);
    for fresh in [-day, TimeDelta::hours(8), day] {
        assert!(at(&provider, fresh).is_ok(), "{fresh}");
    }
    for stale in [-day - TimeDelta::seconds(1), day + TimeDelta::seconds(1)] {
        assert_eq!(at(&provider, stale), Err(Refused::Stale), "{stale}");
    }
    assert!(at(&provider.tolerance(TimeDelta::days(7)), TimeDelta::days(6)).is_ok());
}

/// The token is of the attempt: the event is the same.
#[test]
fn a_retry_that_is_signed_again_is_the_same_event() {
    let of = |event: &str, token: &str| {
        let body = format!(r#"{{"event-data":{event},"signature":{{"token":"{token}"}}}}"#);
        ids(&read(&*open("mailgun"), body.as_bytes()))
    };
    assert_eq!(of(EVENT, "1"), of(EVENT, "2"));
    let without_id = EVENT.replace(r#""id":"e1","#, "");
    assert_eq!(of(&without_id, "1"), of(&without_id, "2"));
    assert_ne!(of(&without_id, "1"), of(&without_id.replace("opened", "clicked"), "1"));

    let legacy = |token: &str| {
        let fields =
            [("event", "opened"), ("recipient", "ann@a.example"), ("timestamp", "1700000000")];
        let fields: Vec<_> =
            fields.into_iter().chain([("token", token), ("signature", token)]).collect();
        ids(&read(&*open("mailgun"), &form(&fields)))
    };
    assert_eq!(legacy("1"), legacy("2"));
}

#[test]
fn a_legacy_form_is_signed_by_the_last_of_its_fields() {
    let timestamp = now().timestamp().to_string();
    let signature = sign(KEY, &timestamp, TOKEN);
    // What stands before comes from a user variable.
    let fields = [
        ("event", "opened"),
        ("recipient", "ann@a.example"),
        ("token", "x"),
        ("timestamp", "1"),
        ("signature", "y"),
        ("timestamp", &timestamp),
        ("token", TOKEN),
        ("signature", &signature),
    ];
    let body = form(&fields);
    let provider = mailgun(&["old", KEY]);
    assert_eq!(provider.verify(&Request::new(&body, now())), Ok(Authenticity::SharedSecret));
    let late = Request::new(&body, now() + TimeDelta::days(2));
    assert_eq!(provider.verify(&late), Err(Refused::Stale));
    let spoilt = form(&fields[..5]);
    assert!(provider.verify(&Request::new(&spoilt, now())).is_err());
    let unsigned = form(&fields[..2]);
    let answer = provider.verify(&Request::new(&unsigned, now()));
    assert_eq!(answer, Err(Refused::MissingSignature));

    let parts = fields.map(|(name, value)| {
        format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
    });
    let multipart = parts.concat() + "--b--\r\n";
    let headers = Headers::new().with("content-type", "multipart/form-data; boundary=b");
    let request = Request::new(multipart.as_bytes(), now()).headers(headers);
    assert_eq!(provider.verify(&request), Ok(Authenticity::SharedSecret));
    let elements = provider.split(&request).unwrap();
    let urlencoded = provider.split(&Request::new(&body, now())).unwrap();
    assert_eq!(elements[0].identity(), urlencoded[0].identity());
}

#[test]
fn mail_that_comes_in_belongs_elsewhere() {
    let body = form(&[("recipient", "office@school.example"), ("sender", "ann@a.example")]);
    let answer = open("mailgun").split(&Request::new(&body, now()));
    assert_eq!(answer.unwrap_err(), Refused::WrongEndpoint);
}

#[test]
fn times_keep_their_microseconds() {
    let body = r#"{"event-data":{"event":"opened","recipient":"ann@a.example","timestamp":1534108637.153125}}"#;
    let at = super::read_one("mailgun", body.as_bytes()).occurred_at;
    assert_eq!(at, DateTime::from_timestamp_micros(1_534_108_637_153_125));
}

proptest! {
    #[test]
    fn no_tampered_signature_verifies(at in 0_usize..1_000, name in "timestamp|token|signature", to: char) {
        let mut signature = signature(KEY);
        let mut text: Vec<char> = signature[&name].as_str().unwrap().chars().collect();
        let at = at % text.len();
        prop_assume!(!text[at].eq_ignore_ascii_case(&to));
        text[at] = to;
        signature[&name] = text.into_iter().collect::<String>().into();
        prop_assert!(verify(&mailgun(&[KEY]), &body(&signature)).is_err());
    }
}
