//! How fast are requests verified and read, beside the signature's own check and a typed parse?

use std::hint::black_box;

use chrono::{DateTime, Utc};
use data_encoding::BASE64;
use mailtrail_benches::{Figure, Wanted, best_of};
use mailtrail_classify::Classifier;
use mailtrail_core::id::Endpoint;
use mailtrail_core::token::{Key, Keys, Purpose};
use mailtrail_webhook::provider::{Access, Account, Provider, Reader, read_each};
use mailtrail_webhook::{Headers, Request};
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair,
};
use ring::{hmac, signature::UnparsedPublicKey};
use serde::Deserialize;

mailtrail_benches::allocator!();

fn main() {
    let wanted = Wanted::from_args();
    let (classifier, keys) = (Classifier::builtin().unwrap(), Keys::new(Key::new(1, [7; 32])));
    let reader = Reader::new(&keys, &classifier);
    for (name, count, at_least) in [
        ("webhook.signed.1", 1, 0.9),
        ("webhook.signed.100", 100, 0.6),
        ("webhook.signed.1000", 1_000, 0.6),
    ] {
        if wanted.has(name) {
            signed(name, count, at_least, &reader);
        }
    }
    if wanted.has("webhook.hmac.100") {
        hmac_100(&keys, &reader);
    }
}

/// What a program reads that wants these fields and nothing else.
#[derive(Deserialize)]
#[expect(dead_code, reason = "parsed for the time that it takes")]
struct Typed<'a> {
    #[serde(borrow)]
    email: &'a str,
    timestamp: i64,
    event: &'a str,
    sg_event_id: &'a str,
    sg_message_id: &'a str,
    #[serde(rename = "smtp-id", borrow)]
    smtp_id: Option<&'a str>,
    #[serde(borrow)]
    response: Option<std::borrow::Cow<'a, str>>,
    #[serde(borrow)]
    reason: Option<std::borrow::Cow<'a, str>>,
    status: Option<&'a str>,
    #[serde(rename = "type")]
    kind: Option<&'a str>,
    #[serde(borrow)]
    useragent: Option<std::borrow::Cow<'a, str>>,
    ip: Option<&'a str>,
    #[serde(borrow)]
    url: Option<std::borrow::Cow<'a, str>>,
    mt_delivery: Option<&'a str>,
}

fn signed(name: &'static str, count: usize, at_least: f64, reader: &Reader<'_>) {
    let random = SystemRandom::new();
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).unwrap();
    let signer =
        EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, pkcs8.as_ref(), &random).unwrap();
    let head = "3059301306072a8648ce3d020106082a8648ce3d030107034200";
    let mut spki = data_encoding::HEXLOWER.decode(head.as_bytes()).unwrap();
    spki.extend_from_slice(signer.public_key().as_ref());
    let account = account().signing_key(&BASE64.encode(&spki)).unwrap();

    let body = sendgrid(count);
    let timestamp = now().timestamp().to_string();
    let message = [timestamp.as_bytes(), &body].concat();
    let signature = signer.sign(&random, &message).unwrap();
    let headers = Headers::new()
        .with("X-Twilio-Email-Event-Webhook-Signature", BASE64.encode(signature.as_ref()))
        .with("X-Twilio-Email-Event-Webhook-Timestamp", &timestamp);
    let request = Request::new(&body, now()).headers(headers);

    let public = UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, signer.public_key().as_ref());
    let theirs = || {
        let message = [timestamp.as_bytes(), &body].concat();
        public.verify(&message, signature.as_ref()).unwrap();
        assert_eq!(typed(&body), count);
    };
    compare(name, count, at_least, "ring verify + typed serde_json", theirs, || {
        assert_eq!(received(&account, &request, reader), count);
    });
}

fn hmac_100(keys: &Keys, reader: &Reader<'_>) {
    let count = 100;
    // A provider of a file: an array of SendGrid's objects, signed as most providers sign.
    let mapping = mailtrail_webhook::provider::Mapping::from_toml(MAPPING).unwrap();
    let endpoint = Endpoint::new("hmac").unwrap();
    let account = Account::of(endpoint, mapping, Access::new()).signing_key("secret").unwrap();
    let body = sendgrid(count);
    let key = hmac::Key::new(hmac::HMAC_SHA256, b"secret");
    let tag = hmac::sign(&key, &body);
    let headers = Headers::new().with("X-Signature", data_encoding::HEXLOWER.encode(tag.as_ref()));
    let request = Request::new(&body, now()).headers(headers);
    let ours = || assert_eq!(received(&account, &request, reader), count);
    let theirs = || assert_eq!(typed(&body), count);
    compare("webhook.hmac.100", count, 0.5, "typed serde_json, unsigned", theirs, ours);
    // What nobody can leave out: the same, with the HMACs of the body and of each event's token.
    let checked = || {
        hmac::verify(&key, &body, tag.as_ref()).unwrap();
        let events: Vec<Typed<'_>> = serde_json::from_slice(&body).unwrap();
        let verified = |event: &Typed<'_>| {
            event.mt_delivery.is_some_and(|token| keys.verify(Purpose::Metadata, token).is_ok())
        };
        assert_eq!(events.iter().filter(|event| verified(event)).count(), count);
    };
    let peer = "typed serde_json + ring's HMAC + each token";
    compare("webhook.hmac.100.checked", count, 0.6, peer, checked, ours);
}

