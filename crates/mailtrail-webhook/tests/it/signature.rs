//! SendGrid's signature, with keys made for the test.

use data_encoding::BASE64;
use mailtrail_core::event::{Authenticity, RawHash};
use mailtrail_webhook::provider::{Access, Account, Provider, Refused};
use mailtrail_webhook::{Headers, Request, Secret};
use proptest::prelude::*;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};

use super::{account, now};

pub(super) struct Signer(EcdsaKeyPair);

impl Signer {
    pub(super) fn new() -> Self {
        let random = SystemRandom::new();
        let algorithm = &ECDSA_P256_SHA256_ASN1_SIGNING;
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
        Self(EcdsaKeyPair::from_pkcs8(algorithm, pkcs8.as_ref(), &random).unwrap())
    }

    pub(super) fn public_key(&self) -> String {
        let head = "3059301306072a8648ce3d020106082a8648ce3d030107034200";
        let mut spki = data_encoding::HEXLOWER.decode(head.as_bytes()).unwrap();
        spki.extend_from_slice(self.0.public_key().as_ref());
        BASE64.encode(&spki)
    }

    pub(super) fn sign(&self, timestamp: &str, body: &[u8]) -> String {
        let message = [timestamp.as_bytes(), body].concat();
        BASE64.encode(self.0.sign(&SystemRandom::new(), &message).unwrap().as_ref())
    }
}

fn verify(
    provider: &Account,
    (signature, timestamp): (&str, &str),
    body: &[u8],
) -> Result<Authenticity, Refused> {
    // Gateways change the case of names.
    let headers = Headers::new()
        .with("X-TWILIO-Email-Event-Webhook-Signature", signature)
        .with("x-twilio-email-event-webhook-timestamp", timestamp);
    provider.verify(&Request::new(body, now()).headers(headers))
}

fn sendgrid(keys: &[&Signer]) -> Account {
    let sendgrid = account("sendgrid", "sendgrid", Access::new());
    keys.iter().fold(sendgrid, |sendgrid, key| sendgrid.signing_key(&key.public_key()).unwrap())
}

const BODY: &[u8] = b"[{\"event\":\"open\",\"email\":\"ann@a.example\"}]\r\n";
const TIMESTAMP: &str = "1600112502";

#[test]
fn a_signature_by_any_configured_key_holds_and_is_named() {
    let (old, new, other) = (Signer::new(), Signer::new(), Signer::new());
    let provider = sendgrid(&[&old, &new]);
    for signer in [&old, &new] {
        let signature = signer.sign(TIMESTAMP, BODY);
        let der = BASE64.decode(signer.public_key().as_bytes()).unwrap();
        let key_id = RawHash::of(&der).to_string()[..8].into();
        assert_eq!(
            verify(&provider, (&signature, TIMESTAMP), BODY),
            Ok(Authenticity::Signed { key_id })
        );
    }
    let signature = other.sign(TIMESTAMP, BODY);
    assert_eq!(verify(&provider, (&signature, TIMESTAMP), BODY), Err(Refused::WrongSignature));
}

#[test]
fn what_is_missing_or_no_signature_is_refused() {
    let signer = Signer::new();
    let provider = sendgrid(&[&signer]);
    let signature = signer.sign(TIMESTAMP, BODY);
    for (headers, refused) in [
        (("", TIMESTAMP), Refused::MissingSignature),
        ((signature.as_str(), ""), Refused::MissingSignature),
        ((&format!("{signature}garbage"), TIMESTAMP), Refused::MalformedSignature),
        ((&format!("{signature}=AAA"), TIMESTAMP), Refused::MalformedSignature),
        ((&format!("MA=={signature}"), TIMESTAMP), Refused::MalformedSignature),
        (("aW52YWxpZA==", TIMESTAMP), Refused::WrongSignature),
        ((&signature, "1600112503"), Refused::WrongSignature),
    ] {
        assert_eq!(verify(&provider, headers, BODY), Err(refused), "{headers:?}");
    }
    let twice = Headers::new()
        .with("X-Twilio-Email-Event-Webhook-Signature", &signature)
        .with("X-Twilio-Email-Event-Webhook-Signature", &signature)
        .with("X-Twilio-Email-Event-Webhook-Timestamp", TIMESTAMP);
    let request = Request::new(BODY, now()).headers(twice);
    assert_eq!(provider.verify(&request), Err(Refused::MissingSignature));
    // Trimming the line end of the body breaks the signature, as it should.
    let trimmed = BODY.trim_ascii_end();
    assert_eq!(verify(&provider, (&signature, TIMESTAMP), trimmed), Err(Refused::WrongSignature));
}

#[test]
fn credentials_are_no_substitute_for_a_configured_key() {
    let signer = Signer::new();
    let access = Access::new().credential(Secret::basic("a", "b"));
    let provider =
        account("sendgrid", "sendgrid", access).signing_key(&signer.public_key()).unwrap();
    let basic = Headers::new().with("Authorization", "Basic YTpi");
    let request = Request::new(BODY, now());
    assert_eq!(provider.verify(&request), Err(Refused::MissingCredentials));
    let request = request.headers(basic.clone());
    assert_eq!(provider.verify(&request), Err(Refused::MissingSignature));
    let signed = basic
        .with("X-Twilio-Email-Event-Webhook-Signature", signer.sign(TIMESTAMP, BODY))
        .with("X-Twilio-Email-Event-Webhook-Timestamp", TIMESTAMP);
    assert!(matches!(provider.verify(&request.headers(signed)), Ok(Authenticity::Signed { .. })));
}

proptest! {
    #[test]
    fn no_tampered_request_verifies(at in 0..BODY.len(), bit in 0_u8..8, in_signature: bool) {
        let signer = Signer::new();
        let provider = sendgrid(&[&signer]);
        let signature = signer.sign(TIMESTAMP, BODY);
        let (mut body, mut bytes) = (BODY.to_vec(), BASE64.decode(signature.as_bytes()).unwrap());
        if in_signature {
            let at = at % bytes.len();
            bytes[at] ^= 1 << bit;
        } else {
            body[at] ^= 1 << bit;
        }
        let signature = BASE64.encode(&bytes);
        prop_assert_eq!(
            verify(&provider, (&signature, TIMESTAMP), &body),
            Err(Refused::WrongSignature)
        );
    }
}
