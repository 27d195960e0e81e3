//! Resend: Standard Webhooks by Svix's names, and events that name all recipients.

use mailtrail_core::correlation::Attribution;
use mailtrail_core::event::Authenticity;
use mailtrail_webhook::provider::{Access, Account, Provider, Reader, Refused, receive};
use mailtrail_webhook::{Headers, Request};
use ring::hmac;

use super::{account, classifier, ids, keys, now, open, read_one};

const SECRETS: [&str; 2] = ["whsec_b2xkIHNlY3JldA==", "whsec_bmV3IHNlY3JldA=="];
const BODY: &[u8] = br#"{"type":"email.opened","created_at":"2023-11-05T08:30:07Z","data":{"email_id":"m-1","to":["ann@a.example"]}}"#;
/// That of [`now`].
const NOW: &str = "1700000000";

fn signature(secret: &str, id: &str, timestamp: &str, body: &[u8]) -> String {
    let key = data_encoding::BASE64.decode(&secret.as_bytes()[6..]).unwrap();
    let message = [id.as_bytes(), b".", timestamp.as_bytes(), b".", body].concat();
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), &message);
    format!("v1,{}", data_encoding::BASE64.encode(tag.as_ref()))
}

fn headers(prefix: &str, id: &str, timestamp: &str, signature: &str) -> Headers {
    let name = |name| format!("{prefix}-{name}");
    Headers::new()
        .with(&name("id"), id)
        .with(&name("timestamp"), timestamp)
        .with(&name("signature"), signature)
}

fn resend() -> Account {
    SECRETS.iter().fold(account("resend", "resend", Access::new()), |account, secret| {
        account.signing_key(secret).unwrap()
    })
}

#[test]
fn either_key_and_either_set_of_names_hold() {
    for secret in SECRETS {
        for prefix in ["svix", "webhook", "Svix"] {
            let good = signature(secret, "msg_1", NOW, BODY);
            for field in [good.clone(), format!("v1,AAAA v1a,{good} {good}")] {
                let headers = headers(prefix, "msg_1", NOW, &field);
                let request = Request::new(BODY, now()).headers(headers);
                assert!(matches!(resend().verify(&request), Ok(Authenticity::Signed { .. })));
            }
        }
    }
}

#[test]
fn spoiled_ones_do_not() {
    let good = signature(SECRETS[0], "msg_1", NOW, BODY);
    let early = (1_700_000_000 - 301).to_string();
    let stale = signature(SECRETS[0], "msg_1", &early, BODY);
    for (id, timestamp, field, refused) in [
        ("msg_2", NOW, good.as_str(), Refused::WrongSignature),
        ("", NOW, &good, Refused::MissingSignature),
        ("msg_1", "1700000001", &good, Refused::WrongSignature),
        ("msg_1", "", &good, Refused::MissingSignature),
        ("msg_1", &early, &stale, Refused::Stale),
        ("msg_1", NOW, "", Refused::MissingSignature),
        ("msg_1", NOW, "v1,", Refused::WrongSignature),
        ("msg_1", NOW, &good[3..], Refused::MalformedSignature),
    ] {
        let headers = headers("svix", id, timestamp, field);
        let request = Request::new(BODY, now()).headers(headers);
        assert_eq!(resend().verify(&request), Err(refused), "{id} {timestamp} {field}");
    }
    // The names of one scheme do not complete those of the other.
    let mixed = headers("svix", "msg_1", NOW, "v1,AAAA").with("webhook-signature", &good);
    let request = Request::new(BODY, now()).headers(mixed);
    assert_eq!(resend().verify(&request), Err(Refused::WrongSignature));
    let half = Headers::new().with("webhook-signature", &good).with("svix-id", "msg_1");
    let request = Request::new(BODY, now()).headers(half.with("svix-timestamp", NOW));
    assert_eq!(resend().verify(&request), Err(Refused::MissingSignature));
}

/// The id of the request stays, its time and signature are those of the try. Two openings at one time
/// are two requests.
#[test]
fn the_id_of_the_request_is_that_of_the_event() {
    let id_of = |provider: &str, headers: Headers| {
        let request = Request::new(BODY, now()).headers(headers);
        let (keys, classifier) = (keys(), classifier());
        let reader = Reader::new(&keys, classifier);
        ids(&receive(&*open(provider), &request, &reader, None).unwrap())
    };
    let of = |id: &str, timestamp: &str| id_of("resend", headers("svix", id, timestamp, "v1,AAAA"));
    assert_eq!(of("msg_1", NOW), of("msg_1", "1700007200"));
    assert_ne!(of("msg_1", NOW), of("msg_2", NOW));
    assert_eq!(
        id_of("resend", Headers::new()),
        id_of("resend", Headers::new().with("svix-id", ""))
    );
    // So do all who sign by the standard, also those that are files.
    for provider in ["ahasend", "loops"] {
        let of = |id: &str| id_of(provider, headers("webhook", id, NOW, "v1,AAAA"));
        assert_eq!(of("msg_1"), of("msg_1"));
        assert_ne!(of("msg_1"), of("msg_2"));
    }
}

#[test]
fn of_several_recipients_it_is_nobodys() {
    for (others, whose) in [
        (r#""to":["ann@a.example"]"#, Some("ann@a.example")),
        (r#""to":["Ann <ann@a.example>"],"cc":[],"bcc":null"#, Some("ann@a.example")),
        (r#""to":["ann@a.example","bob@b.example"]"#, None),
        (r#""to":["ann@a.example"],"cc":["bob@b.example"]"#, None),
        (r#""to":["ann@a.example"],"bcc":["bob@b.example"]"#, None),
        (r#""to":[]"#, None),
    ] {
        let body = format!(r#"{{"type":"email.delivered","data":{{"email_id":"m",{others}}}}}"#);
        let one = read_one("resend", body.as_bytes());
        assert_eq!(one.private.recipient.as_deref(), whose, "{others}");
        assert_eq!(one.fact.attribution == Attribution::Message, whose.is_none());
    }
}
