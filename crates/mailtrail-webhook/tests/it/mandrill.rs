//! Mandrill's signature over the URL and the form, and its set-up.

use data_encoding::BASE64;
use mailtrail_core::event::{Authenticity, RawHash};
use mailtrail_webhook::provider::{Access, Account, Provider, Refused};
use mailtrail_webhook::{Headers, Request, Secret};
use proptest::prelude::*;
use ring::hmac;

use super::{account, form, ids, now, open, read, read_one};

const URL: &str = "https://mail.school.example/webhooks/mandrill?a=b";
const EVENTS: &str = r#"[{"event":"send","_id":"m1","msg":{"email":"ann@a.example"},"ts":1700000000},
    {"event":"open","_id":"m2","msg":{"email":"bob@b.example","ts":1600000000},"ts":1700000001}]"#;

fn sign(key: &str, url: &str, fields: &[(&str, &str)]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, key.as_bytes());
    let mut message = url.to_owned();
    let mut sorted = fields.to_vec();
    sorted.sort_unstable();
    for (name, value) in sorted {
        message.push_str(name);
        message.push_str(value);
    }
    BASE64.encode(hmac::sign(&key, message.as_bytes()).as_ref())
}

fn mandrill(keys: &[&str]) -> Account {
    let mandrill = account("mandrill", "mandrill", Access::new()).public_url(URL);
    keys.iter().fold(mandrill, |mandrill, key| mandrill.signing_key(key).unwrap())
}

fn verify(provider: &Account, signature: &str, body: &[u8]) -> Result<Authenticity, Refused> {
    // Gateways change the case of names.
    let headers = Headers::new().with("X-MANDRILL-Signature", signature);
    provider.verify(&Request::new(body, now()).headers(headers))
}

#[test]
fn a_signature_by_any_configured_key_holds_and_is_named() {
    let provider = mandrill(&["old", "new"]);
    let fields = [("z", "ä & b"), ("mandrill_events", EVENTS), ("a", "")];
    for key in ["old", "new"] {
        let key_id = RawHash::of(key.as_bytes()).to_string()[..8].into();
        let answer = verify(&provider, &sign(key, URL, &fields), &form(&fields));
        assert_eq!(answer, Ok(Authenticity::Signed { key_id }));
    }
    let other = sign("other", URL, &fields);
    assert_eq!(verify(&provider, &other, &form(&fields)), Err(Refused::WrongSignature));
}

#[test]
fn what_is_missing_or_no_signature_is_refused() {
    let (provider, fields) = (mandrill(&["key"]), [("mandrill_events", EVENTS)]);
    let (good, body) = (sign("key", URL, &fields), form(&fields));
    for (signature, refused) in [
        ("", Refused::MissingSignature),
        ("no Base64!", Refused::MalformedSignature),
        (&format!("{good}AAAA"), Refused::MalformedSignature),
        ("aW52YWxpZA==", Refused::WrongSignature),
        (
            &sign("key", "http://mail.school.example/webhooks/mandrill?a=b", &fields),
            Refused::WrongSignature,
        ),
        (&sign("key", URL, &[]), Refused::WrongSignature),
        (&sign("key", "", &fields), Refused::WrongSignature),
        (&sign("test-webhook", URL, &fields), Refused::WrongSignature),
    ] {
        assert_eq!(verify(&provider, signature, &body), Err(refused), "{signature}");
    }
    let unsigned = provider.verify(&Request::new(&body, now()));
    assert_eq!(unsigned, Err(Refused::MissingSignature));
    let more = form(&[fields[0], ("more", "")]);
    assert_eq!(verify(&provider, &good, &more), Err(Refused::WrongSignature));
    assert_eq!(verify(&provider, &good, EVENTS.as_bytes()), Err(Refused::WrongSignature));
}

/// Without the URL nothing can be verified: that is ours to correct, and Mandrill's to try again.
#[test]
fn without_the_public_url_the_refusal_is_ours() {
    let provider = account("mandrill", "mandrill", Access::new()).signing_key("key").unwrap();
    let fields = [("mandrill_events", EVENTS)];
    let answer = verify(&provider, &sign("key", URL, &fields), &form(&fields));
    assert_eq!(answer, Err(Refused::NotConfigured));
    assert!(Refused::NotConfigured.is_ours());
}

