//! What is read of a request that is compressed, or a GET.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use mailtrail_core::{Event, EventId, Feedback};
use mailtrail_webhook::provider::{
    Access, CONTENT_LIMIT, Provider, Reader, Refused, content, receive,
};
use mailtrail_webhook::{Headers, Request, Secret};
use ring::hmac;

use super::{account, classifier, ids, keys, now, open};

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

fn received(provider: &dyn Provider, request: &Request<'_>) -> Result<Vec<Feedback>, Refused> {
    receive(provider, request, &Reader::new(&keys(), classifier()), None)
}

fn read(provider: &str, request: &Request<'_>) -> Vec<EventId> {
    ids(&received(&*open(provider), request).unwrap())
}

/// A body of each shape: an array, one object, a form.
const BODIES: [(&str, &[u8]); 3] = [
    (
        "sendgrid",
        br#"[{"event":"open","email":"a@a.example"},{"event":"open","email":"b@a.example"}]"#,
    ),
    ("postmark", br#"{"RecordType":"Delivery","MessageID":"m-1","Recipient":"a@a.example"}"#),
    ("smtp2go", b"event=delivered&rcpt=a%40a.example&email_id=m-1"),
];

#[test]
fn a_compressed_body_is_the_same() {
    for (provider, body) in BODIES {
        let compressed = gzip(body);
        for coding in ["gzip", "X-GZIP"] {
            let headers = Headers::new().with("Content-Encoding", coding);
            let request = Request::new(&compressed, now()).headers(headers.clone());
            let plain = Request::new(body, now());
            assert_eq!(read(provider, &request), read(provider, &plain), "{provider}");
            // One that says so, and isn't.
            assert_eq!(read(provider, &plain.clone().headers(headers)), read(provider, &plain));
        }
    }
}

#[test]
fn a_signature_may_be_of_either_form() {
    let key = hmac::Key::new(hmac::HMAC_SHA256, b"secret");
    let body = br#"{"events":[{"event":"delivery","email":"a@a.example"}]}"#;
    let compressed = gzip(body);
    let mailtrap = account("mailtrap", "mailtrap", Access::new()).signing_key("secret").unwrap();
    for (signed, verifies) in
        [(&body[..], true), (&compressed[..], true), (b"another body".as_slice(), false)]
    {
        let signature = data_encoding::HEXLOWER.encode(hmac::sign(&key, signed).as_ref());
        let headers =
            Headers::new().with("Content-Encoding", "gzip").with("Mailtrap-Signature", signature);
        let request = Request::new(&compressed, now()).headers(headers);
        assert_eq!(received(&mailtrap, &request).is_ok(), verifies);
    }
}

#[test]
fn what_swells_over_the_limit_is_too_large() {
    let limit = usize::try_from(CONTENT_LIMIT).unwrap();
    let headers = Headers::new().with("Content-Encoding", "gzip");
    for (bytes, fits) in [(limit, true), (limit + 1, false), (20 * limit, false)] {
        let bomb = gzip(&vec![b' '; bytes]);
        let request = Request::new(&bomb, now()).headers(headers.clone());
        let opened = content(&*open("postmark"), &request).map(|content| content.len());
        assert_eq!(opened, if fits { Ok(bytes) } else { Err(Refused::TooLarge) });
    }
}

/// The secret in the URL proves it, and is no part of the event: when it changes, the event stays.
#[test]
fn the_query_of_a_get_is_an_event_without_its_secret() {
    let event = "to=ann%40a.example&status=Error&category=NoMailbox&transaction=t-1";
    let with = |secret: &str| {
        let access = Access::new().query("key", Secret::new(secret));
        let query = format!("key={secret}&{event}");
        let request = Request::new(b"", now()).method("GET").query(Some(&query));
        received(&account("elastic_email", "elastic_email", access), &request).unwrap()
    };
    let feedback = with("old");
    assert!(matches!(feedback[0].fact.event, Event::Bounced(_)));
    assert_eq!(ids(&feedback), ids(&with("new")));
    let posted = Request::new(event.as_bytes(), now());
    assert_eq!(ids(&feedback), read("elastic_email", &posted));
    // Who sends by POST says nothing in the query.
    let get = Request::new(b"", now()).method("GET").query(Some("event=open"));
    assert!(content(&*open("sendgrid"), &get).unwrap().is_empty());
}
