//! Amazon Data Firehose: records in base64, and an access key.

use data_encoding::BASE64;
use serde_json::json;

use super::{NONE, Posted, Rule, Signing};
use crate::provider::mock::Spoil;
use crate::provider::mock::about::uuid;
use crate::provider::mock::document::Document;
use crate::provider::{Access, Account, KeyError, Refused};
use crate::{Headers, Secret};

/// Delivers to an HTTP endpoint.
#[derive(Debug)]
pub(in crate::provider::mock) struct Firehose;

impl Rule for Firehose {
    fn access(&self) -> Access {
        Access::new().header(ACCESS_KEY, Secret::new(OWN))
    }

    fn trust(&self, account: Account) -> Result<Account, KeyError> {
        Ok(account)
    }

    fn refusals(&self) -> Vec<(Spoil, Refused)> {
        vec![
            (Spoil::Unsigned, Refused::MissingCredentials),
            (Spoil::Malformed, Refused::WrongCredentials),
            (Spoil::WrongKey, Refused::WrongCredentials),
        ]
    }

    fn sign(&self, document: &Document, signing: &Signing<'_>) -> Posted {
        let id = uuid(signing.id);
        let event = [document.bytes().as_slice(), b"\n"].concat();
        let body = json!({
            "requestId": id, "timestamp": signing.at.timestamp_millis(),
            "records": [{ "data": BASE64.encode(&event) }],
        });
        let headers = Headers::new()
            .with("Content-Type", "application/json")
            .with("X-Amz-Firehose-Protocol-Version", "1.0")
            .with("X-Amz-Firehose-Request-Id", &id)
            .with("X-Amz-Firehose-Source-Arn", STREAM);
        let headers = match signing.spoil {
            Some(Spoil::Unsigned) => headers,
            Some(Spoil::Malformed) => headers.with(ACCESS_KEY, NONE),
            Some(Spoil::WrongKey) => headers.with(ACCESS_KEY, OTHER),
            _ => headers.with(ACCESS_KEY, OWN),
        };
        Posted { headers, query: None, body: body.to_string().into_bytes(), certificate: None }
    }
}

const ACCESS_KEY: &str = "X-Amz-Firehose-Access-Key";
const OWN: &str = "a mock's own access key";
const OTHER: &str = "a stranger's access key";
const STREAM: &str = "arn:aws:firehose:eu-west-1:123456789012:deliverystream/mail";
