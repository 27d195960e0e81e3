//! Mailgun: a time and a token in the body are signed, and the event is not.

use chrono::TimeDelta;
use data_encoding::HEXLOWER;
use ring::hmac;
use serde_json::{Value, json};

use super::{NONE, OTHER_KEY, OWN_KEY, Posted, Rule, Signing};
use crate::provider::mock::Spoil;
use crate::provider::mock::document::{Document, Shape, at};
use crate::provider::{Account, KeyError, Refused};

/// Signs in the object or in the legacy form.
#[derive(Debug)]
pub(super) struct Mailgun;

impl Rule for Mailgun {
    fn trust(&self, account: Account) -> Result<Account, KeyError> {
        account.signing_key(&String::from_utf8_lossy(OWN_KEY))
    }

    fn refusals(&self) -> Vec<(Spoil, Refused)> {
        vec![
            (Spoil::Unsigned, Refused::MissingSignature),
            (Spoil::Malformed, Refused::MalformedSignature),
            (Spoil::WrongKey, Refused::WrongSignature),
            (Spoil::Redated, Refused::WrongSignature),
            (Spoil::Stale, Refused::Stale),
            (Spoil::Early, Refused::Stale),
            (Spoil::Reused, Refused::Reused),
        ]
    }

    fn sign(&self, document: &Document, signing: &Signing<'_>) -> Posted {
        let (time, token) = (signing.time(TOLERANCE).timestamp(), signing.id.to_string());
        let secret = if signing.is(Spoil::WrongKey) { OTHER_KEY } else { OWN_KEY };
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
        let tag = hmac::sign(&key, format!("{time}{token}").as_bytes());
        let signature = if signing.is(Spoil::Malformed) {
            NONE.to_owned()
        } else {
            HEXLOWER.encode(tag.as_ref())
        };
        let time = time.saturating_add(signing.is(Spoil::Redated).into()).to_string();
        let mut signed = json!({ "timestamp": time, "token": token, "signature": signature });
        if let Some(members) = signed.as_object_mut().filter(|_| signing.is(Spoil::Unsigned)) {
            members.remove("signature");
        }
        let mut document = document.clone();
        if signing.is(Spoil::Reused) {
            tell_another(&mut document.value);
        }
        let is_form = document.shape == Shape::Form;
        if let Some(members) = document.value.as_object_mut() {
            members.remove("signature");
            match signed {
                Value::Object(fields) if is_form => members.extend(fields),
                signed => drop(members.insert("signature".into(), signed)),
            }
        }
        Posted::new(&document)
    }
}

/// Makes another event of it.
fn tell_another(value: &mut Value) {
    let has = |path: &&str| at(&mut value.clone(), path).is_some();
    let path = ["event-data/id", "recipient"].into_iter().find(has);
    if let Some(Value::String(text)) = path.and_then(|path| at(value, path)) {
        text.insert_str(0, "another-");
    }
}

const TOLERANCE: TimeDelta = TimeDelta::hours(24);
