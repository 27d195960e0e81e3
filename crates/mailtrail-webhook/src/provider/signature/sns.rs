//! Amazon SNS: an envelope of named texts, signed by a certificate's key.
//!
//! Source: docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html. The rule for the
//! URL of the certificate is stricter than that page's: buckets of S3 are hosts of Amazon's as well.

use chrono::{DateTime, TimeDelta, Utc};
use mailtrail_core::event::Authenticity;
use serde_json_borrow::Value;

use super::{Algorithm, Certificate, fresh};
use crate::Request;
use crate::provider::fields::Fields;
use crate::provider::{Element, Refused};
use crate::text::base64;

/// What an account trusts of SNS.
#[derive(Debug, Clone, Copy)]
pub(in crate::provider) struct Trust<'a> {
    pub(in crate::provider) topics: &'a [Box<str>],
    /// Certificates; without any, that of the request.
    pub(in crate::provider) pinned: &'a [Certificate],
    pub(in crate::provider) tolerance: TimeDelta,
    /// Whether nothing over SHA-1 is.
    pub(in crate::provider) sha256: bool,
}

/// Verifies an envelope, in this order: that it is one, whose it is, where its certificate is from,
/// the certificate, the signature, the time.
///
/// # Errors
/// [`Refused`].
pub(in crate::provider) fn verify(
    request: &Request<'_>,
    trust: Trust<'_>,
) -> Result<Authenticity, Refused> {
    let Trust { topics, pinned, tolerance, sha256 } = trust;
    let element = Element::new(request.body);
    let envelope = element.fields().ok_or(Refused::MissingSignature)?;
    admit(request, envelope, topics)?;
    let fetched = pinned.is_empty().then_some(request.certificate).flatten();
    let fetched = fetched.map(Certificate::from_pem).transpose();
    let fetched = fetched.map_err(|_| Refused::WrongCertificate)?;
    let certificates = || pinned.iter().chain(&fetched);
    if certificates().next().is_none() {
        return Err(Refused::NotConfigured);
    }
    let keys = certificates().filter_map(|certificate| certificate.key(request.now).ok());
    let keys: Vec<_> = keys.collect();
    if keys.is_empty() {
        return Err(Refused::WrongCertificate);
    }
    let algorithm = match text(envelope, "SignatureVersion") {
        Some("1") if sha256 => return Err(Refused::WeakSignature),
        Some("1") => Algorithm::RsaSha1,
        Some("2") => Algorithm::RsaSha256,
        _ => return Err(Refused::MalformedSignature),
    };
    let signature = text(envelope, "Signature").and_then(base64);
    let signature = signature.ok_or(Refused::MalformedSignature)?;
    let message = message(envelope).ok_or(Refused::MalformedSignature)?;
    let key = keys.iter().find(|key| key.by(algorithm).verifies(&message, &signature));
    let key = key.ok_or(Refused::WrongSignature)?;
    fresh(published(envelope), request.now, tolerance)?;
    Ok(Authenticity::Signed { key_id: key.id().into() })
}

/// The URL of the certificate that is still to be fetched, if the envelope may be verified at all.
pub(in crate::provider) fn wants(request: &Request<'_>, topics: &[Box<str>]) -> Option<String> {
    let element = Element::new(request.body);
    let envelope = element.fields()?;
    admit(request, envelope, topics).ok()?;
    text(envelope, "SigningCertURL").map(str::to_owned)
}

/// The URL by which a subscription is confirmed, if a verified envelope asks for that. What SNS signs it
/// has written; the host is looked at all the same.
pub(in crate::provider) fn confirmation(request: &Request<'_>) -> Option<String> {
    let element = Element::new(request.body);
    let envelope = element.fields()?;
    let url = text(envelope, "SubscribeURL")
        .filter(|_| text(envelope, "Type") == Some("SubscriptionConfirmation"))?;
    let host =
        url.strip_prefix("https://").and_then(|rest| rest.split_once('/')).map(|(host, _)| host);
    host.is_some_and(is_host).then(|| url.to_owned())
}

/// What can be told of an envelope without its certificate.
fn admit(request: &Request<'_>, envelope: Fields<'_>, topics: &[Box<str>]) -> Result<(), Refused> {
    if topics.is_empty() {
        return Err(Refused::NotConfigured);
    }
    // Raw message delivery has no envelope, hence no signature.
    text(envelope, "Signature").filter(|text| !text.is_empty()).ok_or(Refused::MissingSignature)?;
    let kind = text(envelope, "Type").ok_or(Refused::MalformedSignature)?;
    if request.headers.has(TYPE) && request.headers.text(TYPE) != Some(kind) {
        return Err(Refused::WrongSignature);
    }
    let topic = text(envelope, "TopicArn").unwrap_or_default();
    if !topics.iter().any(|known| **known == *topic) {
        return Err(Refused::WrongTopic);
    }
    let url = text(envelope, "SigningCertURL").unwrap_or_default();
    is_certificate_url(url).then_some(()).ok_or(Refused::UntrustedHost)
}

