//! Signed requests of every kind of signature, spoilt in thousands of ways: none of them verifies.

use chrono::{DateTime, TimeDelta, Utc};
use data_encoding::{BASE64, HEXLOWER};
use mailtrail_webhook::provider::{Access, Account, Provider};
use mailtrail_webhook::{Headers, Request};
use proptest::prelude::*;
use ring::hmac;
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair as _};

use super::signature::Signer;
use super::{account, now, sns};

/// A request that verifies.
struct Signed {
    account: Account,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
    /// Where the body is signed.
    range: std::ops::Range<usize>,
    /// Seconds by which the time may differ.
    tolerance: Option<i64>,
}

const BODY: &str = r#"{"event":"delivered","email":"ann@a.example","id":"m-1"}"#;
const SECRET: &str = "s3cret";

fn tag(key: &[u8], message: &str) -> Vec<u8> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    hmac::sign(&key, message.as_bytes()).as_ref().to_vec()
}

fn signed(
    provider: &str,
    key: &str,
    headers: Vec<(&'static str, String)>,
    tolerance: Option<i64>,
) -> Signed {
    let account = account(provider, provider, Access::new()).signing_key(key).unwrap();
    let body = BODY.as_bytes().to_vec();
    Signed { account, headers, range: 0..body.len(), body, tolerance }
}

/// Over the body, in hexadecimal digits.
fn plain(provider: &str, header: &'static str) -> Signed {
    let signature = HEXLOWER.encode(&tag(SECRET.as_bytes(), BODY));
    signed(provider, SECRET, vec![(header, signature)], None)
}

/// As Standard Webhooks have it, and those that deviate.
fn standard(
    provider: &str,
    names: [&'static str; 3],
    key: &str,
    secret: &[u8],
    version: &str,
) -> Signed {
    let time = now().timestamp().to_string();
    let signature = BASE64.encode(&tag(secret, &format!("msg_1.{time}.{BODY}")));
    let [id, timestamp, header] = names;
    let headers = vec![
        (id, "msg_1".to_owned()),
        (timestamp, time),
        (header, format!("{version}{signature}")),
    ];
    signed(provider, key, headers, Some(300))
}

fn requests() -> Vec<Signed> {
    let names = ["webhook-id", "webhook-timestamp", "webhook-signature"];
    let encoded = BASE64.encode(SECRET.as_bytes());
    let whsec = format!("whsec_{encoded}");
    let time = now().timestamp().to_string();
    let pairs = HEXLOWER.encode(&tag(SECRET.as_bytes(), &format!("{time}.{BODY}")));
    let cio = HEXLOWER.encode(&tag(SECRET.as_bytes(), &format!("v0:{time}:{BODY}")));

    let signer = Signer::new();
    let sendgrid = vec![
        ("X-Twilio-Email-Event-Webhook-Signature", signer.sign(&time, BODY.as_bytes())),
        ("X-Twilio-Email-Event-Webhook-Timestamp", time.clone()),
    ];
    let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
    let ed25519 = Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).unwrap();
    let mailpace = BASE64.encode(ed25519.sign(BODY.as_bytes()).as_ref());

    let envelope = sns::sign(sns::envelope(), sns::SNS.0);
    let message = envelope["Message"].to_string();
    let body = envelope.to_string();
    let start = body.find(&message).unwrap();
    let ses = Signed {
        account: sns::ses().certificate(sns::SNS.1).unwrap(),
        headers: Vec::new(),
        range: start..start + message.len(),
        body: body.into_bytes(),
        tolerance: Some(3_600),
    };
    vec![
        signed("sendgrid", &signer.public_key(), sendgrid, None),
        signed(
            "mailpace",
            &BASE64.encode(ed25519.public_key().as_ref()),
            vec![("X-MailPace-Signature", mailpace)],
            None,
        ),
        ses,
        plain("mailersend", "Signature"),
        plain("mailtrap", "Mailtrap-Signature"),
        plain("hyvor_relay", "X-Signature"),
        standard(
            "resend",
            ["svix-id", "svix-timestamp", "svix-signature"],
            &whsec,
            SECRET.as_bytes(),
            "v1,",
        ),
        standard("loops", names, &whsec, SECRET.as_bytes(), "v1,"),
        standard("ahasend", names, &whsec, whsec.as_bytes(), "v1,"),
        standard("sweego", names, &encoded, SECRET.as_bytes(), ""),
        signed(
            "lettermint",
            SECRET,
            vec![("X-Lettermint-Signature", format!("t={time},v1={pairs}"))],
            Some(300),
        ),
        signed(
            "customer_io",
            SECRET,
            vec![("X-CIO-Signature", cio), ("X-CIO-Timestamp", time)],
            Some(86_400),
        ),
    ]
}

impl Signed {
    fn verifies(
        &self,
        headers: &[(&'static str, String)],
        body: &[u8],
        now: DateTime<Utc>,
    ) -> bool {
        let headers =
            headers.iter().fold(Headers::new(), |all, (name, value)| all.with(name, value));
        self.account.verify(&Request::new(body, now).headers(headers)).is_ok()
    }
}

/// A letter or digit that is another one, whatever the case.
fn other(byte: u8, by: u8) -> u8 {
    let all = b"0123456789abcdefghijklmnopqrstuvwxyz";
    let at = all.iter().position(|own| *own == byte.to_ascii_lowercase()).unwrap();
    all[(at + 1 + usize::from(by) % (all.len() - 1)) % all.len()]
}

proptest! {
    // Times twelve requests: more than ten thousand spoilt ones.
    #![proptest_config(ProptestConfig { cases: 850, ..ProptestConfig::default() })]

    #[test]
    fn no_spoilt_request_verifies(
        kind in 0_u8..4, at: prop::sample::Index, which: prop::sample::Index, by: u8, early: bool,
    ) {
        for request in requests() {
            let (mut headers, mut body, mut time) = (request.headers.clone(), request.body.clone(), now());
            prop_assert!(request.verifies(&headers, &body, time), "{}", request.account.name());
            match kind {
                1 if !headers.is_empty() => {
                    let (_, value) = &mut headers[which.index(request.headers.len())];
                    let letters: Vec<usize> =
                        value.bytes().enumerate().filter(|(_, b)| b.is_ascii_alphanumeric()).map(|(at, _)| at).collect();
                    let at = letters[at.index(letters.len())];
                    let new = char::from(other(value.as_bytes()[at], by)).to_string();
                    value.replace_range(at..=at, &new);
                }
                2 if !headers.is_empty() => {
                    headers.remove(which.index(request.headers.len()));
                }
                3 if request.tolerance.is_some() => {
                    let off = TimeDelta::seconds(request.tolerance.unwrap() * 2 + i64::from(by));
                    time = if early { time - off } else { time + off };
                }
                _ => {
                    let at = request.range.start + at.index(request.range.len());
                    body[at] ^= 1 << (by % 7);
                }
            }
            prop_assert!(!request.verifies(&headers, &body, time), "{}", request.account.name());
        }
    }
}