/// Mandrill shows the key only after a first post, which nobody's key has signed.
#[test]
fn it_can_be_set_up_before_the_key_is_known() {
    let (none, events) = ([("mandrill_events", "[]")], [("mandrill_events", EVENTS)]);
    for provider in [mandrill(&[]), mandrill(&["key"])] {
        let signature = sign("test-webhook", URL, &none);
        assert_eq!(verify(&provider, &signature, &form(&none)), Ok(Authenticity::None));
        assert_eq!(provider.split(&Request::new(&form(&none), now())).unwrap().len(), 0);
        assert!(verify(&provider, &sign("other", URL, &none), &form(&none)).is_err());
        // With that key nobody can say anything.
        assert!(verify(&provider, &sign("test-webhook", URL, &events), &form(&events)).is_err());
    }
    // What comes in between is tried again.
    let answer = verify(&mandrill(&[]), &sign("key", URL, &events), &form(&events));
    assert_eq!(answer, Err(Refused::NotConfigured));
}

/// The credentials of the URL are signed too: with any pair that the endpoint accepts.
#[test]
fn credentials_of_the_url_may_be_rotated() {
    let access = ["old", "new"].map(|password| Secret::basic("mail", password));
    let access = access.into_iter().fold(Access::new(), Access::credential);
    let fields = [("mandrill_events", EVENTS)];
    let urls = [URL.to_owned(), URL.replace("//", "//mail:old@")];
    for (public, password, holds) in [
        (&urls[0], "old", true),
        (&urls[0], "new", true),
        (&urls[1], "new", true),
        (&urls[1], "other", false),
    ] {
        let provider = account("mandrill", "mandrill", access.clone()).public_url(public);
        let provider = provider.signing_key("key").unwrap();
        let signature = sign("key", &URL.replace("//", &format!("//mail:{password}@")), &fields);
        let basic = BASE64.encode(format!("mail:{password}").as_bytes());
        let headers = Headers::new()
            .with("authorization", format!("Basic {basic}"))
            .with("x-mandrill-signature", signature);
        let body = form(&fields);
        let answer = provider.verify(&Request::new(&body, now()).headers(headers));
        assert_eq!(answer.is_ok(), holds, "{public} {password}");
    }
}

#[test]
fn a_retry_in_other_batches_gives_the_same_events() {
    let provider = open("mandrill");
    let both = ids(&read(&*provider, &form(&[("mandrill_events", EVENTS)])));
    let elements: Vec<serde_json::Value> = serde_json::from_str(EVENTS).unwrap();
    let alone = elements.into_iter().map(|element| {
        let batch = serde_json::Value::Array(vec![element]).to_string();
        ids(&read(&*provider, &form(&[("mandrill_events", &batch)])))
    });
    assert_eq!(both, alone.flatten().collect::<Vec<_>>());
}

/// The time of the message is when it was sent.
#[test]
fn the_time_is_that_of_the_event() {
    let event =
        r#"[{"event":"open","msg":{"email":"a@a.example","ts":1600000000},"ts":1650000000}]"#;
    let at = read_one("mandrill", &form(&[("mandrill_events", event)])).occurred_at;
    assert_eq!(at.unwrap().timestamp(), 1_650_000_000);
}

#[test]
fn mail_that_comes_in_belongs_elsewhere() {
    let body = form(&[("mandrill_events", r#"[{"event":"inbound","msg":{}}]"#)]);
    let answer = open("mandrill").split(&Request::new(&body, now()));
    assert_eq!(answer.unwrap_err(), Refused::WrongEndpoint);
}

proptest! {
    #[test]
    fn no_tampered_request_verifies(at in 0_usize..10_000, bit in 0_u8..7, in_signature: bool) {
        let (provider, fields) = (mandrill(&["key"]), [("mandrill_events", EVENTS)]);
        let mut signature = BASE64.decode(sign("key", URL, &fields).as_bytes()).unwrap();
        let mut events = EVENTS.as_bytes().to_vec();
        let bytes = if in_signature { &mut signature } else { &mut events };
        let at = at % bytes.len();
        bytes[at] ^= 1 << bit;
        let events = String::from_utf8(events).unwrap();
        let answer = verify(&provider, &BASE64.encode(&signature), &form(&[("mandrill_events", &events)]));
        prop_assert_eq!(answer, Err(Refused::WrongSignature));
    }
}
