//! Amazon SNS: an envelope around the event, signed by the key of a certificate.

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use data_encoding::BASE64;
use serde_json::{Value, json};

use super::signer::{Signer, Whose};
use super::{NONE, OF_ALL, Posted, Rule, Signing};
use crate::Headers;
use crate::provider::mock::about::uuid;
use crate::provider::mock::document::{Document, flip, put};
use crate::provider::mock::{MockError, Spoil};
use crate::provider::signature::Algorithm;
use crate::provider::signature::sns::AGE;
use crate::provider::{Account, KeyError, Refused};

/// Publishes to the topic of the account.
#[derive(Debug)]
pub(super) struct Sns {
    own: Signer,
    other: Signer,
}

impl Sns {
    pub(super) fn new() -> Result<Self, MockError> {
        let signer = |whose| Signer::new(Algorithm::RsaSha256, whose).ok_or(MockError::Unsignable);
        Ok(Self { own: signer(Whose::Own)?, other: signer(Whose::Others)? })
    }
}

impl Rule for Sns {
    fn trust(&self, account: Account) -> Result<Account, KeyError> {
        Ok(account.topic(TOPIC).require_sha256())
    }

    fn refusals(&self) -> Vec<(Spoil, Refused)> {
        let own = [
            (Spoil::Redated, Refused::WrongSignature),
            (Spoil::Stale, Refused::Stale),
            (Spoil::Early, Refused::Stale),
            (Spoil::WrongTopic, Refused::WrongTopic),
            (Spoil::UntrustedHost, Refused::UntrustedHost),
            (Spoil::WrongCertificate, Refused::WrongCertificate),
            (Spoil::Weak, Refused::WeakSignature),
        ];
        OF_ALL.into_iter().chain(own).collect()
    }

    fn sign(&self, document: &Document, signing: &Signing<'_>) -> Posted {
        let spoil = signing.spoil;
        let mut message = document.bytes();
        let at = signing.time(AGE);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let [own, others] = CERTIFICATES;
        let is_strange = spoil == Some(Spoil::WrongCertificate);
        let (url, certificate) = if is_strange { others } else { own };
        let mut envelope = json!({
            "Type": NOTIFICATION,
            "MessageId": uuid(signing.id),
            "TopicArn": if spoil == Some(Spoil::WrongTopic) { OTHER_TOPIC } else { TOPIC },
            "Subject": "Amazon SES Email Event Notification",
            "Message": text(&message),
            "Timestamp": written(at),
            "SignatureVersion": if spoil == Some(Spoil::Weak) { "1" } else { "2" },
            "SigningCertURL": if spoil == Some(Spoil::UntrustedHost) { ELSEWHERE } else { url },
        });
        let signer =
            if is_strange || spoil == Some(Spoil::WrongKey) { &self.other } else { &self.own };
        let signature = match spoil {
            Some(Spoil::Unsigned) => String::new(),
            Some(Spoil::Malformed) => NONE.to_owned(),
            Some(Spoil::Borrowed) => BASE64.encode(&signer.sign(b"another publication")),
            _ => BASE64.encode(&signer.sign(&signed(&envelope))),
        };
        let mut say = |name: &str, value: String| put(&mut envelope, name, value.into());
        say("Signature", signature);
        if spoil == Some(Spoil::Changed) {
            flip(&mut message);
            say("Message", text(&message));
        }
        if spoil == Some(Spoil::Redated) {
            let other = at.checked_add_signed(TimeDelta::seconds(1)).unwrap_or(at);
            say("Timestamp", written(other));
        }
        Posted {
            headers: Headers::new()
                .with("Content-Type", "text/plain; charset=UTF-8")
                .with("X-Amz-Sns-Message-Type", NOTIFICATION),
            query: None,
            body: envelope.to_string().into_bytes(),
            certificate: Some(certificate),
        }
    }
}

/// The lines that are signed: a name and a value each.
fn signed(envelope: &Value) -> Vec<u8> {
    let names = ["Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"];
    let line = |name: &str| Some(format!("{name}\n{}\n", envelope.get(name)?.as_str()?));
    names.into_iter().filter_map(line).collect::<String>().into_bytes()
}

fn written(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// What is at the URLs of certificates: the mock's own, and one of a stranger at Amazon's host.
pub(in crate::provider::mock) const CERTIFICATES: [(&str, &str); 2] = [
    (
        "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0a1b2c.pem",
        include_str!("../../../../mocks/keys/own.pem"),
    ),
    (
        "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-3d4e5f.pem",
        include_str!("../../../../mocks/keys/other.pem"),
    ),
];
const ELSEWHERE: &str =
    "https://sns.eu-west-1.amazonaws.com.mail.example/SimpleNotificationService-0a1b2c.pem";
const TOPIC: &str = "arn:aws:sns:eu-west-1:123456789012:mail";
const OTHER_TOPIC: &str = "arn:aws:sns:eu-west-1:210987654321:mail";
const NOTIFICATION: &str = "Notification";
