//! Mandrill: the URL and all fields of a form.

use data_encoding::BASE64;
use ring::hmac;

use super::{NONE, OF_ALL, OTHER_BODY, OTHER_KEY, OWN_KEY, Posted, Rule, Signing};
use crate::Headers;
use crate::provider::mock::Spoil;
use crate::provider::mock::document::{Document, FORM, flip, form};
use crate::provider::{Account, KeyError, Refused};

/// Signs for the URL that the account has.
#[derive(Debug)]
pub(super) struct Mandrill;

impl Rule for Mandrill {
    fn trust(&self, account: Account) -> Result<Account, KeyError> {
        account.public_url(URL).signing_key(&String::from_utf8_lossy(OWN_KEY))
    }

    fn refusals(&self) -> Vec<(Spoil, Refused)> {
        let url = (Spoil::WrongUrl, Refused::WrongSignature);
        OF_ALL.into_iter().chain([url]).collect()
    }

    fn sign(&self, document: &Document, signing: &Signing<'_>) -> Posted {
        let mut events = document.bytes();
        let url = if signing.is(Spoil::WrongUrl) { OTHER_URL } else { URL };
        let signed = if signing.is(Spoil::Borrowed) { OTHER_BODY } else { &events };
        let secret = if signing.is(Spoil::WrongKey) { OTHER_KEY } else { OWN_KEY };
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret);
        let tag = hmac::sign(&key, &[url.as_bytes(), FIELD.as_bytes(), signed].concat());
        if signing.is(Spoil::Changed) {
            flip(&mut events);
        }
        let events = String::from_utf8_lossy(&events).into_owned();
        let posted = Posted {
            headers: Headers::new().with("Content-Type", FORM),
            query: None,
            body: form([(FIELD, events)].into_iter()),
            certificate: None,
        };
        match signing.spoil {
            Some(Spoil::Unsigned) => posted,
            Some(Spoil::Malformed) => posted.with(SIGNATURE, NONE),
            _ => posted.with(SIGNATURE, BASE64.encode(tag.as_ref())),
        }
    }
}

const URL: &str = "https://mail.school.example/webhooks/mandrill";
const OTHER_URL: &str = "https://mail.other.example/webhooks/mandrill";
const FIELD: &str = "mandrill_events";
const SIGNATURE: &str = "X-Mandrill-Signature";