/// Verifies and reads, and hands on each fact as the intake does.
fn received(account: &Account, request: &Request<'_>, reader: &Reader<'_>) -> usize {
    let authenticity = account.verify(request).unwrap();
    let mut read = 0;
    let each = &mut |feedback| {
        black_box(feedback);
        read += 1;
    };
    read_each(account, request, reader, authenticity, None, each).unwrap();
    read
}

/// In turn, so that a slow moment of the machine falls on both.
fn compare(
    name: &'static str,
    count: usize,
    at_least: f64,
    peer: &'static str,
    mut theirs: impl FnMut(),
    mut ours: impl FnMut(),
) {
    let repeats = (20_000 / count).max(10);
    let mut times = [f64::MAX; 2];
    for _ in 0..ROUNDS {
        for (time, work) in times.iter_mut().zip([&mut theirs as &mut dyn FnMut(), &mut ours]) {
            let took = best_of(1, || (0..repeats).for_each(|_| work()));
            *time = time.min(took.as_secs_f64());
        }
    }
    let rate = |time: f64| (repeats * count) as f64 / time;
    Figure::new(name, rate(times[1]), "events/s")
        .against(peer, rate(times[0]))
        .at_least(at_least)
        .print();
}

fn typed(body: &[u8]) -> usize {
    let events: Vec<Typed<'_>> = serde_json::from_slice(body).unwrap();
    black_box(events).len()
}

fn account() -> Account {
    Account::new(Endpoint::new("sendgrid").unwrap(), "sendgrid", Access::new()).unwrap()
}

/// A batch as a broadcast makes it: most are delivered, some opened, few bounce.
fn sendgrid(count: usize) -> Vec<u8> {
    let keys = Keys::new(Key::new(1, [7; 32]));
    let event = |index: usize| {
        let delivery = mailtrail_benches::delivery(index as u64);
        let token = keys.sign(Purpose::Metadata, delivery);
        let common = format!(
            r#""email":"person{index}@parents.example","timestamp":1700000000,"sg_event_id":"c2VuZGdyaWQtZXZlbnQ{index:010}","sg_message_id":"14c5d75ce93.dfd.{index}.filter0001p3las1","smtp-id":"<14c5d75ce93.dfd.{index}@school.example>","category":["snow"],"mt_delivery":"{token}""#
        );
        match index % 20 {
            0 => format!(
                r#"{{{common},"event":"bounce","type":"bounce","status":"5.1.1","reason":"550 5.1.1 The email account that you tried to reach does not exist","tls":1}}"#
            ),
            1..=4 => format!(
                r#"{{{common},"event":"open","useragent":"Mozilla/5.0 (X11; Linux x86_64)","ip":"192.0.2.7","sg_machine_open":false}}"#
            ),
            5 => format!(
                r#"{{{common},"event":"click","useragent":"Mozilla/5.0 (X11; Linux x86_64)","ip":"192.0.2.7","url":"https://school.example/snow?day=1"}}"#
            ),
            6..=9 => format!(r#"{{{common},"event":"processed","send_at":0}}"#),
            _ => format!(
                r#"{{{common},"event":"delivered","ip":"192.0.2.9","response":"250 2.0.0 OK 1700000000 d2si1","tls":1}}"#
            ),
        }
    };
    let events: Vec<String> = (0..count).map(event).collect();
    format!("[{}]\r\n", events.join(",\r\n")).into_bytes()
}

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_700_000_100, 0).unwrap()
}

const ROUNDS: usize = 12;

const MAPPING: &str = r#"
name = "hmac"
source = "this bench"
[signature]
algorithm = "hmac-sha256"
header = "x-signature"
[fields]
event = "event"
event_id = ["sg_event_id"]
recipient = ["email"]
message_id = ["sg_message_id"]
header_id = ["smtp-id"]
token = ["mt_delivery"]
time = [{ at = "timestamp", form = "seconds" }]
text = ["response", "reason"]
status = ["status"]
link = ["url"]
ip = ["ip"]
user_agent = ["useragent"]
[[event]]
when = ["processed"]
is = "accepted"
[[event]]
when = ["delivered"]
is = "delivered"
[[event]]
when = ["bounce"]
is = "bounced"
[[event]]
when = ["open"]
is = "opened"
[[event]]
when = ["click"]
is = "clicked"
"#;
