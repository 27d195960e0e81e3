//! Unisender Go's digest in the body.

use mailtrail_core::event::{Authenticity, RawHash};
use mailtrail_webhook::provider::{Access, Account, Provider, Refused};
use mailtrail_webhook::{Headers, Request};
use md5::{Digest, Md5};
use proptest::prelude::*;

use super::{account, ids, now, open, read, read_one};

const BATCH: &str = r#"{ "auth" : "AUTH", "events_by_user":[{"user_id":1,"events":[
    {"event_name":"transactional_email_status","event_data":{"job_id":"j1","email":"ann@a.example","status":"sent","event_time":"2023-11-05 08:13:20"}},
    {"event_name":"transactional_email_status","event_data":{"job_id":"j1","email":"bob@b.example","status":"opened","event_time":"2023-11-05 08:13:21"}}]}]}"#;
const FLAT: &str = r#"{"event_name":"transactional_email_status","job_id":"j1","email":"ann@a.example","status":"sent","event_time":"2023-11-05 08:13:20","auth":"AUTH"}"#;

fn sign(key: &str, body: &str) -> String {
    let digest = Md5::digest(body.replacen("AUTH", key, 1));
    body.replacen("AUTH", &data_encoding::HEXLOWER.encode(&digest), 1)
}

fn unisender(keys: &[&str]) -> Account {
    let unisender = account("unisender_go", "unisender_go", Access::new());
    keys.iter().fold(unisender, |unisender, key| unisender.signing_key(key).unwrap())
}

fn verify(provider: &Account, body: &str) -> Result<Authenticity, Refused> {
    provider.verify(&Request::new(body.as_bytes(), now()))
}

#[test]
fn a_signature_by_any_configured_key_holds_and_is_named() {
    let provider = unisender(&["old", "new"]);
    for (key, body) in [("old", BATCH), ("new", BATCH), ("new", FLAT)] {
        let key_id = RawHash::of(key.as_bytes()).to_string()[..8].into();
        assert_eq!(verify(&provider, &sign(key, body)), Ok(Authenticity::Signed { key_id }));
    }
    assert_eq!(verify(&provider, &sign("other", BATCH)), Err(Refused::WrongSignature));
}

#[test]
fn what_is_missing_or_no_signature_is_refused() {
    let provider = unisender(&["key"]);
    let with = |auth: &str| FLAT.replace("\"AUTH\"", auth);
    for auth in ["\"\"", "\" \"", "0", "null", "[]", "{}"] {
        assert_eq!(verify(&provider, &with(auth)), Err(Refused::MissingSignature), "{auth}");
    }
    let md5_of_nothing = "\"d41d8cd98f00b204e9800998ecf8427e\"";
    for (auth, refused) in [
        ("\":\"", Refused::MalformedSignature),
        ("\"{\"", Refused::MalformedSignature),
        ("\"key\"", Refused::MalformedSignature),
        ("\"d41d8cd98f00b204e9800998ecf8427\"", Refused::MalformedSignature),
        // Written with an escape it stands nowhere in the body.
        ("\"\\u00641d8cd98f00b204e9800998ecf8427e\"", Refused::MalformedSignature),
        (md5_of_nothing, Refused::WrongSignature),
    ] {
        assert_eq!(verify(&provider, &with(auth)), Err(refused), "{auth}");
    }
    assert_eq!(verify(&provider, ""), Err(Refused::MissingSignature));
    let reserialised = sign("key", BATCH).replace(" : ", ":");
    assert_eq!(verify(&provider, &reserialised), Err(Refused::WrongSignature));
}

/// Neither the signature nor the header field `ID`, which is of the attempt, is a part of the event.
#[test]
fn a_retry_is_the_same_event() {
    let provider = unisender(&[]);
    let identity = |key: &str, id: &str| {
        let (body, headers) = (sign(key, FLAT), Headers::new().with("ID", id));
        let request = Request::new(body.as_bytes(), now()).headers(headers);
        provider.split(&request).unwrap()[0].identity()
    };
    assert_eq!(identity("old", "1"), identity("new", "2"));
    let all = read(&*open("unisender_go"), BATCH.as_bytes());
    let (head, events) = BATCH.split_once('\n').unwrap();
    let (first, second) = events.split_once("}},\n").unwrap();
    let alone = [format!("{head}{first}}}}}]}}]}}"), format!("{head}{second}")];
    let alone = alone.iter().flat_map(|body| ids(&read(&*open("unisender_go"), body.as_bytes())));
    assert_eq!(ids(&all), alone.collect::<Vec<_>>());
}

#[test]
fn times_are_utc() {
    let at = read_one("unisender_go", FLAT.as_bytes()).occurred_at;
    assert_eq!(at.unwrap().to_rfc3339(), "2023-11-05T08:13:20+00:00");
}

proptest! {
    #[test]
    fn no_tampered_request_verifies(at in 0_usize..10_000, bit in 0_u8..7) {
        let mut body = sign("key", BATCH).into_bytes();
        let at = at % body.len();
        body[at] ^= 1 << bit;
        let body = String::from_utf8(body).unwrap();
        // Hexadecimal digits have no case.
        prop_assume!(!body.eq_ignore_ascii_case(&sign("key", BATCH)) || bit != 5);
        prop_assert!(verify(&unisender(&["key"]), &body).is_err());
    }
}
