//! Postal's two signatures, by a key made for the test (`tests/keys`).

use data_encoding::BASE64;
use mailtrail_webhook::provider::{Access, Account, KeyError, Provider, Refused};
use mailtrail_webhook::{Headers, Request};
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};

use super::{account, now, open};

const BODY: &[u8] = br#"{"event":"MessageLoaded"}"#;
/// Of the body, by SHA-1.
const SHA_1: &str = include_str!("../keys/postal-sha1.signature");
const KEY: &str = include_str!("../keys/postal.pem");

fn sha_256(body: &[u8]) -> String {
    let key = RsaKeyPair::from_pkcs8(include_bytes!("../keys/postal.pk8")).unwrap();
    let mut signature = vec![0; key.public().modulus_len()];
    key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), body, &mut signature).unwrap();
    BASE64.encode(&signature)
}

fn postal(keys: &[&str]) -> Account {
    let postal = account("postal", "postal", Access::new());
    keys.iter().fold(postal, |postal, key| postal.signing_key(key).unwrap())
}

fn verify(old: Option<&str>, new: Option<&str>) -> Result<(), Refused> {
    let mut headers = Headers::new();
    for (name, value) in [("X-Postal-Signature", old), ("X-Postal-Signature-256", new)] {
        headers = value.map_or(headers.clone(), |value| headers.with(name, value));
    }
    let request = Request::new(BODY, now()).headers(headers);
    postal(&[KEY]).verify(&request).map(|_| ())
}

#[test]
fn the_newer_signature_decides_wherever_it_is() {
    let good = sha_256(BODY);
    let other = sha_256(b"another body");
    assert_eq!(verify(Some(SHA_1), None), Ok(()));
    assert_eq!(verify(None, Some(&good)), Ok(()));
    assert_eq!(verify(Some("AAAA"), Some(&good)), Ok(()));
    assert_eq!(verify(Some(SHA_1), Some(&other)), Err(Refused::WrongSignature));
    assert_eq!(verify(Some(SHA_1), Some("AAAA")), Err(Refused::WrongSignature));
    assert_eq!(verify(Some(SHA_1), Some("no base64!")), Err(Refused::MalformedSignature));
    assert_eq!(verify(Some(SHA_1), Some("")), Err(Refused::MissingSignature));
    // One is not taken for the other.
    assert_eq!(verify(Some(&good), None), Err(Refused::WrongSignature));
    assert_eq!(verify(None, Some(SHA_1)), Err(Refused::WrongSignature));
    assert_eq!(verify(None, None), Err(Refused::MissingSignature));
}

#[test]
fn keys_are_rotated_as_pem_or_without_its_frame() {
    let old = include_str!("../keys/postal-old.pem");
    let bare: String = KEY.lines().filter(|line| !line.starts_with("-----")).collect();
    for (field, signature) in
        [("X-Postal-Signature", SHA_1), ("X-Postal-Signature-256", &sha_256(BODY))]
    {
        let request = Request::new(BODY, now()).headers(Headers::new().with(field, signature));
        let by_one = postal(&[KEY]).verify(&request);
        assert!(by_one.is_ok());
        assert_eq!(postal(&[old, &bare]).verify(&request), by_one);
        assert_eq!(postal(&[old]).verify(&request), Err(Refused::WrongSignature));
    }
    for part in [&bare[..64], &bare[..bare.len() - 4]] {
        let key = account("postal", "postal", Access::new()).signing_key(part);
        assert_eq!(key.unwrap_err(), KeyError::OtherKind);
    }
}

#[test]
fn mail_that_comes_in_belongs_to_another_url() {
    let body =
        br#"{"id":1,"rcpt_to":"inbox@school.example","mail_from":"ann@a.example","message":"..."}"#;
    let split = open("postal").split(&Request::new(body, now())).map(|elements| elements.len());
    assert_eq!(split, Err(Refused::WrongEndpoint));
}
