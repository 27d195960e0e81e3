//! `ZeptoMail`: lists in lists, and documents in forms.

use std::fmt::Write;

use data_encoding::BASE64;
use mailtrail_core::Event;
use mailtrail_core::correlation::Correlation;
use mailtrail_core::reason::Reason;
use mailtrail_webhook::provider::{Access, Provider, Refused};
use mailtrail_webhook::{Headers, Request};
use ring::hmac;

use super::{account, form, ids, now, open, read};

const BOUNCES: &str = r#"{"event_name":["hardbounce"],"webhook_request_id":"w-1","mailagent_key":"k","event_message":[
    {"request_id":"m-1","email_info":{"to":[{"email_address":{"address":"ann@a.example"}},{"email_address":{"address":"bob@b.example"}}]},
     "event_data":[{"object":"error","details":[
        {"reason":"Invalid mailbox","bounced_recipient":"ann@a.example","time":"2023-03-26T17:14:02+05:30","diagnostic_message":"delivery failed"},
        {"reason":"Other","bounced_recipient":"bob@b.example","time":"2023-03-26T17:14:03+05:30","diagnostic_message":"452 4.2.2 mailbox full"}]}]},
    {"request_id":"m-2","email_info":{"to":[{"email_address":{"address":"cay@c.example"}}]},"event_data":[]}]}"#;

fn reason(event: &Event) -> Option<Reason> {
    let Event::Bounced(bounced) = event else { return None };
    Some(bounced.diagnosis.reason)
}

#[test]
fn each_detail_of_each_message_is_an_event() {
    let read = read(&*open("zeptomail"), BOUNCES.as_bytes());
    let told: Vec<_> = read
        .iter()
        .map(|one| (one.private.recipient.as_deref(), reason(&one.fact.event).unwrap()))
        .collect();
    assert_eq!(
        told,
        [
            (Some("ann@a.example"), Reason::UserUnknown),
            (Some("bob@b.example"), Reason::MailboxFull),
            (Some("cay@c.example"), Reason::Unknown),
        ]
    );
    assert_eq!(read[0].occurred_at.unwrap().to_rfc3339(), "2023-03-26T11:44:02+00:00");
    let Correlation::Key(key) = &read[1].correlation else { panic!() };
    assert_eq!((key.message_id(), key.recipient()), ("m-1", "bob@b.example"));
}

#[test]
fn a_document_in_a_form_is_the_same() {
    let plain = read(&*open("zeptomail"), BOUNCES.as_bytes());
    let body = form(&[("version", "1"), ("data", BOUNCES)]);
    assert_eq!(ids(&plain), ids(&read(&*open("zeptomail"), &body)));
}

#[test]
fn an_event_is_the_same_whatever_else_comes_with_it() {
    let all = ids(&read(&*open("zeptomail"), BOUNCES.as_bytes()));
    let (head, rest) = BOUNCES.split_once("{\"reason\":\"Invalid").unwrap();
    let (_, rest) = rest.split_once("},\n").unwrap();
    let alone = format!("{head}{}", rest.trim_start()).replace("w-1", "w-2");
    let alone = ids(&read(&*open("zeptomail"), alone.as_bytes()));
    assert_eq!((alone[0], alone.len()), (all[1], 2));
}

#[test]
fn whose_a_message_of_several_is_stays_open() {
    let body = BOUNCES.replace("hardbounce", "email_open").replace("bounced_recipient", "x");
    let read = read(&*open("zeptomail"), body.as_bytes());
    assert!(read.iter().all(|one| matches!(one.fact.event, Event::Opened(_))));
    let recipients: Vec<_> = read.iter().map(|one| one.private.recipient.as_deref()).collect();
    assert_eq!(recipients, [None, None, Some("cay@c.example")]);
}

/// Every byte may be percent-encoded, or only what must be.
#[test]
fn a_signature_holds_however_its_header_is_encoded() {
    let zeptomail = account("zeptomail", "zeptomail", Access::new()).signing_key("key").unwrap();
    let key = hmac::Key::new(hmac::HMAC_SHA256, b"key");
    let verify = |signed: &[u8], body: &[u8]| {
        let signature = BASE64.encode(hmac::sign(&key, signed).as_ref());
        let percent = |text: &str| {
            text.bytes().fold(String::new(), |mut all, byte| {
                write!(all, "%{byte:02X}").unwrap();
                all
            })
        };
        let plain = format!("ts=1700000000000;s={signature};s-algorithm=HmacSHA256");
        let values = [plain.replace(&signature, &percent(&signature)), percent(&plain), plain];
        values.map(|value| {
            let headers = Headers::new().with("producer-signature", value);
            zeptomail.verify(&Request::new(body, now()).headers(headers)).is_ok()
        })
    };
    let body = BOUNCES.as_bytes();
    let in_form = form(&[("data", BOUNCES)]);
    assert_eq!(verify(body, body), [true; 3]);
    assert_eq!(verify(body, &in_form), [true; 3]);
    assert_eq!(verify(&in_form, &in_form), [true; 3]);
    assert_eq!(verify(body, b"{}"), [false; 3]);
    let unsigned = zeptomail.verify(&Request::new(body, now()));
    assert_eq!(unsigned, Err(Refused::MissingSignature));
}