/// The signed lines: a name and a value each.
fn message(envelope: Fields<'_>) -> Option<Vec<u8>> {
    let names: &[&str] = match text(envelope, "Type")? {
        "Notification" => &["Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"],
        "SubscriptionConfirmation" | "UnsubscribeConfirmation" => {
            &["Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"]
        }
        _ => return None,
    };
    let mut message = Vec::new();
    for name in names {
        match text(envelope, name) {
            Some(value) => {
                message.extend_from_slice(format!("{name}\n{value}\n").as_bytes());
            }
            None if *name == "Subject" => {}
            None => return None,
        }
    }
    Some(message)
}

/// A text exactly as it is.
fn text<'a>(envelope: Fields<'a>, name: &str) -> Option<&'a str> {
    match envelope.get(name)? {
        Value::Str(text) => Some(text),
        _ => None,
    }
}

fn published(envelope: Fields<'_>) -> Option<DateTime<Utc>> {
    let time = DateTime::parse_from_rfc3339(text(envelope, "Timestamp")?).ok()?;
    Some(time.to_utc())
}

/// `https://sns.<region>.amazonaws.com[.cn]/SimpleNotificationService-<letters and digits>.pem`.
fn is_certificate_url(url: &str) -> bool {
    let Some((host, path)) = url.strip_prefix("https://").and_then(|rest| rest.split_once('/'))
    else {
        return false;
    };
    let name = path.strip_prefix("SimpleNotificationService-");
    let name = name.and_then(|name| name.strip_suffix(".pem")).unwrap_or_default();
    is_host(host) && !name.is_empty() && name.bytes().all(is_small)
}

/// `sns.<region>.amazonaws.com[.cn]`.
pub(super) fn is_host(host: &str) -> bool {
    let region = host.strip_prefix("sns.").and_then(|rest| {
        rest.strip_suffix(".amazonaws.com").or_else(|| rest.strip_suffix(".amazonaws.com.cn"))
    });
    let region = region.unwrap_or_default();
    !region.is_empty() && region.bytes().all(|byte| is_small(byte) || byte == b'-')
}

fn is_small(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit()
}

/// The header field that repeats the type.
const TYPE: &str = "x-amz-sns-message-type";
/// How long ago it may have been published, and how far our clocks may differ. No policy of SNS tries
/// for longer than an hour.
pub(in crate::provider) const AGE: TimeDelta = TimeDelta::hours(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_hosts_of_amazon_sns_are_named() {
        let good = "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-0a1b.pem";
        assert!(is_certificate_url(good));
        assert!(is_certificate_url(&good.replace(".com/", ".com.cn/")));
        for bad in [
            "",
            "http://sns.us-east-1.amazonaws.com/SimpleNotificationService-0a1b.pem",
            "HTTPS://sns.us-east-1.amazonaws.com/SimpleNotificationService-0a1b.pem",
            "https://sns.amazonaws.com/SimpleNotificationService-0a1b.pem",
            "https://sns..amazonaws.com/SimpleNotificationService-0a1b.pem",
            "https://sns.us-east-1.amazonaws.com.example/SimpleNotificationService-0a1b.pem",
            "https://sns.us-east-1.amazonaws.com.cn.cn/SimpleNotificationService-0a1b.pem",
            "https://sns.evil.s3.amazonaws.com/SimpleNotificationService-0a1b.pem",
            "https://sns-us-east-1.s3.amazonaws.com/SimpleNotificationService-0a1b.pem",
            "https://sns.us-east-1.amazonaws.com:444/SimpleNotificationService-0a1b.pem",
            "https://u@sns.us-east-1.amazonaws.com/SimpleNotificationService-0a1b.pem",
            "https://sns.us-east-1.amazonaws.com/a/SimpleNotificationService-0a1b.pem",
            "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-.pem",
            "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-0A1B.pem",
            "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-0a1b.pem?a",
            "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-0a1b.pem#.pem",
            "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-0a1b.pem\n",
            "https://sns.us-east-1.amazonaws.com\\.example/SimpleNotificationService-0a1b.pem",
            "https://other.example/https://sns.us-east-1.amazonaws.com/SimpleNotificationService-0a1b.pem",
        ] {
            assert!(!is_certificate_url(bad), "{bad}");
        }
    }
}
