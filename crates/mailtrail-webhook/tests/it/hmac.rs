//! MailerSend and Mailtrap: an HMAC over the body, in hexadecimal.

use data_encoding::{HEXLOWER, HEXUPPER};
use mailtrail_core::event::Authenticity;
use mailtrail_webhook::provider::{Access, Provider, Reader, Refused, receive};
use mailtrail_webhook::{Headers, Request};
use ring::hmac;

use super::{account, classifier, ids, keys, now, open};

fn signature(key: &str, body: &[u8]) -> Vec<u8> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes());
    hmac::sign(&key, body).as_ref().to_vec()
}

#[test]
fn either_key_holds_over_these_bytes_and_no_others() {
    let body = b"{\"type\":\"activity.sent\"}\r\n";
    for (name, field) in [("mailersend", "Signature"), ("mailtrap", "Mailtrap-Signature")] {
        let provider = account(name, name, Access::new());
        let provider = provider.signing_key("old").unwrap().signing_key("new").unwrap();
        let verify = |signature: &str, body: &[u8]| {
            let headers = Headers::new().with(field, signature);
            provider.verify(&Request::new(body, now()).headers(headers))
        };
        for key in ["old", "new"] {
            let signature = signature(key, body);
            for text in [HEXLOWER.encode(&signature), HEXUPPER.encode(&signature)] {
                assert!(matches!(verify(&text, body), Ok(Authenticity::Signed { .. })), "{name}");
            }
        }
        let good = HEXLOWER.encode(&signature("new", body));
        let other = HEXLOWER.encode(&signature("other", body));
        assert_eq!(verify(&good, body.trim_ascii_end()), Err(Refused::WrongSignature));
        assert_eq!(verify(&other, body), Err(Refused::WrongSignature));
        assert_eq!(verify(&good[..62], body), Err(Refused::WrongSignature));
        assert_eq!(verify(&good[..63], body), Err(Refused::MalformedSignature));
        assert_eq!(verify("", body), Err(Refused::MissingSignature));
        let request = Request::new(body, now());
        assert_eq!(provider.verify(&request), Err(Refused::MissingSignature));
    }
}

#[test]
fn mailtrap_says_the_same_in_one_document_and_in_lines() {
    let events = ["a", "b"].map(|id| {
        format!(
            r#"{{"event":"open","event_id":"{id}","email":"ann@a.example","timestamp":1699173007}}"#
        )
    });
    let read = |content_type: Option<&str>, body: &str| {
        let headers =
            content_type.map_or(Headers::new(), |value| Headers::new().with("Content-Type", value));
        let request = Request::new(body.as_bytes(), now()).headers(headers);
        let (keys, classifier) = (keys(), classifier());
        let reader = Reader::new(&keys, classifier);
        ids(&receive(&*open("mailtrap"), &request, &reader, None).unwrap())
    };
    let batch = format!(r#"{{"version":1,"events":[{}]}}"#, events.join(","));
    let lines = format!("{}\r\n{}\n", events[0], events[1]);
    let expected = read(Some("application/json"), &batch);
    assert_eq!(expected.len(), 2);
    for (content_type, body) in [
        (None, &batch),
        (None, &lines),
        (Some("application/x-ndjson; charset=utf-8"), &lines),
        (Some("application/jsonlines"), &lines),
    ] {
        assert_eq!(read(content_type, body), expected, "{content_type:?}");
    }
    // A retry groups them otherwise.
    assert_eq!(read(Some("application/x-ndjson"), &events[1]), expected[1..]);
}

/// The forms for a first and for any opening come in addition to each other: two events of one act.
#[test]
fn mailersend_tells_a_first_opening_twice() {
    let body = |kind: &str, id: &str| {
        format!(
            r#"{{"type":"activity.{kind}","data":{{"id":"{id}","type":"{kind}","email":{{"message":{{"id":"m"}},"recipient":{{"email":"ann@a.example"}}}}}}}}"#
        )
    };
    let both = [("opened", "1"), ("opened_unique", "2")]
        .map(|(kind, id)| super::read_one("mailersend", body(kind, id).as_bytes()));
    assert_ne!(ids(&both[..1]), ids(&both[1..]));
    assert_eq!(both[0].fact.event, both[1].fact.event);
}

#[test]
fn mail_that_comes_in_belongs_to_another_url() {
    let body = br#"{"type":"inbound.message","data":{"object":"message"}}"#;
    let split = open("mailersend").split(&Request::new(body, now())).map(|elements| elements.len());
    assert_eq!(split, Err(Refused::WrongEndpoint));
}
